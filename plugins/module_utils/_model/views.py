# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""All role variables of one node: the edge between the cluster model and the roles."""

from __future__ import annotations

from typing import Any

from . import types as t
from . import view_rules, view_states, view_system, view_vrrp


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    """Everything derived, with the cluster's own `role_variables` on top. Plain data, ready for JSON."""
    return {
        **view_system.role_variables(cluster, node),
        **view_rules.role_variables(cluster, node),
        **view_states.role_variables(cluster, node),
        **view_vrrp.role_variables(cluster, node),
        **cluster.role_overrides,
    }
