# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What only a pair with keepalived has; the rest is in molecule/shared/tests."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://firewalls"]


@pytest.mark.parametrize("name", ["corosync", "pacemaker"])
def test_no_other_cluster_manager_runs(host: Host, name: str) -> None:
    assert not host.service(name).is_running


def test_the_configuration_is_sound(host: Host) -> None:
    assert host.run("keepalived --config-test").rc == 0
