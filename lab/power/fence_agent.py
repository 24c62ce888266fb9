# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Fence agent of the lab, /usr/sbin/fence_lab on every node: asks the lab's power service.

It keeps to the FenceAgentAPI: options as `name=value` lines on standard input, results as exit codes.
"""

from __future__ import annotations

import socket
import sys

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Fence agent for the power service of the lab">
<longdesc>Cuts the power of nodes of the lab on one machine. It is of no use anywhere else.</longdesc>
<vendor-url></vendor-url>
<parameters>
<parameter name="action" unique="0" required="1">
<getopt mixed="-o, --action=[action]"/><content type="string" default="reboot"/>
<shortdesc lang="en">Fencing action</shortdesc></parameter>
<parameter name="ip" unique="0" required="1">
<getopt mixed="-a, --ip=[ip]"/><content type="string"/>
<shortdesc lang="en">Address of the power service</shortdesc></parameter>
<parameter name="ipport" unique="0" required="0">
<getopt mixed="-u, --ipport=[port]"/><content type="integer" default="6230"/>
<shortdesc lang="en">TCP port of the power service</shortdesc></parameter>
<parameter name="plug" unique="0" required="0" obsoletes="port">
<getopt mixed="-n, --plug=[name]"/><content type="string"/>
<shortdesc lang="en">Name of the node</shortdesc></parameter>
<parameter name="port" unique="0" required="0" deprecated="1">
<getopt mixed="-n, --plug=[name]"/><content type="string"/>
<shortdesc lang="en">Name of the node</shortdesc></parameter>
<parameter name="password" unique="0" required="0">
<getopt mixed="-p, --password=[password]"/><content type="string"/>
<shortdesc lang="en">Not asked for, whatever it is: for tests that follow a password</shortdesc></parameter>
</parameters>
<actions>
<action name="on" automatic="0"/>
<action name="off"/>
<action name="reboot"/>
<action name="status"/>
<action name="list"/>
<action name="monitor"/>
<action name="metadata"/>
<action name="validate-all"/>
</actions>
</resource-agent>"""
OK, FAILED, OFF = 0, 1, 2
CONNECT_S = 5


def options(lines: list[str]) -> dict[str, str]:
    """The options that Pacemaker gives; what this agent does not know is none of its business."""
    pairs = (line.strip().split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return dict(pairs)


def ask(given: dict[str, str], request: str) -> str:
    """One request to the power service, and what it answered. How long to wait for that is Pacemaker's decision."""
    address = (given["ip"], int(given.get("ipport", "6230")))
    with socket.create_connection(address, timeout=CONNECT_S) as connection:
        connection.settimeout(None)
        connection.sendall(f"{request}\n".encode())
        with connection.makefile() as answers:
            return answers.readline().strip()


def complain(text: str) -> int:
    """Say why it failed, for the log."""
    print(text, file=sys.stderr)
    return FAILED


def act(given: dict[str, str]) -> int:
    """Do what was asked; the exit code."""
    action = given.get("action") or given.get("option") or "reboot"
    if action == "metadata":
        print(METADATA)
        return OK
    if not given.get("ip"):
        return complain("the option ip is missing")
    if action == "validate-all":
        return OK
    plug = given.get("plug") or given.get("port") or given.get("nodename")
    if action in ("list", "monitor"):
        request = "list"
    elif action not in ("on", "off", "reboot", "status"):
        return complain(f"unknown action {action}")
    elif not plug:
        return complain("the option plug is missing")
    else:
        request = f"{action} {plug}"
    try:
        answer = ask(given, request)
    except (OSError, ValueError) as problem:
        return complain(f"{request}: {problem}")
    state, _unused, rest = answer.partition(" ")
    if state != "ok":
        return complain(f"{request}: {rest or 'no answer'}")
    if action == "list":
        print("\n".join(f"{item.partition('=')[0]}," for item in rest.split()))
    return OFF if action == "status" and rest == "off" else OK


def main() -> int:
    """Options from standard input, or `-o ACTION` for a look by hand."""
    if sys.argv[1:2] in (["-o"], ["--action"]):
        return act({"action": sys.argv[2], **options(sys.argv[3:])})
    return act(options(sys.stdin.readlines()))


if __name__ == "__main__":
    sys.exit(main())
