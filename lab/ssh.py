# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Keys and client configuration to reach the nodes by real SSH."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from . import paths
from .namespace import Holder
from .run import run


def make_key(path: Path, comment: str) -> str:
    """Make an Ed25519 key pair without a passphrase and return the public key."""
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return path.with_suffix(".pub").read_text()


def options(holder: Holder, directory: Path) -> list[str]:
    """The ssh options that enter the lab and trust only its pinned host keys."""
    nsenter = shutil.which("nsenter") or "/usr/bin/nsenter"
    # An isolated interpreter starts in a fraction of the time; every connection pays for it.
    proxy = f"{nsenter} --target={holder.pid} --net {sys.executable} -IS {paths.REPO / 'lab' / 'proxy.py'} %h %p"
    pairs = {
        "ProxyCommand": proxy,
        "ProxyUseFdpass": "yes",
        "IdentityFile": str(directory / "id"),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(directory / "known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
        # A kept connection to a node that lost its power must not hang for minutes.
        "ServerAliveInterval": "3",
        "ServerAliveCountMax": "2",
    }
    return [f"{key}={value}" for key, value in pairs.items()]
