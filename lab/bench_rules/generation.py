# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The generation of nf_tables in this network namespace: every transaction that is committed raises it."""

from __future__ import annotations

import socket
import struct

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 1
GET_GENERATION = 10 << 8 | 16
NFTA_GEN_ID = 1
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")


def generation() -> int:
    """Ask the kernel."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as channel:
        channel.bind((0, 0))
        size = _HEADER.size + _FAMILY.size
        channel.send(_HEADER.pack(size, GET_GENERATION, NLM_F_REQUEST, 1, 0) + _FAMILY.pack(0, 0, 0))
        answer = channel.recv(4096)
    position = size
    while position < len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, position)
        if kind == NFTA_GEN_ID:
            return int.from_bytes(answer[position + 4 : position + 8], "big")
        position += (length + 3) & ~3
    raise OSError("the kernel tells no generation of nf_tables")


if __name__ == "__main__":
    print(generation())
