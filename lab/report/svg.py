# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The few SVG elements that the pictures need. The colours read on a light and on a dark background."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: 600 }
  .faint { fill: #777 } .axis { stroke: #999 } .grid { stroke: #ddd }
  .page { fill: #fff } .ok { fill: #2b8a6e } .gap { fill: #d9480f; fill-opacity: .22 }
  .fault { stroke: #d9480f; stroke-width: 2 }
  .dot { fill: #2b6cb0; fill-opacity: .55 } .line { stroke: #222; stroke-dasharray: 5 4 } .target { stroke: #d9480f }
  .figure { font-weight: 600; fill: #b23c0a }
  .dashed { stroke-dasharray: 6 4 } .name.name { stroke: none }
  .s0 { stroke: #c2255c; fill: #c2255c } .s1 { stroke: #7048e8; fill: #7048e8 } .s2 { stroke: #b45309; fill: #b45309 }
  .s3 { stroke: #0b7285; fill: #0b7285 } .s4 { stroke: #5c7a0a; fill: #5c7a0a } .s5 { stroke: #2b6cb0; fill: #2b6cb0 }
  .s6 { stroke: #495057; fill: #495057 } .s7 { stroke: #2b8a6e; fill: #2b8a6e }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .page { fill: #16181d } .faint { fill: #999 } .grid { stroke: #333 } .line { stroke: #ddd }
    .ok { fill: #4cc9a0 } .dot { fill: #7fb3ef } .figure { fill: #ff9b6b }
    .s0 { stroke: #f783ac; fill: #f783ac } .s1 { stroke: #b197fc; fill: #b197fc } .s2 { stroke: #ffb057; fill: #ffb057 }
    .s3 { stroke: #66d9e8; fill: #66d9e8 } .s4 { stroke: #c0eb75; fill: #c0eb75 } .s5 { stroke: #7fb3ef; fill: #7fb3ef }
    .s6 { stroke: #ced4da; fill: #ced4da } .s7 { stroke: #4cc9a0; fill: #4cc9a0 }
  }
"""


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{css}"/>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def circle(x: float, y: float, radius: float, css: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{css}"/>'


def polyline(points: Iterable[tuple[float, float]], css: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    # The attribute would lose against the colour that the class fills with.
    return f'<polyline points="{drawn}" class="{css}" style="fill: none; stroke-width: 2"/>'


def document(width: float, height: float, title: str, parts: list[str]) -> str:
    """A self-contained SVG document."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
    body = "\n".join([rect(0, 0, width, height, "page"), *parts])
    return f"{head}\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
