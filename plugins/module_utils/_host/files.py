# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Read and replace small text files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def read_text(path: Path) -> str:
    """The content, or nothing when there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def write_text(path: Path, text: str, mode: int) -> None:
    """Replace the file in one step: a reader (or a boot after a power cut) sees the old or the new one, never half."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def line_counts(before: str, after: str) -> str:
    """How much differs, for people; the diff has the lines."""
    old, new = before.splitlines(), after.splitlines()
    if not old:
        return f"new, {len(new)} lines"
    more = len([line for line in new if line not in set(old)])
    less = len([line for line in old if line not in set(new)])
    return f"{more} lines new, {less} gone"
