# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The program is killed at random moments: no file is ever half of one generation, and the next run heals."""

from __future__ import annotations

import random
import time

from tests.sync.live import Sync, path

FILES = 8
LINES = 3000
KILLS = 12


def generation(number: int) -> str:
    return f"# generation {number}\n" * LINES


def write(sync: Sync, number: int) -> None:
    """All files at once, each in place of the old one."""
    line = generation(number).splitlines()[0]
    script = (
        f"mkdir -p {path('tree')}; for n in $(seq {FILES}); do yes '{line}' | head -n {LINES} >/etc/sync-draft; "
        f"chmod 644 /etc/sync-draft; mv /etc/sync-draft {path('tree', 'crash')}-$n; done"
    )
    sync.shell("fw1", script)


def halves(sync: Sync, node: str) -> list[str]:
    """Files that are not whole: their lines are not the right number of one and the same."""
    script = (
        f"for f in {path('tree', 'crash')}-*; do "
        f'test "$(uniq -c "$f" | wc -l) $(wc -l <"$f")" = "1 {LINES}" || echo "$f"; done'
    )
    return sync.shell(node, script).splitlines()


def test_a_half_file_would_be_noticed(sync: Sync) -> None:
    """The negative control of the test below."""
    write(sync, 0)
    sync.wait_text(path("tree", "crash-1"), generation(0))
    sync.pause()
    try:
        sync.shell("fw3", f"head -c 5000 {path('tree', 'crash-1')} >/run/half; cp /run/half {path('tree', 'crash-1')}")
        half = [path("tree", "crash-1")]
        assert halves(sync, "fw3") == half
        # First it arrives everywhere: what is written then follows it, and does not stand against it.
        sync.converge(lambda: all(halves(sync, node) == half for node in sync.nodes))
    finally:
        write(sync, 1)
        sync.converge_text(path("tree", "crash-1"), generation(1))
        sync.resume()


def test_killed_at_any_moment(sync: Sync) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    sync.pause()
    try:
        write(sync, 100)
        sync.run("fw1")
        began = time.monotonic()
        sync.run("fw2")
        whole_s = time.monotonic() - began
        killed = 0
        for number in range(101, 101 + KILLS):
            write(sync, number)
            sync.run("fw1")
            moment = dice.uniform(0, whole_s)
            # timeout(1) ends with 137 when it had to kill.
            script = f"timeout --signal=KILL {moment:.3f} linuxha-sync run --cause killed; echo $?"
            killed += sync.shell("fw2", script, check=False).split()[-1] == "137"
            assert halves(sync, "fw2") == [], f"seed {seed}, generation {number}, after {moment:.3f} s"
        assert killed >= KILLS // 3, f"{killed} of {KILLS} were killed: the moments are too late"
        sync.run("fw2")
        assert sync.read("fw2", path("tree", "crash-1")) == generation(100 + KILLS)
        assert sync.exec("fw2", "find", path("tree"), "-name", ".linuxha-sync-*") == ""
        sync.run()
        assert all(sync.status(node)["in_step"] for node in sync.nodes)
    finally:
        sync.resume()
