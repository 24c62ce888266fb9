# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the takeover role, as far as the topology does not matter: the failover journal and its damping."""

from __future__ import annotations

from typing import Any

from . import types as t
from .budget import failover


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    damping = cluster.damping
    return {
        "takeover_node": node.name,
        "takeover_detection_ms": round(failover(cluster).detection_ms),
        "takeover_damping": {
            "moves": damping.moves,
            "window": damping.window_s,
            "wait": damping.wait_s,
            "hold": damping.hold_s,
        },
        "takeover_alarm_command": list(damping.alarm_command),
    }
