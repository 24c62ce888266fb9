# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What roles/base promises, whatever its defaults become."""

from __future__ import annotations

from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles" / "base"
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def test_connection_tracking_is_strict_by_default() -> None:
    assert DEFAULTS["base_sysctls_hardening"]["net.netfilter.nf_conntrack_tcp_loose"] == 0


def test_forwarding_is_left_to_the_loader_of_the_rules() -> None:
    """Written to sysctl.d, a 0 would be applied to a node in service by any restart of systemd-sysctl."""
    values = {**DEFAULTS["base_sysctls_hardening"], **DEFAULTS["base_sysctls"]}
    assert not [key for key in values if key.endswith(("ip_forward", ".forwarding"))]
