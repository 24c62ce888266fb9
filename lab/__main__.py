# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Command line of the lab; `./hafw` calls it."""

from __future__ import annotations

import argparse
import os
import sys

from . import lab as labs
from . import options
from .run import LabError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hafw", description="Real firewall nodes on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring a lab up from an inventory")
    options.add_lab(up)
    up.add_argument("--fresh", action="store_true", help="start anew, also when the lab runs")
    for command, text in (
        ("down", "take a lab down"),
        ("status", "show what runs"),
        ("ssh-config", "print the path of the SSH client configuration"),
        ("inventory", "print the path of the Ansible inventory overlay"),
    ):
        options.add_name(commands.add_parser(command, help=text))
    shell = commands.add_parser("shell", help="a shell, or a command, on a node or probe host")
    options.add_name(shell)
    shell.add_argument("host")
    shell.add_argument("argv", nargs=argparse.REMAINDER)
    from . import bench_cib, bench_rules, demo, drill, trace

    bench_cib.add_parser(commands)
    bench_rules.add_parser(commands)
    demo.add_parser(commands)
    drill.add_parser(commands)
    trace.add_parser(commands)
    return parser


def _status(name: str) -> int:
    running = labs.names()
    if not running:
        print("no lab is running")
        return 0
    for each in running:
        lab = labs.get(each)
        print(f"lab {each}{' *' if each == name else ''}: {lab.inventory.path}")
        for node in lab.nodes.values():
            state = node.exec("systemctl", "is-system-running", check=False).strip()
            print(f"  node  {node.name:12} {node.plan.release:9} {node.plan.management:24} {state}")
        for (cluster, key), probe in lab.probes.items():
            print(f"  probe {probe.name:12} {cluster}/{key}: {probe.ipv4 or '-'} {probe.ipv6 or '-'}")
        for switch in lab.plan.switches:
            print(f"  switch {switch.name:11} {switch.alias}")
    return 0


def _shell(lab: labs.Lab, name: str, argv: list[str]) -> int:
    probes = {probe.name: probe for probe in lab.probes.values()}
    probes |= {f"{cluster}/{key}": probe for (cluster, key), probe in lab.probes.items()}
    if name in lab.nodes:
        config = lab.runtime / "ssh_config"
        os.execvp("ssh", ["ssh", "-F", str(config), name, *argv])
    if name in probes:
        return probes[name].popen(argv or ["bash"]).wait()
    raise LabError(f"no host {name!r}; nodes: {', '.join(lab.nodes)}; probe hosts: {', '.join(probes)}")


def main() -> int:
    """Run one command; a LabError is printed without a traceback and ends with status 1."""
    given = _parser().parse_args()
    try:
        if given.command == "up":
            lab = labs.up(given.name, given.inventory, given.release, given.fresh, options.extra(given))
            print(f"lab {lab.name} is up: {', '.join(lab.nodes)}")
            return 0
        if given.command == "down":
            labs.down(given.name)
            return 0
        if given.command == "status":
            return _status(given.name)
        if given.command == "shell":
            return _shell(labs.get(given.name), given.host, given.argv)
        if given.command == "ssh-config":
            print(labs.get(given.name).runtime / "ssh_config")
            return 0
        if given.command == "inventory":
            print(labs.get(given.name).overlay)
            return 0
        return int(given.run(given))
    except LabError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
