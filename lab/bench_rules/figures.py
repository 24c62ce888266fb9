# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""From runs to tables and a plot. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..report import loglog_svg
from .apply import Run
from .path import Traffic
from .scaling import Work

#: With what a run is compared, within its repetition and size.
BASES = {
    ("loader", "fill"): (("raw", "fill"),),
    ("loader", "change"): (("raw", "change"),),
    ("loader", "trial"): (("raw", "change"),),
    ("each", "fill"): (("loader", "fill"),),
    ("ferm", "fill"): (("loader", "fill"),),
    ("shorewall", "fill"): (("loader", "fill"),),
    # From controller to controller; the loader alone does not have the way to the node in it.
    ("tasks", "fill"): (("role", "fill"), ("loader", "fill")),
}
TOOLS = {
    "loader": "loader of this collection",
    "raw": "`ipset`, `iptables-restore`, `ip6tables-restore`",
    "each": "`iptables -A` for each rule",
    "ferm": "ferm {ferm}",
    "shorewall": "Shorewall {shorewall}, IPv4 and IPv6",
    "role": "play of the role, from the controller",
    "tasks": "one task of `ansible.builtin.iptables` for each rule",
}
WAYS = {
    "test": "test load in a namespace, before anything changes",
    "fill": "into an empty node",
    "change": "one rule changed",
    "trial": "one rule changed, on trial until ready",
    "again": "the same again: the kernel is not touched",
}
RULESETS = {
    "nothing": "none, forwarding only",
    "states": "states, all accepted",
    "probe": "the one rule of the packets",
    "zones": "{size} rules between all pairs of zones",
    "pair": "{size} rules, all between these two zones",
    "flat": "the list between all zones in one chain, no sets",
}
#: With what the rates of the others are compared.
BASELINES = ("nothing", "states", "probe")
HEADERS = {
    "apply": (
        "| rules | tool | run | n | min | median | max | CPU | compared (min, median, max) |",
        "|---|---|---|---|---|---|---|---|---|",
    ),
    "traffic": (
        "| ruleset | rules that a first packet meets | measured | n | 25 % | median | 75 % "
        "| of no rules (25 %, median, 75 %) | of states only | of the one rule |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ),
    "work": ("| rules | n | compiling, CPU | analysing, CPU | analysing, per rule |", "|---|---|---|---|---|"),
}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """n, least, median, greatest."""
    return {
        "n": len(values),
        "minimum": round(min(values), 4),
        "median": round(statistics.median(values), 4),
        "maximum": round(max(values), 4),
    }


def middle(values: Sequence[float]) -> dict[str, Any]:
    """n, median, and the bounds of the middle half."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"n": len(values), "low": round(low, 4), "median": round(median, 4), "high": round(high, 4)}


def apply_summary(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """For each size, tool and way. A sample is scaled to its size; ratios are taken within each repetition."""
    every = list(runs)
    whole = {(r.size, r.tool, r.way, r.repetition): r.whole for r in every}
    found = []
    for size, tool, way in dict.fromkeys((r.size, r.tool, r.way) for r in every):
        these = [r for r in every if (r.size, r.tool, r.way) == (size, tool, way)]
        ratios = {}
        for base in BASES.get((tool, way), ()):
            pairs = [(whole[size, tool, way, r.repetition], whole.get((size, *base, r.repetition))) for r in these]
            values = [one / other for one, other in pairs if other]
            if values:
                ratios[base[0]] = spread(values)
        found.append(
            {
                "size": size,
                "tool": tool,
                "way": way,
                "measured": these[0].measured,
                "lines": these[0].lines,
                **spread([whole[size, tool, way, r.repetition] for r in these]),
                "cpu": round(statistics.median(r.cpu / r.measured * size for r in these), 4),
                "ratios": ratios,
            }
        )
    return found


def traffic_summary(found: Iterable[Traffic]) -> list[dict[str, Any]]:
    """For each ruleset and kind; parts of the rates of the BASELINES in the same round."""
    every = {(t.ruleset, t.kind): t for t in found}
    rows = []
    for (ruleset, kind), item in sorted(
        every.items(), key=lambda pair: (pair[0][1] != "stream", [*RULESETS].index(pair[0][0]))
    ):
        parts = {
            f"of_{base}": middle([one / other for one, other in zip(item.rates, every[base, kind].rates, strict=True)])
            for base in BASELINES
        }
        row = {"ruleset": ruleset, "kind": kind, "size": item.size, "before": item.before}
        rows.append({**row, **middle(item.rates), **parts})
    return rows


def work_summary(found: Iterable[Work]) -> list[dict[str, Any]]:
    """For each size."""
    every = list(found)
    return [
        {
            "size": size,
            "compiling": spread([w.compiling for w in every if w.size == size]),
            "analysing": spread([w.analysing for w in every if w.size == size]),
        }
        for size in sorted({w.size for w in every})
    ]


# ---- in Markdown


def tables(data: Mapping[str, Any], name: str) -> str:
    """All tables of a raw result."""
    parts = [f"Raw results: [{name}]({name})."]
    for key, title, rows in (
        ("apply", "**Loading**", apply_rows),
        ("traffic", "**Packets**", traffic_rows),
        ("work", "**On the controller**", work_rows),
    ):
        if data.get(key):
            parts += ["", title, "", *HEADERS[key], *rows(data)]
    return "\n".join(parts)


def apply_rows(data: Mapping[str, Any]) -> list[str]:
    """Rows about loading, a size after the other."""
    versions = {key: text.partition("-")[0] for key, text in data["node"].items()}
    order = [*TOOLS]
    ways = [*WAYS]
    rows = []
    for item in sorted(data["apply"], key=lambda i: (i["size"], order.index(i["tool"]), ways.index(i["way"]))):
        way = WAYS[item["way"]]
        if item["measured"] != item["size"]:
            way += f" (measured with {_number(item['measured'])})"
        compared = "; ".join(
            f"{', '.join(_times(ratio[key]) for key in ('minimum', 'median', 'maximum'))} × {base}"
            for base, ratio in item["ratios"].items()
        )
        cells = [_number(item["size"]), TOOLS[item["tool"]].format(**versions), way, str(item["n"])]
        cells += [_seconds(item[key]) for key in ("minimum", "median", "maximum")]
        cells += [_seconds(item["cpu"]) if item["cpu"] else "", compared]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def traffic_rows(data: Mapping[str, Any]) -> list[str]:
    """Rows about packets."""
    rows = []
    for item in data["traffic"]:
        stream = item["kind"] == "stream"
        unit, factor = ("Mbit/s", 8e-6) if stream else ("/s", 1.0)
        cells = [RULESETS[item["ruleset"]].format(size=_number(item["size"])), _number(item["before"])]
        cells += ["one TCP stream" if stream else "new TCP connections", str(item["n"])]
        cells += [f"{_number(round(item[key] * factor))} {unit}" for key in ("low", "median", "high")]
        of = item["of_nothing"]
        cells.append(", ".join(f"{of[key]:.1%}" for key in ("low", "median", "high")))
        cells += [f"{item[f'of_{base}']['median']:.1%}" for base in BASELINES[1:]]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def work_rows(data: Mapping[str, Any]) -> list[str]:
    """Rows about the controller."""
    rows = []
    for item in data["work"]:
        each = item["analysing"]["median"] / item["size"] * 1000
        cells = [_number(item["size"]), str(item["compiling"]["n"])]
        cells += [_seconds(item[key]["median"]) for key in ("compiling", "analysing")]
        rows.append("| " + " | ".join([*cells, f"{each:.2f} ms"]) + " |")
    return rows


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ")


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 10 else f"{value:.3f} s"


def _times(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


# ---- as a picture

_PLOTTED = {
    ("tasks", "fill"): "task per rule",
    ("role", "fill"): "play of the role",
    ("each", "fill"): "iptables -A per rule",
    ("shorewall", "fill"): "Shorewall",
    ("ferm", "fill"): "ferm",
    ("loader", "fill"): "loader",
    ("raw", "fill"): "iptables-restore",
}


def plot(data: Mapping[str, Any]) -> str:
    """Medians of loading into an empty node over the number of rules; what a sample stands for is dashed."""
    series = {
        label: sorted((i["size"], i["median"]) for i in data["apply"] if (i["tool"], i["way"]) == key)
        for key, label in _PLOTTED.items()
    }
    scaled = {
        label
        for key, label in _PLOTTED.items()
        if any((i["tool"], i["way"]) == key and i["measured"] != i["size"] for i in data["apply"])
    }
    return loglog_svg(
        "Loading rules into an empty node", {k: v for k, v in series.items() if v}, "rules", "seconds", dashed=scaled
    )
