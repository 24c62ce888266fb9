# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Command line of the lab; `./hafw` calls it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import lab as labs
from . import paths
from .run import LabError

DEFAULT_INVENTORY = paths.REPO / "inventories" / "keepalived"


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="default", help="name of the lab, so that several can run side by side")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hafw", description="Real firewall nodes on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring a lab up from an inventory")
    _add_common(up)
    up.add_argument("-i", "--inventory", type=Path, default=DEFAULT_INVENTORY)
    up.add_argument("--release", choices=("debian12", "debian13"), help="one release for all nodes")
    up.add_argument("--fresh", action="store_true", help="start anew, also when the lab runs")
    for command, text in (
        ("down", "take a lab down"),
        ("status", "show what runs"),
        ("ssh-config", "print the path of the SSH client configuration"),
        ("inventory", "print the path of the Ansible inventory overlay"),
    ):
        _add_common(commands.add_parser(command, help=text))
    shell = commands.add_parser("shell", help="a shell, or a command, on a node or probe host")
    _add_common(shell)
    shell.add_argument("host")
    shell.add_argument("argv", nargs=argparse.REMAINDER)
    from . import demo, drill  # noqa: PLC0415  (they pull in the monitors, which `up` does not need)

    demo.add_parser(commands)
    drill.add_parser(commands)
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
    options = _parser().parse_args()
    try:
        if options.command == "up":
            lab = labs.up(options.name, options.inventory, options.release, options.fresh)
            print(f"lab {lab.name} is up: {', '.join(lab.nodes)}")
            return 0
        if options.command == "down":
            labs.down(options.name)
            return 0
        if options.command == "status":
            return _status(options.name)
        if options.command == "shell":
            return _shell(labs.get(options.name), options.host, options.argv)
        if options.command == "ssh-config":
            print(labs.get(options.name).runtime / "ssh_config")
            return 0
        if options.command == "inventory":
            print(labs.get(options.name).overlay)
            return 0
        return int(options.run(options))
    except LabError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
