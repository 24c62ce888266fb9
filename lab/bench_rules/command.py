# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The command."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import lab as labs
from .. import options
from ..progress import say
from . import figures, met
from .apply import Bench, Run
from .path import Traffic, measure
from .scaling import Work, work

# Tells the raw results from those of drills.
KIND = "rules"
ON_A_NODE = ("apply", "role", "tasks")
PARTS = (*ON_A_NODE, "traffic", "work")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bench-rules", help="measure the rules beside other tools, and what packets pay for them"
    )
    options.add_name(parser)
    parser.set_defaults(name="rules", run=run)
    parser.add_argument("--node", default="fw2", help="where it is measured")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", type=int, default=(100, 1000, 10_000), metavar="N")
    parser.add_argument(
        "--work", nargs="+", type=int, default=(1000, 2000, 5000, 10_000), metavar="N", help="sizes there"
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="repetitions of each size")
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="most rules given to iptables one by one")
    parser.add_argument("--tasks", type=int, default=100, metavar="N", help="rules given to Ansible one by one")
    parser.add_argument(
        "--rounds", type=_several, default=100, metavar="N", help="repetitions of the traffic, at least 2"
    )
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement of traffic")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw results")


def _several(text: str) -> int:
    """Of one there are no quarters."""
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"{number}: at least 2 repetitions make a spread")
    return number


def _result(
    given: argparse.Namespace, versions: dict[str, str], runs: list[Run], traffic: list[Traffic], done: list[Work]
) -> dict[str, Any]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "kind": KIND,
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "memory_gib": round(memory / 2**30, 1)},
        "node": versions,
        "setting": {key: getattr(given, key) for key in ("repeat", "sample", "tasks", "rounds", "seconds")},
        "apply": figures.apply_summary(runs),
        "traffic": figures.traffic_summary(traffic),
        "work": figures.work_summary(done),
        "runs": [asdict(item) for item in runs],
        "rates": [asdict(item) for item in traffic],
        "cpu": [asdict(item) for item in done],
    }


def _apply(bench: Bench, given: argparse.Namespace) -> None:
    for repetition in range(given.repeat):
        if "apply" in given.parts:
            for size in given.sizes:
                bench.size(size, repetition)
        if "role" in given.parts:
            for size in given.sizes:
                bench.role(size, repetition)
        if "tasks" in given.parts:
            bench.tasks(given.tasks, given.sizes, repetition)


def _on_a_node(given: argparse.Namespace) -> tuple[dict[str, str], list[Run]]:
    lab = labs.up(given.name, options.INVENTORIES / "keepalived", fresh=True)
    try:
        bench = Bench(lab, lab.nodes[given.node], given.sample)
        bench.prepare()
        versions = bench.versions()
        say(f"      {lab.nodes[given.node].plan.release}: {versions}")
        _apply(bench, given)
        return versions, bench.runs
    finally:
        labs.down(given.name)


def run(given: argparse.Namespace) -> int:
    """Measure."""
    data: dict[str, Any] = {"started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    versions, runs = _on_a_node(given) if {*ON_A_NODE} & {*given.parts} else ({}, [])
    traffic = measure(max(given.sizes), given.rounds, given.seconds) if "traffic" in given.parts else []
    repetitions = range(given.repeat if "work" in given.parts else 0)
    done = [work(size, repetition, met.MANAGEMENT) for repetition in repetitions for size in given.work]
    data |= _result(given, versions, runs, traffic, done)
    if given.json:
        given.json.write_text(json.dumps(data, indent=1) + "\n")
    print(figures.tables(data, given.json.name if given.json else ""))
    return 0
