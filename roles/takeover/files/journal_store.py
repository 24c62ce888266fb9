# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The failover journal on disk: one JSON object in a line, bounded in size and number of files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping

# No line is longer: a sentence about a cluster of a hundred interfaces is not worth a full disk.
LINE_MAX = 2000


@dataclass(frozen=True)
class Store:
    path: Path
    bytes_max: int = 262_144
    files: int = 4

    def append(self, entry: Mapping[str, Any]) -> str:
        """Writes one line to the disk for good; returns what went wrong, or nothing.

        A line that a power cut has torn ends where the next one begins.
        """
        data = (json.dumps(shortened(entry), separators=(", ", ": ")) + "\n").encode()
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            new = not self.path.exists()
            if not new and self.path.stat().st_size + len(data) > self.bytes_max:
                self._rotate()
                new = True
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                size = os.fstat(fd).st_size
                if size and os.pread(fd, 1, size - 1) != b"\n":
                    data = b"\n" + data
                written = os.write(fd, data)
                if written < len(data):
                    os.ftruncate(fd, size)
                    return f"{self.path}: no room for a line"
                os.fsync(fd)
            finally:
                os.close(fd)
            if new:
                self._sync_folder()
        except OSError as error:
            return str(error)
        return ""

    def _rotate(self) -> None:
        """The oldest goes; `journal.jsonl.1` is the one before the present."""
        for number in range(self.files - 1, 0, -1):
            older = self._numbered(number)
            newer = self.path if number == 1 else self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        if self.files == 1:
            self.path.unlink()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _sync_folder(self) -> None:
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self) -> Iterator[Dict[str, Any]]:
        """All entries, oldest first. Lines that are none are left out."""
        for path in [*(self._numbered(number) for number in range(self.files - 1, 0, -1)), self.path]:
            try:
                text = path.read_text(errors="replace")
            except OSError:
                continue
            yield from entries(text.splitlines())


def entries(lines: List[str]) -> Iterator[Dict[str, Any]]:
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "at" in found and "to" in found:
            yield found


def shortened(entry: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value[:LINE_MAX] if isinstance(value, str) else value for key, value in entry.items()}


def publish(path: Path, document: Mapping[str, Any]) -> str:
    """Replaces a file for others to read, as a whole."""
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        draft.write_text(json.dumps(document) + "\n")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        return str(error)
    return ""
