# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What one blackout worker writes down, and its form on disk."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EndpointRecord:
    """One end of one stream: all it sent and all it received (times are monotonic nanoseconds)."""

    stream: int
    family: int
    side: str  # client | server
    network: str
    peer_network: str
    sent: array[int]  # send time of sequence number 0, 1, 2, ...
    received: array[int]  # triples: receive time, sequence number, send time
    stalls: list[tuple[int, int]] = field(default_factory=list)  # due time, lateness
    send_errors: list[tuple[int, int, int]] = field(default_factory=list)  # time, sequence number, errno
    drops: int = 0  # packets that the kernel dropped at this socket: a fault of the measurement
    notes: list[str] = field(default_factory=list)  # realtime features that were refused
    cpu_ms: float = 0.0  # of the worker, all its endpoints

    def header(self) -> dict[str, Any]:
        plain = {key: value for key, value in self.__dict__.items() if key not in ("sent", "received")}
        return {**plain, "sent_bytes": 8 * len(self.sent), "received_bytes": 8 * len(self.received)}


@dataclass(frozen=True)
class Recording:
    endpoints: tuple[EndpointRecord, ...]

    def save(self, path: Path) -> None:
        with path.open("wb") as out:
            out.write(json.dumps([item.header() for item in self.endpoints]).encode() + b"\n")
            for item in self.endpoints:
                out.write(item.sent.tobytes() + item.received.tobytes())

    @classmethod
    def load(cls, path: Path) -> Recording:
        with path.open("rb") as source:
            headers = json.loads(source.readline())
            return cls(tuple(unpack(headers, source.read())))


def unpack(headers: Sequence[dict[str, Any]], data: bytes) -> Iterable[EndpointRecord]:
    """Headers, then for each of them its two arrays in order, in the machine's own byte order."""
    offset = 0
    for header in headers:
        parts = []
        plain = dict(header)
        for size in (plain.pop("sent_bytes"), plain.pop("received_bytes")):
            values: array[int] = array("q")
            values.frombytes(data[offset : offset + size])
            offset += size
            parts.append(values)
        plain["stalls"] = [tuple(item) for item in plain["stalls"]]
        plain["send_errors"] = [tuple(item) for item in plain["send_errors"]]
        yield EndpointRecord(sent=parts[0], received=parts[1], **plain)


def as_json(value: Any) -> dict[str, Any]:
    """A result dataclass as plain data."""
    return asdict(value)
