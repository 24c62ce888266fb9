# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How long the same rules take to load, by the loader of this collection and by others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

from .. import lab as labs
from .. import paths, playbook
from ..hosts import NodeHost
from ..progress import say
from ..run import LabError
from . import others, policy
from .policy import Rule
from .rig import Rig

#: On the node. Each is measured in turn, in an order that rotates.
TOOLS = ("loader", "raw", "each", "ferm", "shorewall")
PACKETS = 60
DIRECTORY = "/root/bench"
RULES, CANDIDATE = "/etc/linuxha/rules", "/etc/linuxha/rules.trial"
LOADER = "linuxha-rules"
TOKEN = "bench"
_DRIVER = (paths.REPO / "lab" / "bench_rules" / "driver.py").read_text()
_PROGRAMS = ("iptables", "ferm", "shorewall", "python3")
_ROLE = """
- hosts: {node}
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: linuxha.firewall.iptables
"""


@dataclass(frozen=True)
class Run:
    """One tool, once.

    Attributes:
        repetition: counted from 0.
        tool: one of TOOLS, `role` or `tasks`.
        way: `test` in a throwaway namespace, `fill` an empty node, `change` one rule, `trial` of that change,
            `again`: the same rules once more.
        size: how many rules it stands for.
        measured: how many rules there were.
        lines: rules in the kernel afterwards, both families.
        seconds: from the start of the first program to the end of the last.
        cpu: CPU seconds of all of them on the node.
        load: of the machine, before it (one minute).
        start: seconds in it that do not grow with the rules, where they were measured.
    """

    repetition: int
    tool: str
    way: str
    size: int
    measured: int
    lines: int
    seconds: float
    cpu: float
    load: float
    start: float = 0.0

    @property
    def whole(self) -> float:
        """Seconds for all rules that it stands for."""
        return self.start + (self.seconds - self.start) / self.measured * self.size


def compiled(rules: Sequence[Rule], management: str) -> dict[str, str]:
    """The files of the role."""
    ruleset, problems = parse(policy.variables(rules, management))
    if problems:
        raise LabError("\n".join(str(problem) for problem in problems[:5]))
    return render(ruleset)


