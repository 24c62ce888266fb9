# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Every secret that this collection makes, takes or moves, and the only places where it may stand.

The live scan (tests/failover/test_secrets.py) holds the nodes to it, tests/unit/repo finds a new option that holds a
secret and is missing here, and docs/guides/secrets.md shows it to users.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

FENCING, COROSYNC, QDEVICE, SYNC, SYNCED, SSH, KEPT, VAULT = (
    "password of a fence device",
    "key of corosync",
    "certificate and key for the quorum device",
    "private keys of the config sync",
    "content of a synchronised file",
    "host keys of the SSH server",
    "a file that `firewall_backup_paths` names",
    "vault password",
)


@dataclass(frozen=True)
class Place:
    """Files on a node that hold a secret in clear: at most this mode, and one of these owners."""

    secret: str
    path: str
    mode: int
    owners: tuple[str, ...] = ("root:root",)
    #: who reads it
    readers: str = "root"

    def covers(self, path: str) -> bool:
        return fnmatchcase(path, self.path)

    def problem(self, mode: int, owner: str) -> str:
        """What is wrong with a file here, or nothing."""
        if mode & ~self.mode:
            return f"mode {mode:04o}, at most {self.mode:04o}"
        return "" if owner in self.owners else f"belongs to {owner}, not to {' or '.join(self.owners)}"


CLUSTER = ("hacluster:haclient", "root:root", "root:haclient")
PLACES = (
    Place(FENCING, "/var/lib/pacemaker/cib/cib.xml", 0o600, CLUSTER, "Pacemaker"),
    Place(FENCING, "/var/lib/pacemaker/cib/cib-*.raw", 0o600, CLUSTER, "Pacemaker"),
    Place(FENCING, "/var/lib/pacemaker/pengine/*", 0o640, CLUSTER, "Pacemaker, group `haclient`"),
    # Every change of the CIB, as text.
    Place(FENCING, "/var/log/pacemaker/*", 0o660, CLUSTER, "root, group `haclient`"),
    # What its daemons say to each other, and their last messages.
    Place(FENCING, "/dev/shm/qb-*", 0o660, CLUSTER, "Pacemaker, group `haclient`"),
    Place(FENCING, "/var/lib/pacemaker/blackbox/*", 0o660, CLUSTER, "root, group `haclient`"),
    Place(COROSYNC, "/etc/corosync/authkey", 0o400, readers="corosync"),
    Place(QDEVICE, "/etc/corosync/qdevice/net/nssdb/key4.db", 0o660, readers="corosync-qdevice"),
    Place(
        QDEVICE,
        "/etc/corosync/qnetd/nssdb/key4.db",
        0o660,
        ("coroqnetd:coroqnetd", "root:coroqnetd", "root:root"),
        "corosync-qnetd",
    ),
    Place(SYNC, "/etc/linuxha/sync/id_ed25519", 0o640, ("root:linuxha-sync",), "the account `linuxha-sync`"),
    Place(SYNC, "/etc/linuxha/sync/ssh_host_ed25519_key", 0o600, readers="its own sshd"),
    Place(SYNCED, "/etc/firewall.d/*", 0o600, readers="as the file itself"),
    # The peers fetch it from there; what was fetched from them lies in `incoming` until it is looked at.
    Place(
        SYNCED,
        "/var/lib/linuxha-sync/export/objects/*",
        0o640,
        ("root:linuxha-sync", "root:root"),
        "the account `linuxha-sync`",
    ),
    Place(
        SYNCED,
        "/var/lib/linuxha-sync/incoming/*",
        0o600,
        ("linuxha-sync:linuxha-sync",),
        "the account `linuxha-sync`",
    ),
    Place(SYNCED, "/var/lib/linuxha-sync/staging/*", 0o600),
    Place(SYNCED, "/var/lib/linuxha-sync/history/*", 0o600),
    Place(SSH, "/etc/ssh/ssh_host_*_key", 0o600, readers="sshd"),
    Place(KEPT, "/etc/firewall-kept", 0o600, readers="as the file itself"),
)

# What holds a secret, or looks like it, and to which one it belongs; empty: why it is none.
NONE = "no secret: "
OPTIONS = {
    # Options of modules with no_log, or of a name that looks like a secret, and the same of roles.
    "module backup_place: archive": KEPT,
    "module corosync_authkey: key": COROSYNC,
    "module cib_info: show_secrets": NONE + "says whether the answer holds some",
    # Tasks with no_log.
    "task authkey | Read it": COROSYNC,
    # What a backup takes as keys.
    "backup /etc/corosync/authkey": COROSYNC,
    "backup /etc/corosync/qdevice/net": QDEVICE,
    "backup /etc/corosync/qnetd": QDEVICE,
    "backup /etc/linuxha/sync": SYNC,
    "backup /etc/ssh/ssh_host_*_key": SSH,
    "backup /etc/ssh/ssh_host_*_key.pub": NONE + "the public halves",
}
