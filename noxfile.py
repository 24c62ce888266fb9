# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The parts of the test command as nox sessions, for those whose hands know nox: `nox -l`, `nox -s unit`.

The work is done by tests/run.py in the environment that ./hafw made; nothing is installed or listed a second time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tests import run  # noqa: E402 - the line above makes it importable

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "unit", "sanity"]


def add_session(part: str) -> None:
    @nox.session(name=part)
    def session(session: nox.Session) -> None:
        session.run(str(ROOT / "hafw"), "test", part, external=True)


for name in dict.fromkeys(step.part for step in run.all_steps()):
    add_session(name)
