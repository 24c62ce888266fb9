# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the failover tests share: deployed labs, sessions of live traffic, and verdicts on them."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import judge, paths, playbook
from lab import lab as labs
from lab.cases import Case, find
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.lab import Lab
from lab.pair import Pair
from lab.report import Case as Verdict
from lab.run import LabError
from lab.session import Measured, Session

# One name for all runs: what a run that was killed has left behind is cleaned by the next one.
NAME = os.environ.get("HAFW_LAB", "failover")
INVENTORIES = paths.REPO / "inventories"
# A busy machine voids a measurement. It is repeated, but a machine that is always busy has to be noticed.
TRIES = 4
MAINTENANCE = "/usr/local/sbin/linuxha-maintenance"


@contextmanager
def deployed(name: str, inventory: Path, release: str | None = None) -> Iterator[Lab]:
    """A fresh lab, deployed and verified, and taken down in the end. `release` is that of all nodes."""
    lab = labs.up(name, inventory, release=release, fresh=True)
    try:
        playbook.play(lab, "site", show=None)
        playbook.play(lab, "verify", show=None)
        yield lab
    finally:
        labs.down(name)


def described(folder: Path, source: str, **changes: Any) -> Path:
    """An example inventory with some keys of its cluster changed."""
    inventory = folder / "inventory"
    shutil.copytree(INVENTORIES / source, inventory)
    path = inventory / "group_vars" / "firewalls" / "cluster.yml"
    found = yaml.safe_load(path.read_text())
    found["firewall_cluster"].update(changes)
    path.write_text(yaml.safe_dump(found))
    return inventory


def nothing(pair: Pair, faults: Faults, node: NodeHost) -> None:
    """The way back of a fault that needs none."""


def fault(
    name: str,
    inject: Callable[[NodeHost], object],
    undo: Callable[[NodeHost], object] | None = None,
    moves: bool = False,
    undo_name: str | None = None,
) -> Case:
    """A case of a test's own."""

    def act(pair: Pair, faults: Faults, node: NodeHost) -> None:
        inject(node)

    def back(pair: Pair, faults: Faults, node: NodeHost) -> None:
        if undo is not None:
            undo(node)

    return Case(name, act, back, moves, undo_name)


def observe(
    pair: Pair, cases: Sequence[Case], flows: int, more_vips: Mapping[str, Sequence[str]] | None = None
) -> list[Measured]:
    """One session of traffic: these faults, one after the other."""
    session = Session(pair, flows, random.SystemRandom().randrange(2**32), more_vips)
    try:
        session.start()
        for case in cases:
            session.run(case)
        return session.finish()
    except BaseException:
        session.close()
        raise


def measure(
    pair: Pair, *cases: str | Case, flows: int = 500, prepare: Callable[[], object] | None = None
) -> Mapping[str, Verdict]:
    """The verdict on each fault, and on its way back where that is measured. What is void is measured again.

    Args:
        pair: the cluster.
        cases: names, or cases of the test's own.
        flows: how many connections to hold.
        prepare: what to do before each attempt, and before any traffic.
    """
    waiting = [find(pair.cluster, case) if isinstance(case, str) else case for case in cases]
    found: dict[str, Verdict] = {}
    reasons: list[str] = []
    for _attempt in range(TRIES):
        if prepare is not None:
            prepare()
        seen = [judge.case(pair.cluster, item, exact=False) for item in observe(pair, waiting, flows)]
        verdicts = {item.name: item for item in seen}
        for verdict in verdicts.values():
            assert verdict.leaked == 0, f"{verdict.name}: {verdict.problems}"
        for name, verdict in verdicts.items():
            if verdict.void and not verdict.problems:
                reasons.append(f"{name}: {verdict.void}")
            elif name not in found or verdict.problems:
                found[name] = verdict
        # A fault whose way back was void happens again, and what it shows then counts too.
        waiting = [case for case in waiting if not found.keys() >= set(_names(case))]
        if not waiting:
            return found
    pytest.fail(f"nothing could be measured in {TRIES} attempts, the machine is too busy: " + "; ".join(reasons))


def _names(case: Case) -> list[str]:
    return [case.name] if case.undo_name is None else [case.name, case.undo_name]


def sound(verdicts: Mapping[str, Verdict], *but: str) -> None:
    """Every verdict is free of problems."""
    broken = {name: item.problems for name, item in verdicts.items() if item.problems and name not in but}
    assert not broken, f"{broken}; details: {[verdicts[name].details for name in broken]}"


def heal(pair: Pair) -> None:
    """Bring a pair back that a failed test left broken, so that the next test judges its own matter."""
    try:
        pair.wait_steady(20)
    except LabError:
        faults = Faults(pair.lab)
        for node in pair.nodes.values():
            faults.power_return(node)
        playbook.play(pair.lab, "site", show=None)
        pair.wait_steady()


def with_inventory(lab: Lab, inventory: Path) -> Lab:
    """The same machines, described by another inventory."""
    other = Lab(lab.name, lab.holder, lab.inventory, lab.plan)
    other.inventory = replace(lab.inventory, path=inventory)
    return other


def damping(node: NodeHost) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(node.exec("cat", "/run/linuxha/damping.json"))
    return found


def calm(pair: Pair) -> bool:
    """Has the nodes forget how often their role has moved in the tests before; returns whether they have."""
    for node in pair.nodes.values():
        node.exec("linuxha-journal", "release")
    return not any(damping(node)["moves"] for node in pair.nodes.values())
