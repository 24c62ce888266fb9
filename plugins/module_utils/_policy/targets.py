# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a translation leads to: ports and blocks of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Reader, to_int
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    PORTS,
    WITH_PORTS,
    Match,
    Ranges,
    Service,
)


def to_ports(reader: Reader, matches: Mapping[int, Match]) -> Optional[tuple[int, int]]:
    """One port for all, or a range for a range of the same length."""
    value = reader.get("to_port")
    if value is None:
        return None
    ends = [to_int(end) for end in str(value).split(":")]
    low, high = ends[0], ends[-1]
    if len(ends) > 2 or low is None or high is None or not 1 <= low <= high <= 65535:
        reader.problem("to_port", value, "is not a port or a range of ports", 'Write 8443 or "9000:9010".')
        return None
    services = [service for match in matches.values() for service in match.services]
    lengths = {_length(service.ports) for service in services}
    if any(not _has_ports(service) for service in services):
        reader.problem("to_port", value, "needs ports and a protocol", "Add protocol: and ports:.")
    elif low != high and (len({service.ports for service in services}) != 1 or lengths != {high - low + 1}):
        reason = "is not as long as the one range of ports that it stands for"
        reader.problem("to_port", value, reason, "Write a range of the same length, or one port.")
    return low, high


def block(found: Ranges, family: int) -> Optional[int]:
    """The length of the one prefix that these addresses are, or None."""
    lengths = [length for _first, length in spans.prefixes(found, family)] if len(found) == 1 else []
    return lengths[0] if len(lengths) == 1 else None


def _has_ports(service: Service) -> bool:
    return service.protocol in WITH_PORTS and service.ports != PORTS


def _length(ports: Ranges) -> int:
    """0 for anything but one range."""
    return ports[0][1] - ports[0][0] + 1 if len(ports) == 1 else 0
