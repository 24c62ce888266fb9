# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A node on which Pacemaker does not run, and one on which it is not even installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import playbook
from tests.cluster.conftest import HERE
from tests.cluster.live import Cluster

pytestmark = pytest.mark.full

GIVEN = {
    "properties": {"no-quorum-policy": "ignore"},
    "resources": [{"id": "x", "agent": "ocf:heartbeat:Dummy"}],
    "constraints": [{"type": "location", "resource": "x", "node": "fw2", "score": 1}],
}
PREDICTED = [
    "create primitive x (ocf:heartbeat:Dummy)",
    "create location constraint location-x-fw2",
    "create properties.no-quorum-policy: ignore",
]


@pytest.fixture(scope="module", params=["stopped", "not installed"])
def reason(request: pytest.FixtureRequest, live: Cluster) -> Iterator[str]:
    """What the message has to say."""
    live.run("systemctl", "stop", "pacemaker", node="fw2")
    if request.param == "stopped":
        yield "ot connected|onnection refused|ransport endpoint"
    else:
        live.run("apt-get", "remove", "--yes", "pacemaker", "pacemaker-cli-utils", node="fw2")
        yield "is not installed"
    playbook.play(live.lab, str(HERE / "deploy.yml"), show=None)


@pytest.fixture
def bare(live: Cluster, reason: str) -> Cluster:
    return live


def test_check_mode_compares_with_nothing_and_says_so(bare: Cluster) -> None:
    predicted = bare.module("cib", GIVEN, node="fw2", check=True)
    assert not predicted.failed, predicted.msg
    assert predicted["changes"] == PREDICTED
    assert "the cluster does not run here yet" in predicted.output


def test_check_mode_still_finds_mistakes(bare: Cluster) -> None:
    constraint = {"type": "location", "resource": "ghost", "node": "fw2", "score": 1}
    result = bare.module("cib", {**GIVEN, "constraints": [constraint]}, node="fw2", check=True)
    assert result.failed
    assert "there is no such resource" in result.msg


@pytest.mark.parametrize(
    ("module", "given"),
    [
        ("cib", GIVEN),
        ("cib_info", {}),
        ("cluster_info", {}),
        ("cluster_node", {"name": "fw2", "state": "standby"}),
        ("cluster_resource", {"id": "x", "action": "disable"}),
    ],
)
def test_a_real_run_fails_and_says_why(bare: Cluster, reason: str, module: str, given: dict[str, object]) -> None:
    result = bare.module(module, given, node="fw2")
    assert result.failed
    assert any(word in result.msg for word in reason.split("|")), result.msg
