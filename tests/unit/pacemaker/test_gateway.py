# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Real programs through the gateway."""

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import TIMED_OUT, gateway


def test_both_streams_and_the_status() -> None:
    answer = gateway()(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (answer.rc, answer.stdout, answer.stderr) == (3, "out\n", "err\n")


def test_more_than_a_pipe_holds_on_both_streams() -> None:
    size = 300_000
    script = f"import sys; sys.stderr.write('e' * {size}); sys.stdout.write('o' * {size})"
    answer = gateway()(["python3", "-c", script])
    assert (len(answer.stdout), len(answer.stderr)) == (size, size)


def test_language_and_path() -> None:
    language, path = gateway()(["sh", "-c", 'echo "$LC_ALL"; echo "$PATH"']).stdout.split()
    assert language == "C"
    assert path.startswith("/usr/local/sbin:/usr/sbin:/sbin:")


def test_a_missing_program_is_named() -> None:
    answer = gateway()(["no-such-program", "--version"])
    assert answer.reason == "no-such-program is not installed"


def test_a_program_that_hangs_is_ended() -> None:
    answer = gateway(seconds=1)(["sleep", "30"])
    assert (answer.rc, answer.reason) == (TIMED_OUT, "no answer within 1 s")


@pytest.mark.parametrize("noise", [r"\377\376", r"gr\303\274n"])
def test_noise_in_the_output_does_not_raise(noise: str) -> None:
    assert gateway()(["printf", noise]).stdout


def test_nothing_is_asked_on_standard_input() -> None:
    assert gateway(seconds=5)(["cat"]).stdout == ""
