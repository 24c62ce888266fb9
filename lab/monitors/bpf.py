# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Socket filters: keep the load of a busy network away from a monitor that wants few of its packets."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("@HBBI")
Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k

LOAD_BYTE, LOAD_HALF = 0x30, 0x28  # absolute
LOAD_X_HEADER = 0xB1  # X = 4 * (byte & 0xf), the length of an IPv4 header
LOAD_HALF_X = 0x48  # at X + k
JUMP_EQUAL, JUMP_SET = 0x15, 0x45
RETURN = 0x06


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*step) for step in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def drain(sock: socket.socket) -> None:
    """Throw away what came in between the opening of the socket and its filter."""
    while True:
        try:
            sock.recv(65536)
        except BlockingIOError:
            return


ACCEPT: Instruction = (RETURN, 0, 0, 65535)
REJECT: Instruction = (RETURN, 0, 0, 0)


def advertisements() -> list[Instruction]:
    """ICMPv6 neighbour advertisements without extension headers, on an Ethernet socket."""
    return [
        (LOAD_BYTE, 0, 0, 20),
        (JUMP_EQUAL, 0, 3, 58),
        (LOAD_BYTE, 0, 0, 54),
        (JUMP_EQUAL, 0, 1, 136),
        ACCEPT,
        REJECT,
    ]


def destination_ports(family: int, ports: Sequence[int]) -> list[Instruction]:
    """TCP and UDP to any of these ports, not fragments, on an Ethernet socket bound to that family's protocol."""
    many = len(ports)
    if family == 4:
        head: list[Instruction] = [
            (LOAD_BYTE, 0, 0, 23),
            (JUMP_EQUAL, 1, 0, 6),
            (JUMP_EQUAL, 0, 4 + many, 17),
            (LOAD_HALF, 0, 0, 20),
            (JUMP_SET, 2 + many, 0, 0x1FFF),
            (LOAD_X_HEADER, 0, 0, 14),
            (LOAD_HALF_X, 0, 0, 16),
        ]
    else:
        head = [
            (LOAD_BYTE, 0, 0, 20),
            (JUMP_EQUAL, 1, 0, 6),
            (JUMP_EQUAL, 0, 1 + many, 17),
            (LOAD_HALF, 0, 0, 56),
        ]
    tests: list[Instruction] = [(JUMP_EQUAL, many - index, 0, port) for index, port in enumerate(ports)]
    return [*head, *tests, REJECT, ACCEPT]
