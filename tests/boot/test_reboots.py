# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Nothing that is forbidden passes a firewall while it boots, however its boot goes."""

from __future__ import annotations

import os
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.boot.rig import FAULTS, Tally, boots

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces"),
    pytest.mark.skipif(not shutil.which("iptables-restore", path="/usr/sbin:/sbin"), reason="needs iptables"),
    pytest.mark.skipif(not shutil.which("ipset", path="/usr/sbin:/sbin"), reason="needs ipset"),
]


# Most of a boot is waiting.
FIREWALLS = 3


def reboot(directory: Path, count: int) -> None:
    """So many boots, of several firewalls that know nothing of each other."""
    tally = Tally()
    with ProcessPoolExecutor(FIREWALLS, get_context("spawn")) as pool:
        shares = [len(range(number, count, FIREWALLS)) for number in range(FIREWALLS)]
        seeds = [random.SystemRandom().randrange(2**32) for _share in shares]
        directories = [directory / str(number) for number in range(FIREWALLS)]
        for found in pool.map(boots, directories, shares, seeds):
            tally.add(found)
    print(tally)
    assert tally.problems == []
    assert (tally.leaked, tally.dropped) == (0, 0)
    # Each boot was under fire, and the counter would have seen what came through.
    assert tally.reached > 100 * count
    undisturbed = {fault.name for fault in FAULTS if not (fault.reason or fault.killed)}
    assert tally.proved >= sum(tally.boots[name] for name in undisturbed) > 0


def test_no_boot_leaks(tmp_path: Path) -> None:
    reboot(tmp_path, 40)


@pytest.mark.full
def test_no_boot_of_a_thousand_leaks(tmp_path: Path) -> None:
    reboot(tmp_path, 1000)


def forwards_first(loader: str) -> str:
    protected = "    if not running:\n        set_forwarding(False)\n"
    assert protected in loader
    return loader.replace(protected, protected.replace("False", "True"))


def test_a_loader_that_forwards_before_the_rules_is_caught(tmp_path: Path) -> None:
    """The control of this file."""
    tally: Tally = boots(tmp_path, 3, 1, forwards_first, spread=0)
    assert tally.leaked > 0
    assert any("leaked" in problem for problem in tally.problems)
