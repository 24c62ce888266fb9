# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`hafw lab bench-cib`: what a configuration of hundreds of objects costs by the module cib, by pcs and by crm.

All three write the same objects into the same live cluster, one after the other, in an order that changes with every
repetition; before each of them the cluster is emptied. Times are those of processes on the node.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import lab as labs
from . import options, paths, playbook
from .hosts import NodeHost
from .progress import say, step
from .run import LabError

# Tells the raw results from those of drills.
KIND = "cib"
AGENT = "ocf:heartbeat:Dummy"
TOOLS = ("cib", "pcs", "crm")
# Nothing starts and nothing is probed: else whoever comes first pays for the start of what it wrote.
QUIET = {"maintenance-mode": "true", "enable-startup-probes": "false"}
# A patch brings the next epoch with it, and the cluster counts on by one when it has applied it.
_PATCH = 2
_PROGRAMS = ("pacemaker", "pcs", "crmsh", "python3")
_REMOTE = "/tmp/bench-cib"
# On the node, so that the way there is not measured.
_DRIVER = """
import json, subprocess, sys, time
times = []
for argv in json.load(sys.stdin):
    start = time.monotonic()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    times.append(time.monotonic() - start)
    if done.returncode != 0:
        sys.exit(f"{argv}: exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
print(json.dumps({"seconds": times, "last": done.stdout}))
"""


@dataclass(frozen=True)
class Run:
    """One tool, once.

    Attributes:
        node: where it ran.
        repetition: counted from 0, for each node.
        tool: one of TOOLS.
        what: `create` into an empty cluster, `again` the same once more, or `start`: create without QUIET.
        objects: how many were written or compared.
        seconds: of all its processes together.
        epochs: by how much the epoch of the CIB grew: by one for each command, by _PATCH for one patch.
        load: of the machine, before it (one minute).
    """

    node: str
    repetition: int
    tool: str
    what: str
    objects: int
    seconds: float
    epochs: int
    load: float


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("bench-cib", help="measure the module cib beside pcs and crm on a live cluster")
    options.add_name(parser)
    parser.set_defaults(name="bench", run=run)
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="repetitions on each node")
    parser.add_argument("--pairs", type=int, default=200, metavar="N", help="resources, and as many constraints")
    parser.add_argument("--sample", type=int, default=20, metavar="N", help="the same for pcs and crm")
    parser.add_argument("--starts", type=int, default=1, metavar="N", help="repetitions in which resources start")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw results")


# ---- what is written


def wanted(pairs: int) -> dict[str, Any]:
    """The objects in the words of the module: half of the constraints are locations, the others colocations, orders."""
    operations = [{"name": "monitor", "interval": "60s", "timeout": "20s"}]
    resources = [{"id": _name(n), "agent": AGENT, "operations": operations} for n in range(pairs)]
    constraints: list[dict[str, Any]] = []
    for number in range(pairs):
        kind, one, other = _constraint(number)
        more: dict[str, Any] = {"type": kind, "id": f"c{number:03}"}
        if kind == "location":
            more |= {"resource": one, "node": "fw1", "score": 50}
        elif kind == "colocation":
            more |= {"resource": one, "with": other, "score": 10}
        else:
            more |= {"first": other, "then": one, "kind": "Optional"}
        constraints.append(more)
    return {"resources": resources, "constraints": constraints}


def _name(number: int) -> str:
    return f"d{number:03}"


def _constraint(number: int) -> tuple[str, str, str]:
    kind = ("location", "colocation", "location", "order")[number % 4]
    return kind, _name(number), _name(max(number - 1, 0))


def commands(tool: str, pairs: int) -> list[list[str]]:
    """The same objects, one command for each."""
    found = []
    for number in range(pairs):
        operation = ["op", "monitor", "interval=60s", "timeout=20s"]
        if tool == "pcs":
            found.append(["pcs", "resource", "create", _name(number), AGENT, *operation, "--no-default-ops"])
        else:
            found.append(["crm", "configure", "primitive", _name(number), AGENT, *operation])
    for number in range(pairs):
        kind, one, other = _constraint(number)
        identity = f"c{number:03}"
        words = {
            ("pcs", "location"): ["add", identity, one, "fw1", "50"],
            ("pcs", "colocation"): ["add", one, "with", other, "10", f"id={identity}"],
            ("pcs", "order"): [other, "then", one, "kind=Optional", f"id={identity}"],
            ("crm", "location"): [identity, one, "50:", "fw1"],
            ("crm", "colocation"): [identity, "10:", one, other],
            ("crm", "order"): [identity, "Optional:", other, one],
        }[tool, kind]
        found.append([tool, "constraint" if tool == "pcs" else "configure", kind, *words])
    return found


# ---- on the node


