# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Would the new rules cut off the connection over which they come?"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional


@dataclass(frozen=True)
class Session:
    client: str
    port: int


def parse_connection(value: str) -> Optional[Session]:
    """SSH_CONNECTION: client address, client port, server address, server port."""
    parts = value.split()
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    return Session(parts[0].split("%", maxsplit=1)[0], int(parts[3]))


def current_session(proc: Path = Path("/proc")) -> Optional[Session]:
    """Of this process or, since sudo cleans the environment, of the nearest parent that knows one."""
    pid = os.getpid()
    for _depth in range(20):
        try:
            environment = (proc / str(pid) / "environ").read_bytes()
            pid = int(
                (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
        except (OSError, ValueError, IndexError):
            return None
        for item in environment.split(b"\0"):
            if item.startswith(b"SSH_CONNECTION="):
                return parse_connection(item.partition(b"=")[2].decode("utf-8", errors="replace"))
        if pid < 1:
            return None
    return None


def lockout(management: Mapping[str, Any], session: Optional[Session]) -> Optional[str]:
    """The reason to refuse, or None: also when there is no ssh session or no management to compare it with."""
    if not management or session is None:
        return None
    port = int(management.get("port") or 22)
    sources = [ipaddress.ip_network(str(item)) for item in management.get("sources") or []]
    client = ipaddress.ip_address(session.client)
    if isinstance(client, ipaddress.IPv6Address) and client.ipv4_mapped:
        client = client.ipv4_mapped
    if session.port == port and (
        not sources or any(client in source for source in sources if source.version == client.version)
    ):
        return None
    allowed = ", ".join(str(source) for source in sources) or "any address"
    return (
        f"these rules would cut off this very connection: it comes from {session.client} to port {session.port}, "
        f"and the management allows {allowed} to port {port}. Correct the management sources or the port."
    )
