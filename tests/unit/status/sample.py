# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Clusters as status shows them: well, with a dead node, and with names that try to break out."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils import _status as status
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import Expectation, Report
from tests.unit.verify.sample import VIPS, Nodes, expected, node, pair

NOW = 1767268800.0  # 2026-01-01 12:00 UTC
HOSTILE = (
    "</style></title><script>document.title='in'</script><img src=//192.0.2.66/x onerror=alert(1)>\"'&\x1b[31m\u202e"
)
FACTS = status.Facts(
    profile="fast",
    primaries={"edge": "fw1"},
    networks=[{"name": "wan", "zone": "wan", "vips": VIPS[:1]}, {"name": "lan", "zone": "lan", "vips": VIPS[1:]}],
    sync_links=["sync0", "sync1"],
)


def expectation(**more: Any) -> Expectation:
    return expected(groups={"edge": VIPS}, **more)


def reports(nodes: Nodes) -> list[Report]:
    return [Report(name, info) for name, info in nodes.items()]


def shown(nodes: Nodes | None = None, wanted: Expectation | None = None) -> dict[str, Any]:
    return status.cluster(wanted or expectation(), reports(pair() if nodes is None else nodes), FACTS, NOW)


def dead() -> dict[str, Any]:
    """fw1 is gone, and fw2 has taken over."""
    answers = [Report("fw1", None, "Failed to connect to the host via ssh: timed out"), Report("fw2", node(True))]
    return status.cluster(expectation(), answers, FACTS, NOW)


def full() -> Nodes:
    """A pair with everything that a node may tell."""
    nodes = pair()
    for info in nodes.values():
        info["clock"] = NOW
        info["worker"]["instances"]["edge"]["since"] = NOW - 90000
        info["pings"] = {"outside": {"192.0.2.80": True, "2001:db8:1::80": False}}
        info["sync"] = {"in_step": True, "changed_at": None, "problems": [], "behind": [], "problem": None}
        info["damping"] = {"moves": 2, "window_s": 600, "held": False, "since": None, "problem": None}
        info["maintenance"] = None
    nodes["fw2"]["journal"] = [move("2026-01-01T11:00:00.123Z"), move("2026-01-01T11:30:00Z", held=True)]
    return nodes


def move(at: str, **more: Any) -> dict[str, Any]:
    found = {"at": at, "cluster_group": "", "from": "BACKUP", "to": "MASTER", "cause": "peer_silent"}
    return {**found, "detail": "no adverts", "blackout_ms": 250, "states": 1000, "held": False, **more}


def hostile() -> dict[str, Any]:
    """Every text that a node or an inventory may choose is an attack."""
    nodes = full()
    wanted = replace(
        expectation(),
        name=HOSTILE,
        nodes=[HOSTILE, "fw2"],
        instances={},
        groups={HOSTILE: VIPS},
    )
    nodes = {HOSTILE: poisoned(nodes["fw1"]), "fw2": poisoned(nodes["fw2"])}
    nodes["fw2"]["maintenance"] = {"since": HOSTILE, "until": None, "reason": HOSTILE, "by": HOSTILE}
    facts = replace(
        FACTS,
        profile=HOSTILE,
        primaries={HOSTILE: HOSTILE},
        networks=[{"name": HOSTILE, "zone": HOSTILE, "vips": [HOSTILE]}],
        sync_links=[HOSTILE],
    )
    return status.cluster(wanted, reports(nodes), facts, NOW)


def poisoned(info: Nodes) -> Nodes:
    found = copy.deepcopy(info)
    found["worker"].update(states=HOSTILE, gate=HOSTILE)
    found["rules"]["status"].update(state=HOSTILE, reason=HOSTILE)
    found["versions"] = {"release": HOSTILE, HOSTILE: HOSTILE}
    found["pings"] = {HOSTILE: {HOSTILE: None}}
    found["sync"] = {"in_step": False, "problems": [HOSTILE], "behind": [HOSTILE], "problem": None}
    found["damping"] = {"moves": HOSTILE, "window_s": HOSTILE, "held": True, "since": HOSTILE, "problem": None}
    found["journal"] = [{**move("2026-01-01T11:00:00Z"), **dict.fromkeys(("from", "to", "cause", "detail"), HOSTILE)}]
    found["units"] = {HOSTILE: {**next(iter(info["units"].values())), "active": HOSTILE}}
    return found


def behind() -> dict[str, Any]:
    """The example of the guide: a standby node whose states are still on their way."""
    nodes = full()
    nodes["fw2"]["worker"]["states"] = "resyncing"
    nodes["fw2"]["conntrack"]["entries"] = 412
    nodes["fw2"]["journal"] = nodes["fw2"]["journal"][:1]
    for info in nodes.values():
        info["pings"] = {}
        info["versions"] = {
            "release": "debian 13",
            "kernel": "6.12.57",
            "keepalived": "1:2.3.3-1",
            "conntrackd": "1:1.4.8-2",
            "iptables": "1.8.11-2",
        }
    return shown(nodes)