class _Bench:
    def __init__(self, lab: labs.Lab, node: NodeHost, pairs: int, sample: int) -> None:
        self.lab = lab
        self.node = node
        self.pairs = pairs
        self.sample = sample
        self.payload = self._payload()

    def _payload(self) -> str:
        """What Ansible sends to a node and runs there, kept after one run."""
        self.node.exec("rm", "-rf", _REMOTE)
        argv = ["ansible", self.node.name, *playbook.inventories(self.lab), "-m", "linuxha.firewall.cib"]
        environment = {**playbook.environment(), "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TEMP": _REMOTE}
        done = subprocess.run(
            [*argv, "-a", json.dumps(wanted(self.pairs))],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=paths.REPO,
        )
        if done.returncode != 0:
            raise LabError(f"the module cib failed: {(done.stdout + done.stderr)[-2000:]}")
        found = self.node.exec("find", _REMOTE, "-name", "AnsiballZ_cib.py").split()
        if len(found) != 1:
            raise LabError(f"Ansible kept {len(found)} payloads on {self.node.name}, not one: {found}")
        return found[0]

    def _drive(self, argvs: Sequence[Sequence[str]]) -> tuple[float, str]:
        answer = json.loads(self.node.container.exec(["python3", "-c", _DRIVER], stdin=json.dumps(argvs)))
        return sum(answer["seconds"]), answer["last"]

    def _epoch(self) -> int:
        found = re.search(r' epoch="(\d+)"', self.node.exec("cibadmin", "--query", "--no-children"))
        if found is None:
            raise LabError("the CIB has no epoch")
        return int(found[1])

    def _objects(self) -> int:
        count = 0
        for section, tags in (("resources", "<primitive "), ("constraints", "<rsc_")):
            count += self.node.exec("cibadmin", "--query", "--scope", section).count(tags)
        return count

    def empty(self) -> None:
        """Take out what a tool has written."""
        remove_all(self.node)
        if self._objects():
            raise LabError("the cluster is not empty")

    def create(self, tool: str, repetition: int, what: str = "create") -> Run:
        """Write into the empty cluster."""
        self.empty()
        objects = 2 * (self.pairs if tool == "cib" else self.sample)
        done = self._measure(tool, repetition, what, objects)
        if self._objects() != objects:
            raise LabError(f"{tool} made {self._objects()} objects, not {objects}")
        if done.epochs != (_PATCH if tool == "cib" else objects):
            raise LabError(f"{tool} wrote the CIB {done.epochs} times for {objects} objects")
        return done

    def again(self, repetition: int, what: str = "again") -> Run:
        """The same once more, which has to find that nothing is to be done."""
        done = self._measure("cib", repetition, what, 2 * self.pairs)
        if done.epochs:
            raise LabError("the second run wrote the CIB")
        return done

    def _measure(self, tool: str, repetition: int, what: str, objects: int) -> Run:
        argvs = [["python3", self.payload]] if tool == "cib" else commands(tool, self.sample)
        load, epoch = os.getloadavg()[0], self._epoch()
        seconds, last = self._drive(argvs)
        if tool == "cib" and json.loads(last)["changed"] != (not what.startswith("again")):
            raise LabError(f"the module cib answers the wrong thing: {last[:200]}")
        done = Run(
            self.node.name, repetition, tool, what, objects, round(seconds, 4), self._epoch() - epoch, round(load, 2)
        )
        per = seconds / objects * 1000
        place = f"{self.node.name} {repetition}"
        say(f"      {place} {tool:4} {what:14} {objects} objects {seconds:7.2f} s {per:6.1f} ms each")
        return done


def remove_all(node: NodeHost) -> None:
    """Take all resources, constraints and notes of owners out of the CIB."""
    notes = "//crm_config/cluster_property_set[starts-with(@id,'linuxha-owned-')]"
    for path in ("//configuration/constraints/*", "//configuration/resources/*", notes):
        node.exec("cibadmin", "--delete-all", "--force", f"--xpath={path}", check=False)


def prepare(lab: labs.Lab) -> None:
    """A cluster without resources, and the other tools on its nodes."""
    with step("deploy corosync and pacemaker"):
        playbook.play(lab, str(paths.REPO / "tests" / "cluster" / "deploy.yml"), show=None)
    for node in lab.nodes.values():
        with step(f"install pcs and crmsh on {node.name}"):
            install_tools(node)


def install_tools(node: NodeHost) -> None:
    """Install pcs, without its daemon, and crmsh from the node's own repository."""
    node.exec("systemctl", "mask", "pcsd.service", "pcsd-ruby.service")
    node.exec("apt-get", "update")
    node.exec("apt-get", "install", "--yes", "--no-install-recommends", "pcs", "crmsh")


def _quiet(node: NodeHost, quiet: bool) -> None:
    for name, value in QUIET.items():
        node.exec("crm_attribute", "--name", name, *(["--update", value] if quiet else ["--delete"]))
    node.exec("crm_resource", "--wait", "--timeout=300")


