# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""How modules run programs: everything else gets a `Run` handed in, so that tests need no programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

# A daemon that hangs must not hang the module; `timeout` exits with this then.
TIMED_OUT = 124
NOT_FOUND = 127
SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """What a program answered."""

    rc: int
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> bool:
        return self.rc == 0

    @property
    def reason(self) -> str:
        """Why it failed, in one line."""
        text = " ".join((self.stderr or self.stdout).split())
        return text or ("no answer in time" if self.rc == TIMED_OUT else f"exit status {self.rc}")


Run = Callable[[Sequence[str]], Answer]


def run_program(argv: Sequence[str], environ_update: Mapping[str, str], path_prefix: str) -> tuple[int, str, str]:
    """The same as AnsibleModule.run_command, for a module that runs many programs and minds the time.

    That one waits a second for nothing when a program ends between two of its looks (ansible-core 2.19: seen in one of
    some hundred calls). Between the query and the patch of a CIB a second is an invitation to others to be faster.
    """
    environment = {**os.environ, **environ_update, "PATH": f"{path_prefix}:{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    stdout, stderr = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return done.returncode, stdout, stderr


def gateway(run_command: Callable[..., Any] = run_program, seconds: int = SECONDS) -> Run:
    """A `Run` from AnsibleModule.run_command: no shell, bounded in time, language and path as daemons expect them."""

    def run(argv: Sequence[str]) -> Answer:
        rc, stdout, stderr = run_command(
            ["timeout", "--kill-after=1", str(seconds), *argv],
            environ_update={"LC_ALL": "C"},
            path_prefix="/usr/local/sbin:/usr/sbin:/sbin",
        )
        if rc == NOT_FOUND and "failed to run command" in stderr:
            stderr = f"{argv[0]} is not installed"
        if rc == TIMED_OUT:
            stderr = f"no answer within {seconds} s"
        return Answer(rc, stdout, stderr)

    return run
