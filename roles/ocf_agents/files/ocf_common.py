# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the resource agents have in common: exit statuses, parameters, metadata (OCF Resource Agent API 1.1).

A takeover waits for interpreters that start, so the agents import late and little: most of that time went into modules
such as typing, ipaddress and urllib (which xml.sax brings).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

    Environment = Mapping[str, str]

OCF_SUCCESS = 0
OCF_ERR_GENERIC = 1
OCF_ERR_UNIMPLEMENTED = 3
OCF_ERR_INSTALLED = 5
OCF_ERR_CONFIGURED = 6
OCF_NOT_RUNNING = 7
OCF_RUNNING_PROMOTED = 8

RUNTIME = Path("/run/linuxha")


class Failed(Exception):
    """An action that cannot be done: what to say, and the exit status."""

    def __init__(self, message: str, status: int = OCF_ERR_GENERIC) -> None:
        super().__init__(message)
        self.status = status


class Parameter:
    """A parameter; without a default it is required."""

    def __init__(
        self, name: str, default: Optional[str], text: str, reloadable: bool = False, unique: bool = False
    ) -> None:
        self.name = name
        self.default = default
        self.text = text
        self.reloadable = reloadable
        self.unique = unique


class Agent:
    """An agent as its metadata describes it. Actions: name, timeout in seconds, interval in seconds, role."""

    def __init__(
        self,
        name: str,
        short: str,
        text: str,
        parameters: Sequence[Parameter],
        actions: Sequence[Tuple[str, int, int, str]],
        do: Mapping[str, Callable[[Dict[str, str]], int]],
    ) -> None:
        self.name = name
        self.short = short
        self.text = text
        self.parameters = parameters
        self.actions = actions
        self.do = do


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(argv: Sequence[str], stdin: str = "", timeout: float = 20.0) -> Tuple[int, str]:
    import subprocess

    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            text=True,
            env=dict(os.environ, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout:g} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def remember(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)


def remembered(path: Path) -> Optional[str]:
    """What was remembered; None when it was not."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def parameters(agent: Agent, environment: Environment) -> Dict[str, str]:
    found = {}
    for item in agent.parameters:
        value = environment.get("OCF_RESKEY_" + item.name, item.default)
        if value is None:
            raise Failed(f"parameter {item.name} is missing", OCF_ERR_CONFIGURED)
        found[item.name] = value
    return found


# For agents that talk to the takeover worker (ocf_worker.py).
WORKER = (
    Parameter("fifo", "/run/linuxha/vrrp.fifo", "FIFO of the takeover worker."),
    Parameter("state_file", "/run/linuxha/state.json", "Where the takeover worker publishes its state."),
)


def escape(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text


def metadata(agent: Agent) -> str:
    """Pacemaker asks for it whenever it starts a resource of this agent, also during a takeover."""
    lines = ['<?xml version="1.0"?>', f'<resource-agent name="{agent.name}" version="1.0">', "<version>1.1</version>"]
    lines += [f'<longdesc lang="en">{escape(agent.text)}</longdesc>', f'<shortdesc lang="en">{agent.short}</shortdesc>']
    lines.append("<parameters>")
    for item in agent.parameters:
        marks = (
            f'required="{int(item.default is None)}" unique="{int(item.unique)}" reloadable="{int(item.reloadable)}"'
        )
        default = "" if item.default is None else f' default="{escape(item.default)}"'
        lines.append(f'<parameter name="{item.name}" {marks}><longdesc lang="en">{escape(item.text)}</longdesc>')
        lines.append(f'<shortdesc lang="en">{item.name}</shortdesc><content type="string"{default}/></parameter>')
    lines += ["</parameters>", "<actions>"]
    for name, timeout, interval, role in agent.actions:
        more = (f' interval="{interval}s"' if interval else "") + (f' role="{role}"' if role else "")
        lines.append(f'<action name="{name}" timeout="{timeout}s"{more}/>')
    return "\n".join([*lines, "</actions>", "</resource-agent>"])


def main(agent: Agent, argv: List[str], environment: Environment) -> int:
    action = argv[1] if len(argv) == 2 else ""
    if action in ("meta-data", "metadata"):
        print(metadata(agent))
        return OCF_SUCCESS
    if action not in agent.do:
        say(f"usage: {agent.name} {'|'.join(agent.do)}|meta-data")
        return OCF_ERR_UNIMPLEMENTED
    try:
        return agent.do[action](parameters(agent, environment))
    except Failed as problem:
        say(f"{agent.name} {action}: {problem}")
        return problem.status
