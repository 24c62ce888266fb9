# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The published figures: `python -m lab.figures` writes tables and plots in the documentation from the raw results.

A table stands between `<!-- figures:begin -->` and `<!-- figures:end -->`; a test keeps it equal to the raw results.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from . import bench_cib, bench_rules, paths

RAW = paths.REPO / "docs" / "measurements"
DOCUMENTS = {"README.md": "docs/measurements/", "docs/measurements/README.md": ""}
CIB = "docs/measurements/cib.md"
RULES, PLOT = "docs/measurements/rules.md", "docs/measurements/rules.svg"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
HEADER = (
    "| fault | profile | n | min | median | p95 | max | packets lost | void runs | raw |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
WORDS = {
    "planned": "planned switchover",
    "power_cut": "power cut of the active node",
    "cable": "cable of the active node pulled",
}


def _name(case: str, data: dict[str, Any], flows: int) -> str:
    kind, _unused, argument = case.partition(":")
    text = WORDS.get(kind, kind) + (f" ({argument})" if argument else "")
    extras = ["Pacemaker"] if data.get("topology") == "pacemaker" else []
    if data.get("table"):
        extras.append(f"{data['table']:,} connections in the table".replace(",", " "))
    if data.get("vips", 0) > 20:
        extras.append(f"{data['vips']} VIPs")
    if flows >= 1000:
        extras.append(f"{flows:,} live TCP connections".replace(",", " "))
    return ", ".join([text, *extras])


def rows(directory: Path, prefix: str) -> list[str]:
    """One row per fault of every raw result, in the order of the file names."""
    found = []
    for path in sorted(directory.glob("*.json")):
        data = json.loads(path.read_text())
        if data.get("kind") in (bench_cib.KIND, bench_rules.KIND):
            continue
        flows = max((case["flows_total"] for case in data["cases"]), default=0)
        for item in data["summary"]:
            figures = [f"{item[key]:.1f} ms" for key in ("minimum", "median", "p95", "maximum")]
            cells = [_name(item["name"], data, flows), data["profile"], str(item["n"]), *figures]
            cells += [str(item["lost_packets"]), str(item["void"]), f"[{path.name}]({prefix}{path.name})"]
            found.append("| " + " | ".join(cells) + " |")
    return found


def table(directory: Path, prefix: str) -> str:
    """The whole Markdown table."""
    return "\n".join([*HEADER, *rows(directory, prefix)])


def cib_table(directory: Path) -> str:
    """The table of what changes of the CIB cost."""
    found = []
    for path in sorted(directory.glob("*.json")):
        data = json.loads(path.read_text())
        if data.get("kind") == bench_cib.KIND:
            found += bench_cib.rows(data, path.name)
    return "\n".join([*bench_cib.HEADER, *found])


def replace(text: str, content: str) -> str:
    """The document with the content between its two marks.

    Raises:
        ValueError: a mark is missing.
    """
    if BEGIN not in text or END not in text:
        raise ValueError(f"{BEGIN} and {END} are not both there")
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    return f"{head}{BEGIN}\n{content}\n{END}{tail}"


def _wanted() -> dict[str, str]:
    tables = {name: table(RAW, prefix) for name, prefix in DOCUMENTS.items()}
    tables[CIB] = cib_table(RAW)
    data = json.loads((RAW / "rules.json").read_text())
    tables[RULES] = bench_rules.tables(data, "rules.json")
    documents = {name: replace((paths.REPO / name).read_text(), content) for name, content in tables.items()}
    return {**documents, PLOT: bench_rules.plot(data)}


def outdated() -> list[str]:
    """Documents whose table is not what the raw results say."""
    files = {paths.REPO / name: text for name, text in _wanted().items()}
    return [
        str(path.relative_to(paths.REPO))
        for path, text in files.items()
        if not path.exists() or path.read_text() != text
    ]


def main() -> int:
    """Write the tables."""
    wanted = _wanted()
    for name in outdated():
        (paths.REPO / name).write_text(wanted[name])
        print(f"written: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
