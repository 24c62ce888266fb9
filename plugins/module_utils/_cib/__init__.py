# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Pacemaker's configuration as one decision: parse, plan, render. Pure: no I/O, no Ansible, standard library only."""

from __future__ import annotations

from . import effects, export, metadata, ready, rules, shapes, spec, state, text
from .document import Document, DocumentError, canonical
from .plan import Change, Plan, Wish, plan
from .spec import Checker
from .state import State

__all__ = [
    "Change",
    "Checker",
    "Document",
    "DocumentError",
    "Plan",
    "State",
    "Wish",
    "canonical",
    "effects",
    "export",
    "metadata",
    "plan",
    "ready",
    "rules",
    "shapes",
    "spec",
    "state",
    "text",
]
