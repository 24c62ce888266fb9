# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Where the lab keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
COLLECTIONS = REPO / ".cache" / "collections"
# Images are expensive and the same for every checkout, so they live outside of it.
CACHE = Path(os.environ.get("HAFW_CACHE", "/var/cache/linuxha-lab"))
# Overlay upper directories must be on a file system that supports them (not on an overlay or a tmpfs without xattrs).
STATE = Path(os.environ.get("HAFW_STATE", "/var/lib/linuxha-lab"))
RUNTIME = Path("/run/linuxha-lab")
# The environment in which a Python on this machine finds the lab and the collection.
PYTHON = {"PYTHONPATH": f"{REPO}:{COLLECTIONS}", "PYTHONDONTWRITEBYTECODE": "1"}
