# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The cluster model: an inventory's variables in, checked clusters and role variables out. Pure: no I/O, no Ansible."""

from __future__ import annotations

from . import budget, question, views
from .budget import Budget
from .load import load
from .problems import Problem
from .types import (
    MANAGEMENT,
    PROFILES,
    TOPOLOGIES,
    Cluster,
    ConfigSync,
    Conntrackd,
    Loaded,
    Management,
    Network,
    Node,
    Policy,
    Profile,
    Segment,
    SyncEntry,
    SyncLink,
    TrackScript,
    Vip,
    Vrrp,
)

__all__ = [
    "MANAGEMENT",
    "PROFILES",
    "TOPOLOGIES",
    "Budget",
    "Cluster",
    "ConfigSync",
    "Conntrackd",
    "Loaded",
    "Management",
    "Network",
    "Node",
    "Policy",
    "Problem",
    "Profile",
    "Segment",
    "SyncEntry",
    "SyncLink",
    "TrackScript",
    "Vip",
    "Vrrp",
    "budget",
    "load",
    "question",
    "views",
]
