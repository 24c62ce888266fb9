# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the owner monitor writes down."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from lab.monitors.frames import mac_text

ASKED, ANSWERED, ANNOUNCED = 0, 1, 2
RECORD = struct.Struct("<qqHB6s")  # time, time of the last question, number of the VIP, kind, MAC address


@dataclass(frozen=True)
class OwnerRecord:
    t_ns: int
    asked_ns: int
    vip: str
    kind: int
    mac: str


def unpack(data: bytes, vips: list[str]) -> Iterable[OwnerRecord]:
    for t, asked, number, kind, mac in RECORD.iter_unpack(data):
        yield OwnerRecord(t, asked, vips[number], kind, mac_text(mac))
