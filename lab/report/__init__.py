# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Results of demo and drill: data, tables and pictures. Pure.

report = Report(topology="keepalived", profile="fast", nodes={...}, cases=(Case(...), ...), ...)
print(table(report))
Path("timeline.svg").write_text(timeline_svg(report, {"lan→wan IPv4": receive_times_ns}))
print(summary_table(report.cases))
"""

from __future__ import annotations

from .data import Case, Report, Summary, percentile, summary
from .loglog import loglog_svg
from .strip import strip_svg
from .tables import summary_table, table
from .timeline import timeline_svg

__all__ = [
    "Case",
    "Report",
    "Summary",
    "loglog_svg",
    "percentile",
    "strip_svg",
    "summary",
    "summary_table",
    "table",
    "timeline_svg",
]
