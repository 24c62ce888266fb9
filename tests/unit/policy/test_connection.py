# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Since when an SSH connection exists, by the processes above the caller."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.node_programs import load

TICKS = os.sysconf("SC_CLK_TCK")
connection = load("iptables", "linuxha_connection")

INIT = ("systemd", "/sbin/init", 0.1)
LISTENER = ("sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 2)
SHELL = [("sudo", "sudo -H -u root /bin/sh -c x", 900), ("sh", "/bin/sh -c x", 901), ("python3", "linuxha-rules", 902)]


@pytest.mark.parametrize(
    ("chain", "wanted"),
    [
        ([INIT, LISTENER, ("sshd", "sshd: root@notty", 500), *SHELL], 500),
        ([INIT, LISTENER, ("sshd", "sshd: admin [priv]", 500), ("sshd", "sshd: admin@notty", 501), *SHELL], 500),
        # OpenSSH 9.8 and later
        ([INIT, LISTENER, ("sshd-session", "sshd-session: root@notty", 500), *SHELL], 500),
        # started by a socket of systemd, once for each connection
        ([INIT, ("sshd", "sshd: root@notty", 500), *SHELL], 500),
        # from host to host: the older connection is the one that carries the other
        ([INIT, ("getty", "getty", 1), ("bash", "bash", 2), *SHELL], None),
        # a name with what separates fields
        ([INIT, LISTENER, ("sshd", "sshd: x", 500), ("a) S (b", "a) S (b", 700), *SHELL], 500),
    ],
)
def test_began(tmp_path: Path, chain: list[tuple[str, str, float]], wanted: float | None) -> None:
    for pid, (name, title, started) in enumerate(chain, start=1):
        directory = tmp_path / str(pid)
        directory.mkdir()
        fields = ["S", str(pid - 1), *["0"] * 17, str(int(started * TICKS)), "0"]
        (directory / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
        (directory / "cmdline").write_bytes(title.replace(" ", "\0").encode())
    assert connection.began(len(chain), tmp_path) == wanted


TMUX = [INIT, ("tmux: server", "tmux new", 300), ("bash", "-bash", 301), *SHELL]
BASH = [INIT, ("bash", "-bash", 301), *SHELL]


@pytest.mark.parametrize(
    ("chain", "environ", "wanted"),
    [
        (BASH, {}, True),
        (BASH, {2: b"TERM=linux\0HOME=/root\0"}, True),
        # an sshd that died, a session that lives on
        (BASH, {2: b"TERM=xterm\0SSH_CONNECTION=192.0.2.7 1 192.0.2.1 22\0"}, False),
        # sudo has taken the variables away below, not above
        (BASH, {2: b"SSH_TTY=/dev/pts/0\0", 3: b"TERM=xterm\0"}, False),
        (TMUX, {}, False),
        ([INIT, ("screen", "SCREEN -S x", 300), *SHELL], {}, False),
        ([INIT, ("mosh-server", "mosh-server new", 300), *SHELL], {}, False),
        # below sshd its age decides
        ([INIT, LISTENER, ("sshd", "sshd: root@notty", 500), *SHELL], {3: b"SSH_CLIENT=x\0"}, True),
        ([INIT, LISTENER, ("sshd", "sshd: root@notty", 300), *SHELL], {}, False),
    ],
)
def test_what_counts_as_proof(
    tmp_path: Path, chain: list[tuple[str, str, float]], environ: dict[int, bytes], wanted: bool
) -> None:
    for pid, (name, title, started) in enumerate(chain, start=1):
        directory = tmp_path / str(pid)
        directory.mkdir()
        fields = ["S", str(pid - 1), *["0"] * 17, str(int(started * TICKS)), "0"]
        (directory / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
        (directory / "cmdline").write_bytes(title.replace(" ", "\0").encode())
        (directory / "environ").write_bytes(environ.get(pid, b""))
    assert connection.newer_than(400, len(chain), tmp_path) == wanted


def test_this_process_is_real() -> None:
    own = connection.process(os.getpid(), Path("/proc"))
    assert own.parent == os.getppid()
    assert own.started > 0


def test_a_process_that_is_gone_ends_the_search(tmp_path: Path) -> None:
    assert connection.began(7, tmp_path) is None
