# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The rules of this repository, as functions from text or data to a list of problems.

tests/unit/repo applies them to the files, and to bad samples, so that a rule that finds nothing any more is noticed.
"""

from __future__ import annotations

import ast
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

SPDX = "SPDX-" + "License-Identifier: GPL-3.0-or-later"
MAX_MAIN_TASKS = 10
MAX_TASK_LINES = 120

FORBIDDEN = {
    r"^\s*ignore_errors\s*:": "ignore_errors hides a failure: name the failure that is fine in failed_when",
    r"^\s*failed_when:\s*(false|no)\b": "failed_when false hides every failure",
    r"\|\|\s*(true|:)(?!\S)": "an ignored exit code hides every failure",
    r"#\s*noqa(?!:)": "noqa needs its codes",
    r"#\s*type:\s*ignore(?!\[)": "type: ignore needs the error it ignores",
    r"\bansible_(distribution\w*|os_family|all_ipv[46]_addresses|default_ipv[46]|hostname|fqdn|interfaces)\b(?!')": (
        "facts only as ansible_facts['name']"
    ),
}
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|home/[a-z]\w*|root/\.(?!ssh)\w+|opt/(?:pypi|wheels)|Users)/")
REGISTRIES = re.compile(r"https?://[^\s\"'<>]*(?:/simple|/debian(?:-security)?|/ubuntu)(?=[/\s\"'<>]|$)")
PIN = re.compile(r"[\w\]-]\s*==\s*\d+\.\d")

DOCUMENTATION_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        # RFC 5737 and RFC 3849 (and its successor RFC 9637)
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20",
        # addresses that mean the same everywhere: any, loopback, link-local, multicast, netmasks and broadcast
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8",
        "128.0.0.0/32", "8000::/128",
    )
)  # fmt: skip
IPV4 = re.compile(r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w\.|\w|\.\d)")
IPV6 = re.compile(r"(?<![\w.:])(?:[0-9a-fA-F]{1,4}:{1,2}){2,7}[0-9a-fA-F]{0,4}(?![\w:])")

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def located(text: str, patterns: Mapping[str, str]) -> list[str]:
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        problems += [f"line {number}: {why}" for pattern, why in patterns.items() if re.search(pattern, line)]
    return problems


def forbidden(text: str) -> list[str]:
    return located(text, FORBIDDEN) + unexplained(text)


def unexplained(text: str) -> list[str]:
    """A suppressed finding needs a reason behind the code, once in a file for each code."""
    noqa = re.compile(r"#\s*noqa:\s*([A-Z]+\d+)(\s+(?:-|\(|#)\s*\w)?")
    used = {match.group(1): number for number, line in enumerate(text.splitlines(), 1) for match in noqa.finditer(line)}
    explained = {match.group(1) for match in noqa.finditer(text) if match.group(2)}
    return [f"line {number}: noqa {code} without a reason" for code, number in used.items() if code not in explained]


def machine_specific(text: str) -> list[str]:
    return located(text, {MACHINE_PATHS.pattern: "a path of one machine", REGISTRIES.pattern: "a package mirror"})


def licence(text: str) -> list[str]:
    """The licence line belongs to the first lines, where a reader and a scanner look."""
    return [] if SPDX in "\n".join(text.splitlines()[:12]) else ["no SPDX licence line at the top"]


def pins(text: str) -> list[str]:
    return located(text, {PIN.pattern: "versions are pinned in requirements-dev.txt only"})


def foreign_addresses(text: str) -> list[str]:
    """Addresses that are neither reserved for documentation nor the same everywhere."""
    problems = []
    for match in [*IPV4.finditer(text), *IPV6.finditer(text)]:
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            continue
        if not any(address in network for network in DOCUMENTATION_NETWORKS):
            number = text.count("\n", 0, match.start()) + 1
            problems.append(f"line {number}: {address} is not a documentation address (RFC 5737, RFC 3849)")
    return problems


def anchors(markdown: str) -> set[str]:
    """The anchors that a forge makes from the headings."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", markdown)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return found


def broken_links(path: Path, markdown: str) -> list[str]:
    problems = []
    for target in LINK.findall(FENCE.sub("", markdown)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _hash, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists():
            problems.append(f"{target}: no such file")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            problems.append(f"{target}: no such heading")
    return problems


def old_syntax(source: str) -> list[str]:
    """What runs on a target must be readable for Python 3.9."""
    try:
        ast.parse(source, feature_version=(3, 9))
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    return []


# --- roles


def parity(role: str, defaults: Mapping[str, Any], spec: Mapping[str, Any]) -> list[str]:
    """Ansible does not apply the defaults of argument_specs, so defaults/main.yml repeats them."""
    options = spec.get("argument_specs", {}).get("main", {}).get("options", {})
    problems = []
    for name in sorted({*defaults, *options}):
        if not name.startswith(f"{role}_"):
            problems.append(f"{name}: does not begin with {role}_")
        if name not in options:
            problems.append(f"{name}: not in argument_specs")
        elif "default" in options[name] and name not in defaults:
            problems.append(f"{name}: has a default in argument_specs only")
        elif name in defaults and options[name].get("required"):
            problems.append(f"{name}: required, and yet has a default")
        elif name in defaults and "default" not in options[name]:
            problems.append(f"{name}: has a default in defaults/main.yml only")
        elif name in defaults and not same(defaults[name], options[name]["default"]):
            problems.append(f"{name}: default {defaults[name]!r}, but argument_specs say {options[name]['default']!r}")
    return problems


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type: Python takes 1 for True."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def flat_tasks(tasks: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat_tasks(task.get(part) or ())


def depth(tasks: Iterable[Mapping[str, Any]]) -> int:
    inner = [depth(task[part]) for task in tasks for part in ("block", "rescue", "always") if task.get(part)]
    return max(inner) + 1 if inner else 0


def task_file(stem: str, text: str, tasks: list[Mapping[str, Any]]) -> list[str]:
    """The house style of one file below tasks/."""
    problems = []
    if stem == "main":
        if len(tasks) > MAX_MAIN_TASKS:
            problems.append(f"{len(tasks)} tasks in main.yml, which is a table of contents of at most {MAX_MAIN_TASKS}")
    else:
        wanted = re.compile(rf"{re.escape(stem)} \| [A-Z]")
        names = [str(task.get("name", "")) for task in flat_tasks(tasks)]
        problems += [
            f"{name or 'a task without a name'}: write '{stem} | Text'" for name in names if not wanted.match(name)
        ]
    if depth(tasks) > 2:
        problems.append("blocks three deep")
    if len(text.splitlines()) > MAX_TASK_LINES:
        problems.append(f"more than {MAX_TASK_LINES} lines")
    return problems


# --- plugins


def untested(names: Iterable[str], tests: Mapping[str, str]) -> list[str]:
    """Names that no test file mentions."""
    return [name for name in names if not any(re.search(rf"\b{re.escape(name)}\b", text) for text in tests.values())]


def undocumented(source: str, wanted: Iterable[str]) -> list[str]:
    assigned = {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [f"no {name}" for name in wanted if name not in assigned]


def action_group(runtime: Mapping[str, Any], modules: Iterable[str]) -> list[str]:
    group = [name for name in runtime.get("action_groups", {}).get("all", []) if isinstance(name, str)]
    wanted = set(modules)
    problems = [f"{name}: missing in the action group all" for name in sorted(wanted - set(group))]
    problems += [f"{name}: in the action group all, but no module" for name in sorted(set(group) - wanted)]
    return problems + (["the action group all is not sorted"] if group != sorted(group) else [])
