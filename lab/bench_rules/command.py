# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The command."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import lab as labs
from .. import options
from ..progress import say
from . import figures
from .apply import Bench, Run
from .path import Paths, Traffic
from .scaling import Work, work

# Tells the raw results from those of drills.
KIND = "rules"
PARTS = ("apply", "role", "tasks", "traffic", "work")


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
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="repetitions of the traffic")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement of traffic")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw results")


def _result(
    given: argparse.Namespace, versions: dict[str, str], runs: list[Run], traffic: list[Traffic], done: list[Work]
) -> dict[str, Any]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "kind": KIND,
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "memory_gib": round(memory / 2**30, 1)},
        "node": versions,
        "setting": {key: getattr(given, key) for key in ("repeat", "sample", "tasks", "pairs", "seconds")},
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


def _traffic(bench: Bench, given: argparse.Namespace) -> list[Traffic]:
    measured = Paths(bench, max(given.sizes))
    measured.prepare()
    for repetition in range(given.pairs):
        measured.measure(repetition, given.seconds)
    return measured.found


def _work(sizes: Sequence[int], repeat: int, management: str) -> list[Work]:
    return [work(size, repetition, management) for repetition in range(repeat) for size in sizes]


def run(given: argparse.Namespace) -> int:
    """Measure."""
    started = datetime.datetime.now(datetime.UTC)
    lab = labs.up(given.name, options.INVENTORIES / "keepalived", fresh=True)
    try:
        bench = Bench(lab, lab.nodes[given.node], given.sample)
        bench.prepare()
        say(f"      {lab.nodes[given.node].plan.release}: {bench.versions()}")
        _apply(bench, given)
        traffic = _traffic(bench, given) if "traffic" in given.parts else []
        done = _work(given.work, given.repeat, bench.management) if "work" in given.parts else []
        data = {"started": started.isoformat(timespec="seconds")}
        data |= _result(given, bench.versions(), bench.runs, traffic, done)
    finally:
        labs.down(given.name)
    if given.json:
        given.json.write_text(json.dumps(data, indent=1) + "\n")
    print(figures.tables(data, given.json.name if given.json else ""))
    return 0
