# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Messages of ICMP that have a meaning of their own here, by family, and how iptables is asked for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

ECHO_REQUEST: Mapping[int, int] = {4: 8, 6: 128}
#: Type and code of what tells a sender that its packets do not fit (RFC 1191, RFC 8201).
TOO_BIG: Mapping[int, tuple[int, Optional[int]]] = {4: (3, 4), 6: (2, None)}
#: Neighbour discovery proper; a redirect (137) is never wanted on a firewall. RFC 4861: hop limit 255 proves on-link.
NDP = (
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbour solicitation"),
    (136, "neighbour advertisement"),
)
MLD = ((130, "query"), (131, "report"), (132, "done"), (143, "report v2"))
#: The protocol with its match, and the option for a type.
WORDS: Mapping[int, tuple[str, str]] = {
    4: ("-p icmp -m icmp", "--icmp-type"),
    6: ("-p ipv6-icmp -m icmp6", "--icmpv6-type"),
}


def message(family: int, kind: int, code: Optional[int] = None) -> str:
    return f"{' '.join(WORDS[family])} {kind}{'' if code is None else f'/{code}'}"
