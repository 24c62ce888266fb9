# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The only interface between the monitors and the lab."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any, Protocol


class Host(Protocol):
    """A network namespace in which programs can be started."""

    @property
    def name(self) -> str: ...

    def popen(self, argv: Sequence[str], **kw: Any) -> subprocess.Popen[bytes]: ...

    def run(self, argv: Sequence[str], **kw: Any) -> subprocess.CompletedProcess[str]: ...


class ProbeHost(Host, Protocol):
    """The host that stands for all clients and servers of one network."""

    @property
    def interface(self) -> str: ...

    @property
    def ipv4(self) -> str | None: ...

    @property
    def ipv6(self) -> str | None: ...
