# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Elements of a page. Text becomes markup in one place only, where it is escaped: nobody can forget it."""

from __future__ import annotations

import html
from typing import Union

from .words import clean


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = Union[str, int, float]
VOID = ("meta", "line", "rect", "circle", "path")


def text(value: Child) -> Markup:
    return value if isinstance(value, Markup) else Markup(html.escape(clean(value), quote=True))


def tag(element: str, /, *children: Child, **attributes: Child) -> Markup:
    """An element. `class_` is the attribute class, `aria_label` is aria-label, `viewBox` stays as it is."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    if element in VOID:
        return Markup(f"<{element}{words}/>")
    return Markup(f"<{element}{words}>{''.join(text(child) for child in children)}</{element}>")


def join(children: list[Markup]) -> Markup:
    return Markup("\n".join(children))
