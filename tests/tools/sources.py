# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The files of the project, as git sees them: committed, or new and not ignored."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def source_files(*patterns: str) -> tuple[Path, ...]:
    """All files, or those that match the given git patterns."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = sorted({name for name in listing.split("\0") if name})
    # A file that was deleted but not yet from the index is still listed.
    return tuple(path for path in (ROOT / name for name in names) if path.is_symlink() or path.is_file())
