# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`hafw drill`: single faults on a running lab, as often as wanted, with the figures."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

from . import lab as labs
from . import options, playbook
from .cases import find
from .cases import names as case_names
from .inventory import read as read_inventory
from .judge import case as judge
from .monitors.blackout import Recording
from .pair import Pair
from .progress import say, step
from .report import Case, Report, strip_svg, summary, summary_table
from .run import LabError
from .session import Session
from .table import fill

# A session keeps every packet's times in memory; a new one now and then bounds that.
FAULTS_PER_SESSION = 12


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("drill", help="inject faults into a deployed lab and measure them")
    options.add_lab(parser)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="without any: list the cases")
    parser.add_argument("--cluster", help="which cluster of the inventory (default: the first)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="valid runs of each case")
    parser.add_argument("--flows", type=int, default=200, metavar="N", help="TCP connections held through all faults")
    parser.add_argument("--table", type=int, default=0, metavar="N", help="fill the connection table first")
    parser.add_argument("--seed", type=int, help="of the random moments")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw every run as a dot")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw results")
    parser.set_defaults(run=run)


def choose(clusters: Sequence[model.Cluster], name: str | None) -> model.Cluster:
    """The cluster of this name, or the first one.

    Raises:
        LabError: there is no such cluster.
    """
    named = {cluster.name: cluster for cluster in clusters}
    if name is not None and name not in named:
        raise LabError(f"no cluster {name!r}; the inventory has {', '.join(named)}")
    return named[name] if name else clusters[0]


def report(pair: Pair, cases: Sequence[Case], seed: int, deploy_s: float | None = None) -> Report:
    """The report on these cases, with the machine and the versions they were measured on."""
    cluster = pair.cluster
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Report(
        topology=cluster.topology,
        profile=cluster.profile.name,
        nodes={name: node.versions() for name, node in pair.nodes.items()},
        cases=tuple(cases),
        machine={"cpus": os.cpu_count() or 0, "kernel": platform.release(), "memory_gib": round(memory / 2**30, 1)},
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seed=seed,
        budget_ms=model.budget.failover(cluster).total_ms,
        deploy_seconds=deploy_s,
    )


def measure(
    pair: Pair, names: Sequence[str], flows: int, seed: int, way_back: bool = True, exact: bool = True
) -> tuple[list[Case], Recording]:
    """One session: each named fault once, in this order, under live traffic."""
    session = Session(pair, flows, seed)
    try:
        with step(f"traffic: 1 kHz both ways, {flows} connections, canaries, owners"):
            session.start()
        for name in names:
            with step(f"fault: {name}"):
                session.run(find(pair.cluster, name), way_back)
        with step("stop the traffic and judge"):
            measured = session.finish()
    except BaseException:
        session.close()
        raise
    assert session.blackout.recording is not None
    return [judge(pair.cluster, item, exact) for item in measured], session.blackout.recording


def repeat(
    pair: Pair, names: Sequence[str], times: int, flows: int, seed: int, keep: Callable[[list[Case]], None]
) -> list[Case]:
    """Each fault until it has been measured `times` times; void runs are repeated, up to as many again.

    `keep` gets all results so far now and then: a long series that is cut short is not lost.
    """
    choice = random.Random(seed)
    found: list[Case] = []
    for name in names:
        valid = tried = 0
        while valid < times and tried < 2 * times:
            batch = min(FAULTS_PER_SESSION, times - valid)
            cases, _unused = measure(pair, [name] * batch, flows, choice.randrange(2**32), way_back=times == 1)
            found += cases
            tried += batch
            valid += sum(1 for item in cases if item.name == name and item.void is None)
            say(f"      {name}: {valid} of {times} measured, {tried - valid} void")
            keep(found)
    return found


def run(given: argparse.Namespace) -> int:
    """The command."""
    extra = options.extra(given)
    cluster = choose(read_inventory(given.inventory, extra).clusters, given.cluster)
    if not given.cases:
        print("\n".join(case_names(cluster)))
        return 0
    for name in given.cases:
        find(cluster, name)
    fresh = given.name not in labs.names()
    lab = labs.up(given.name, given.inventory, given.release, extra=extra)
    pair = Pair(lab, cluster)
    if fresh or extra:
        with step("deploy"):
            playbook.play(lab, "site", show=None)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    say(f"seed {seed}")
    if given.table:
        with step(f"fill the connection table with {given.table} entries"):
            fill(pair, given.table)

    def keep(cases: list[Case]) -> None:
        result = report(pair, cases, seed)
        if given.json:
            more = {"table": given.table, "vips": len(pair.vips), "summary": [asdict(item) for item in summary(cases)]}
            given.json.write_text(json.dumps({**result.to_json(), **more}, indent=1) + "\n")
        if given.svg:
            given.svg.write_text(_picture(result, given.cases))

    cases = repeat(pair, given.cases, given.repeat, given.flows, seed, keep)
    print(summary_table(cases))
    broken = [item for item in cases if item.problems]
    for item in broken:
        print(f"BROKEN {item.name}: {'; '.join(item.problems)}", file=sys.stderr)
    return 1 if broken else 0


def _picture(result: Report, names: Sequence[str]) -> str:
    groups = {name: [c.blackout_ms for c in result.cases if c.name == name and c.void is None] for name in names}
    title = f"{result.topology}, profile {result.profile}: blackout of each run"
    return strip_svg(title, {name: values for name, values in groups.items() if values})