class Bench:
    def __init__(self, lab: labs.Lab, node: NodeHost, sample: int) -> None:
        self.lab = lab
        self.node = node
        self.rig = Rig(node)
        self.sample = sample
        self.management = next(
            str(net) for c in lab.clusters for s in c.segments if s.name == "mgmt" for net in s.prefixes
        )
        self.runs: list[Run] = []

    def prepare(self) -> None:
        """The role with its loader, the other tools, and the worlds."""
        self.play_role(policy.realistic(1))
        self.node.exec("systemctl", "mask", "shorewall.service", "shorewall6.service", "ferm.service")
        self.node.exec("apt-get", "update")
        self.node.exec("apt-get", "install", "--yes", "--no-install-recommends", "ferm", "shorewall", "shorewall6")
        # ferm would load its rules with them, in the other backend.
        self.node.exec("sh", "-c", "rm /usr/sbin/*tables-legacy*")
        for name in ("shorewall", "shorewall6"):
            self.node.exec("sed", "-i", "s/^STARTUP_ENABLED=.*/STARTUP_ENABLED=Yes/", f"/etc/{name}/{name}.conf")
        self.rig.create()

    # ---- on the node

    def write(self, directory: str, files: Mapping[str, str]) -> None:
        self.node.exec("mkdir", "-p", directory)
        for name, text in files.items():
            self.node.container.exec(["sh", "-c", 'cat > "$1"', "sh", f"{directory}/{name}"], stdin=text)

    def _measure(self, steps: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
        answer = self.node.container.exec(["sh", "-c", f"cat > {DIRECTORY}/steps"], stdin=json.dumps(list(steps)))
        answer = self.node.container.exec(["sh", "-c", f'python3 -c "$1" < {DIRECTORY}/steps', "sh", _DRIVER])
        found = json.loads(answer)
        return found["seconds"], found["cpu"]

    def _note(
        self,
        repetition: int,
        tool: str,
        way: str,
        size: int,
        measured: int,
        took: Callable[[], tuple[float, float]],
        start: float = 0.0,
    ) -> None:
        load = os.getloadavg()[0]
        seconds, cpu = took()
        lines = sum(self.node.exec(f"{name}-save").count("\n-A ") for name in ("iptables", "ip6tables"))
        self.runs.append(
            Run(
                repetition,
                tool,
                way,
                size,
                measured,
                lines,
                round(seconds, 4),
                round(cpu, 4),
                round(load, 2),
                round(start, 4),
            )
        )
        say(f"      {repetition} {size:6} {tool:10} {way:7} {seconds:8.3f} s {cpu:8.3f} s CPU {lines:6} lines")

    def _check(self, tool: str, rules: Sequence[Rule]) -> None:
        """The kernel treats packets as the list of rules says."""
        packets = policy.packets(rules, PACKETS)
        wanted = [policy.accepted(rules, packet) for packet in packets]
        for packet, expected, passed in zip(packets, wanted, self.rig.passed(packets), strict=True):
            if expected != passed:
                raise LabError(f"{tool}: {packet} should {'pass' if expected else 'be dropped'}")

    def size(self, size: int, repetition: int) -> None:
        """All tools once."""
        first = repetition % len(TOOLS)
        for tool in (*TOOLS[first:], *TOOLS[:first]):
            rules = policy.realistic(min(size, self.sample) if tool == "each" else size)
            self.rig.empty()
            getattr(self, f"_{tool}")(rules, size, repetition)

    def _install(self, which: str, directory: str) -> None:
        self.node.exec("sh", "-c", f"rm -rf {directory}; cp -r {DIRECTORY}/{which} {directory}")

    def _files(self, rules: Sequence[Rule]) -> None:
        for name, wanted in (("a", rules), ("b", policy.changed(rules))):
            files = compiled(wanted, self.management)
            self.write(f"{DIRECTORY}/{name}", {**files, "SHA256SUMS": manifest(files)})

    def _loader(self, rules: Sequence[Rule], size: int, repetition: int) -> None:
        def note(way: str, *steps: Mapping[str, Any]) -> None:
            self._note(repetition, "loader", way, size, size, lambda: self._measure(steps))

        self._files(rules)
        self.node.exec("mkdir", "-p", "/etc/linuxha")
        self._install("a", RULES)
        note("test", {"argv": [LOADER, "check", f"{DIRECTORY}/a"]})
        note("fill", {"argv": [LOADER, "load"]})
        self._check("loader", rules)
        self._install("b", RULES)
        self.node.exec(LOADER, "check", f"{DIRECTORY}/b")
        note("change", {"argv": [LOADER, "load"]})
        self._install("a", CANDIDATE)
        order = json.dumps({"token": TOKEN, "seconds": 600})
        self.write(CANDIDATE, {"trial.json": order})
        self.node.exec(LOADER, "check", f"{DIRECTORY}/a")
        note("trial", {"argv": [LOADER, "try"], "ready": True})
        self.node.exec(LOADER, "rollback", TOKEN)

    def _raw(self, rules: Sequence[Rule], size: int, repetition: int) -> None:
        def note(way: str, which: str) -> None:
            steps = [
                {"argv": ["ipset", "restore", "-exist"], "stdin": f"{DIRECTORY}/{which}/ipsets"},
                {"argv": ["iptables-restore"], "stdin": f"{DIRECTORY}/{which}/rules.v4"},
                {"argv": ["ip6tables-restore"], "stdin": f"{DIRECTORY}/{which}/rules.v6"},
            ]
            self._note(repetition, "raw", way, size, size, lambda: self._measure(steps))

        self._files(rules)
        note("fill", "a")
        self._check("raw", rules)
        note("change", "b")

    def _each(self, rules: Sequence[Rule], size: int, repetition: int) -> None:
        steps = [{"argv": argv} for argv in others.each(rules)]
        self._note(repetition, "each", "fill", size, len(rules), lambda: self._measure(steps))
        self._check("each", rules)

    def _ferm(self, rules: Sequence[Rule], size: int, repetition: int) -> None:
        self.write(DIRECTORY, {"ferm.conf": others.ferm(rules)})
        steps = [{"argv": ["ferm", f"{DIRECTORY}/ferm.conf"]}]
        self._note(repetition, "ferm", "fill", size, size, lambda: self._measure(steps))
        self._check("ferm", rules)

    def _shorewall(self, rules: Sequence[Rule], size: int, repetition: int) -> None:
        self.write("/etc/shorewall", others.shorewall(rules, 4))
        self.write("/etc/shorewall6", others.shorewall(rules, 6))
        steps = [{"argv": [name, "start"]} for name in ("shorewall", "shorewall6")]
        self._note(repetition, "shorewall", "fill", size, size, lambda: self._measure(steps))
        self.rig.forward()
        self._check("shorewall", rules)

    # ---- from the controller

    def play_role(self, rules: Sequence[Rule]) -> playbook.Played:
        """The role as a user would run it: compile, test, load on trial, confirm, verify."""
        variables = {f"iptables_{key}": value for key, value in policy.variables(rules, self.management).items()}
        return self._play("role", _ROLE.format(node=self.node.name), variables)

    def _play(self, name: str, text: str, variables: Mapping[str, Any]) -> playbook.Played:
        directory = self.lab.runtime / "bench"
        directory.mkdir(exist_ok=True)
        (directory / f"{name}.yml").write_text(text)
        (directory / "variables.json").write_text(json.dumps(variables))
        arguments = ["--limit", self.node.name, "-e", f"@{directory / 'variables.json'}"]
        return playbook.play(self.lab, str(directory / f"{name}.yml"), arguments, show=None)

    def role(self, size: int, repetition: int) -> None:
        """The whole play into an empty node, and once more, which must not touch the kernel."""
        rules = policy.realistic(size)
        self.node.exec("systemctl", "stop", "linuxha-rules.service", "linuxha-rules-trial.service")
        self.rig.empty()
        self._note(repetition, "role", "fill", size, size, lambda: (self.play_role(rules).seconds, 0.0))
        self._check("role", rules)
        before = self._state()
        changed = 0

        def again() -> tuple[float, float]:
            nonlocal changed
            done = self.play_role(rules)
            changed = done.changed
            return done.seconds, 0.0

        self._note(repetition, "role", "again", size, size, again)
        if changed or self._touched(before):
            raise LabError(f"the second run changed {changed} things and touched {self._touched(before)}")
        self._touch()
        if self._touched(before) != ["generation", "counters"]:
            raise LabError(f"a load of the same rules is seen in {self._touched(before)}, so this proves nothing")

    def _state(self) -> dict[str, object]:
        sets = self.node.exec("ipset", "save")
        return {"generation": self.rig.generation(), "counters": self.rig.counters(), "sets": sets}

    def _touched(self, before: Mapping[str, object]) -> list[str]:
        return [key for key, value in self._state().items() if value != before[key]]

    def _touch(self) -> None:
        """What the second run must not do: the same rules are loaded over themselves."""
        self.node.exec("sh", "-c", f"iptables-restore < {RULES}/rules.v4")

    def tasks(self, sample: int, sizes: Sequence[int], repetition: int) -> None:
        """One task for each rule and family; a sample stands for all sizes."""
        rules = policy.realistic(sample)
        self.node.exec("systemctl", "stop", "linuxha-rules.service", "linuxha-rules-trial.service")
        self.rig.empty()
        for program in others.PROGRAMS.values():
            self.node.exec(program, "-P", "FORWARD", "DROP")
        wanted = others.tasks(rules)
        # What a play takes before it does anything, and its first rule, which is found there the second time.
        start, took = (
            self._play(
                "tasks", yaml.safe_dump([{"hosts": self.node.name, "gather_facts": False, "tasks": tasks}]), {}
            ).seconds
            for tasks in (wanted[:1], wanted)
        )
        for size in sizes:
            self._note(repetition, "tasks", "fill", size, len(rules), lambda: (took, 0.0), start)
        self._check("tasks", rules)

    def versions(self) -> dict[str, str]:
        """Of the release and the programs."""
        form = "--showformat=${Package} ${Version}\n"
        text = self.node.exec("dpkg-query", "--show", form, *_PROGRAMS, check=False)
        release = self.node.exec("cat", "/etc/debian_version").strip()
        backend = self.node.exec("iptables", "--version").strip()
        return {"debian": release, "backend": backend, **dict(line.split(" ", 1) for line in text.splitlines())}
