# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib

from .conftest import lines, mistakes, wish


def test_an_export_fed_back_changes_nothing(live: cib.Document) -> None:
    exported = cib.export.export(cib.state.read(live))
    plan = cib.plan(live, wish(exported))
    assert (lines(plan), mistakes(plan)) == ([], [])
    assert plan.document.text() == live.text()


def test_an_export_makes_the_same_cluster_from_nothing(live: cib.Document, empty: cib.Document) -> None:
    exported = cib.export.export(cib.state.read(live))
    again = cib.plan(empty, wish(exported)).document
    assert cib.export.export(cib.state.read(again)) == exported


def test_what_the_cluster_says_of_itself_is_left_out(live: cib.Document) -> None:
    exported = cib.export.export(cib.state.read(live))
    assert exported["properties"] == {"stonith-enabled": "false", "no-quorum-policy": "ignore"}
    assert "linuxha-owned" not in str(exported)


def test_secrets_are_replaced_and_cannot_be_fed_back(empty: cib.Document) -> None:
    device = {"id": "power", "agent": "stonith:fence_x", "params": {"password": "correct-horse", "ip": "192.0.2.7"}}
    bundle = '<bundle id="b"><nvpair id="n" name="api_key" value="battery-staple"/></bundle>'
    raw = {"resources": [device, {"id": "b", "type": "bundle", "xml": bundle}]}
    state = cib.state.read(cib.plan(empty, wish(raw)).document)
    assert cib.text.secret_values(state) == {"correct-horse", "battery-staple"}
    masked = cib.export.export(cib.text.masked(state))
    assert "correct-horse" not in str(masked)
    assert "battery-staple" not in str(masked)
    assert "192.0.2.7" in str(masked)
    checker = cib.Checker()
    checker.state(masked)
    assert len(checker.problems) == 1
