# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a backup takes, in which part, and what a restore does with each part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# KEYS make the node the one that it is for others: they go back wherever they are other. STATE was gathered while it
# served: it goes back only to a node that has none, since what a node has is newer. HOST_KEYS are those of its SSH
# server. REFERENCE is made by site; it is kept to be read, and never goes back.
KEYS, STATE, HOST_KEYS, REFERENCE = "keys", "state", "host_keys", "reference"
PARTS = (KEYS, STATE, HOST_KEYS, REFERENCE)


@dataclass(frozen=True)
class Source:
    """A file, a directory with everything in it, or a pattern, and the names of files in it that are left out."""

    path: str
    part: str
    exclude: Sequence[str] = ()


SOURCES = (
    Source("/etc/corosync/authkey", KEYS),
    # The node's own key for the quorum device with its certificate, and the authority on the host of the device.
    Source("/etc/corosync/qdevice/net", KEYS),
    Source("/etc/corosync/qnetd", KEYS),
    Source("/etc/linuxha/sync", KEYS),
    # A forgotten maintenance must not come back with a machine; how often it moved lately is nothing to keep.
    Source("/var/lib/linuxha", STATE, ("maintenance.json", "damping.json")),
    # Old versions only. With its versions back and its files not, a bare machine would take what is installed there for
    # edits of today, and bring them to the others.
    Source("/var/lib/linuxha-sync/history", STATE),
    Source("/etc/ssh/ssh_host_*_key", HOST_KEYS),
    Source("/etc/ssh/ssh_host_*_key.pub", HOST_KEYS),
    Source("/etc/linuxha", REFERENCE),
    Source("/etc/keepalived", REFERENCE),
    Source("/etc/conntrackd", REFERENCE),
    Source("/etc/corosync/corosync.conf", REFERENCE),
    Source("/etc/modules-load.d/linuxha.conf", REFERENCE),
    Source("/etc/sysctl.d/60-linuxha.conf", REFERENCE),
    Source("/etc/network", REFERENCE),
    Source("/etc/systemd/network", REFERENCE),
    Source("/var/lib/pacemaker/cib/cib.xml", REFERENCE),
)


def sources(host_keys: bool, more: Iterable[str] = ()) -> list[Source]:
    """What to take. Where two of them have the same file, the first counts."""
    own = [Source(path, KEYS) for path in more]
    return [*own, *(source for source in SOURCES if host_keys or source.part != HOST_KEYS)]