def _starting(bench: _Bench, repetition: int) -> list[Run]:
    """The module alone, on a cluster that starts what is written."""
    _quiet(bench.node, quiet=False)
    found = [bench.create("cib", repetition, "start")]
    bench.node.exec("crm_resource", "--wait", "--timeout=600")
    found.append(bench.again(repetition, "again, running"))
    bench.empty()
    bench.node.exec("crm_resource", "--wait", "--timeout=600")
    bench.node.exec("crm_resource", "--refresh")
    _quiet(bench.node, quiet=True)
    return found


def _versions(node: NodeHost) -> dict[str, str]:
    form = "--showformat=${Package} ${Version}\n"
    text = node.exec("dpkg-query", "--show", form, *_PROGRAMS, check=False)
    release = node.exec("cat", "/etc/debian_version").strip()
    return {"debian": release, **dict(line.split(" ", 1) for line in text.splitlines())}


# ---- what comes out


def summary(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """For each node, tool and way: n, and the time for as many objects as the module wrote; how many times that is.

    The ratio is taken within each repetition, and its median, least and greatest are what is told.
    """
    found = []
    every = list(runs)
    whole = max((item.objects for item in every if item.tool == "cib"), default=0)
    ours = {(item.node, item.repetition): item.seconds for item in every if (item.tool, item.what) == ("cib", "create")}
    for node, tool, what in dict.fromkeys((item.node, item.tool, item.what) for item in every):
        these = [item for item in every if (item.node, item.tool, item.what) == (node, tool, what)]
        times = [item.seconds / item.objects * whole for item in these]
        ratios = (
            [time / ours[node, item.repetition] for time, item in zip(times, these, strict=True)]
            if what == "create"
            else []
        )
        found.append(
            {
                "node": node,
                "tool": tool,
                "what": what,
                "measured": these[0].objects,
                "objects": whole,
                **_spread(times),
                "ratio": _spread(ratios) if tool != "cib" else None,
            }
        )
    return found


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "n": len(values),
        "minimum": round(min(values, default=0.0), 4),
        "median": round(statistics.median(values), 4) if values else 0.0,
        "maximum": round(max(values, default=0.0), 4),
    }


HEADER = (
    "| node | tool | run | n | min | median | max | times the module (min, median, max) | raw |",
    "|---|---|---|---|---|---|---|---|---|",
)
_WORDS = {
    "create": "{objects} objects into an empty cluster",
    "again": "the same again: nothing to do",
    "start": "{objects} objects into an empty cluster that starts them",
    "again, running": "the same again, all running",
}


def rows(data: Mapping[str, Any], name: str) -> list[str]:
    """The rows of a raw result, in Markdown."""
    found = []
    for item in data["summary"]:
        versions = data["nodes"][item["node"]]
        package = {"cib": "pacemaker", "pcs": "pcs", "crm": "crmsh"}[item["tool"]]
        program = {"cib": "module `cib`, Pacemaker", "pcs": "pcs", "crm": "crmsh"}[item["tool"]]
        text = _WORDS[item["what"]].format(objects=item["objects"])
        if item["measured"] != item["objects"]:
            text += f" (measured with {item['measured']})"
        cells = [f"{item['node']}, Debian {versions['debian'].split('.')[0]}", f"{program} {_short(versions[package])}"]
        cells += [text, str(item["n"]), *(f"{item[key]:.2f} s" for key in ("minimum", "median", "maximum"))]
        ratio = item["ratio"]
        cells.append(", ".join(f"{ratio[key]:.0f}" for key in ("minimum", "median", "maximum")) if ratio else "")
        found.append("| " + " | ".join([*cells, f"[{name}]({name})"]) + " |")
    return found


def _short(version: str) -> str:
    return version.partition("-")[0]


def run(given: argparse.Namespace) -> int:
    """Measure."""
    lab = labs.up(given.name, options.INVENTORIES / "keepalived", fresh=True)
    prepare(lab)
    runs: list[Run] = []
    started = datetime.datetime.now(datetime.UTC)
    nodes = list(lab.nodes.values())
    _quiet(nodes[0], quiet=True)
    for node in nodes:
        bench = _Bench(lab, node, given.pairs, given.sample)
        for repetition in range(given.repeat):
            place = repetition % len(TOOLS)
            for tool in (*TOOLS[place:], *TOOLS[:place]):
                runs.append(bench.create(tool, repetition))
                if tool == "cib":
                    runs.append(bench.again(repetition))
        for repetition in range(given.starts):
            runs += _starting(bench, repetition)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    data = {
        "kind": KIND,
        "started": started.isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "memory_gib": round(memory / 2**30, 1)},
        "nodes": {node.name: _versions(node) for node in nodes},
        "setting": QUIET,
        "summary": summary(runs),
        "runs": [asdict(item) for item in runs],
    }
    if given.json:
        given.json.write_text(json.dumps(data, indent=1) + "\n")
    print("\n".join([*HEADER, *rows(data, given.json.name if given.json else "")]))
    return 0
