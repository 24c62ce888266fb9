# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Secrets that are made to be looked for, the forms in which they could be seen, and a watch on all programs.

A canary is ASCII letters and digits, which JSON, URLs, XML and shells leave as they are: found in their quoting, too.
What changes it are base64, in three ways by what stands before it, and hexadecimal digits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

# Fewer would be found by accident.
SHORTEST = 12


def canary(name: str) -> str:
    """A new secret that tells what it was for."""
    return f"canary{name}{secrets.token_hex(12)}"


def forms(secret: str | bytes) -> list[bytes]:
    """The byte strings of which one is wherever this secret is."""
    data = secret.encode() if isinstance(secret, str) else secret
    if len(data) < SHORTEST:
        raise ValueError(f"{len(data)} bytes are too few to look for")
    found = [data]
    for before in range(3):
        # The characters at the ends depend on what stands beside the secret.
        middle = base64.b64encode(bytes(before) + data)[4:-4]
        found += [middle, middle.replace(b"+", b"-").replace(b"/", b"_")]
    digits = binascii.hexlify(data)
    return list(dict.fromkeys([*found, digits, digits.upper()]))


def patterns(secret: str | bytes) -> list[str]:
    """The forms that are lines of text, as `grep -F -f` reads them."""
    return [form.decode() for form in forms(secret) if form.isascii() and form.decode().isprintable()]


def seen(data: bytes, wanted: Mapping[str, Iterable[bytes]]) -> set[str]:
    """Names of the secrets of which a form is in the data; `wanted` has the forms by name."""
    return {name for name, each in wanted.items() if any(form in data for form in each)}


def seed(private_key: str) -> bytes:
    """What is secret in an OpenSSH private key of the type ed25519 without a passphrase.

    Raises:
        ValueError: it is no such key.
    """
    body = base64.b64decode("".join(line for line in private_key.splitlines() if "-----" not in line))
    kind = b"ssh-ed25519\x00\x00\x00\x20"
    first = body.find(kind)
    if not body.startswith(b"openssh-key-v1\x00") or first < 0:
        raise ValueError("no ed25519 key of OpenSSH in clear")
    public = body[first + len(kind) : first + len(kind) + 32]
    # The private half is stored as seed and public key, behind another copy of the public key.
    last = body.rindex(public)
    return body[last - 32 : last]


class Watch(threading.Thread):
    """Reads the arguments and the environment of all programs of this machine, those of the nodes among them.

    And the files in the directories `tops`, where something may lie for a moment only. Everything that differs is kept,
    so that secrets which are not known before can be looked for afterwards. What lives shorter than the pause between
    two looks is missed.
    """

    def __init__(self, tops: Iterable[Path] = (), pause_s: float = 0.03) -> None:
        super().__init__(daemon=True)
        self.tops = tuple(tops)
        self.pause_s = pause_s
        self.looks = 0
        self._kept: dict[bytes, tuple[str, bytes]] = {}
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(self.pause_s):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    self._keep(path / name)
            # Unlike a glob it goes on where a directory goes meanwhile.
            for folder, _folders, names in (step for top in self.tops for step in os.walk(top)):
                for name in names:
                    self._keep(Path(folder, name))

    def _keep(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except OSError:
            return  # it has ended, or was removed
        self._kept.setdefault(hashlib.sha256(data).digest(), (path.name, data))

    def stop(self) -> None:
        self._done.set()
        self.join()

    def found(self, wanted: Mapping[str, Iterable[bytes]], agents_of: str = "") -> set[str]:
        """Secret and place of all that was seen, but for the environment of the agents of one resource.

        They get its parameters there by the resource agent API of OCF, and only their own user can read it.
        """
        mark = f"\0OCF_RESOURCE_INSTANCE={agents_of}\0".encode()
        kept = [(name, data) for name, data in self._kept.values() if name != "environ" or mark not in b"\0" + data]
        return {f"{secret} in {name}: {data[:60]!r}" for name, data in kept for secret in seen(data, wanted)}
