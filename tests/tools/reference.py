# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Writes docs/reference from the documentation of the plugins and the argument specs of the roles.

`python -m tests.tools.reference` writes the pages; with `--check` it writes nothing and fails when a page is not
what it would write.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools.sources import ROOT

PAGES = ROOT / "docs" / "reference"
COLLECTION = "linuxha.firewall"


def generate(directory: Path) -> None:
    # It calls ansible-doc by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections")}
    command = [
        shutil.which("antsibull-docs", path=path) or "antsibull-docs",
        "collection",
        "--use-current",
        "--squash-hierarchy",
        "--fail-on-error",
    ]
    command += ["--output-format", "simplified-rst", "--dest-dir", str(directory), COLLECTION]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def differences(written: Path, wanted: Path) -> list[str]:
    """What has to be done to the pages, a line each."""
    names = sorted({path.name for directory in (written, wanted) if directory.exists() for path in directory.iterdir()})
    lines = []
    for name in names:
        if not (wanted / name).exists():
            lines.append(f"{name}: describes nothing that is here")
        elif not (written / name).exists():
            lines.append(f"{name}: is missing")
        elif not filecmp.cmp(written / name, wanted / name, shallow=False):
            lines.append(f"{name}: is not what the documentation says now")
    return lines


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        wanted = Path(name)
        generate(wanted)
        if arguments == ["--check"]:
            lines = differences(PAGES, wanted)
            for line in lines:
                print(f"docs/reference/{line}; run: .venv/bin/python -m tests.tools.reference")
            return 1 if lines else 0
        if PAGES.exists():
            shutil.rmtree(PAGES)
        shutil.copytree(wanted, PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
