# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Does each ping target answer this node? All are asked at once: ten dead ones cost a second, as one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from .._gateway import Run

WAIT_S = 1
AT_ONCE = 16
NOBODY = 1  # exit status of ping when no answer came; others are its own troubles


def ask(groups: Mapping[str, Sequence[str]], run: Run) -> dict[str, dict[str, Optional[bool]]]:
    """By group and host whether it answers; None where that cannot be told."""
    hosts = sorted({host for group in groups.values() for host in group})
    if not hosts:
        return {name: {} for name in groups}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = dict(zip(hosts, pool.map(lambda host: _one(host, run), hosts)))
    return {name: {host: answers[host] for host in group} for name, group in groups.items()}


def _one(host: str, run: Run) -> Optional[bool]:
    rc = run(["ping", "-n", "-q", "-c", "1", "-W", str(WAIT_S), host]).rc
    return {0: True, NOBODY: False}.get(rc)
