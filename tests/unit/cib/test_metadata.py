# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib import metadata

SOURCE = """some words of the agent itself
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="IPaddr2" version="1.0"><parameters>
<parameter name="ip" unique="1" required="1"><content type="string" default=""/></parameter>
<parameter name="cidr_netmask"><content type="string"/></parameter>
<parameter name="arp_bg"><content type="boolean"/></parameter>
<parameter name="arp_count"><content type="integer"/></parameter>
<parameter name="dampen"><content type="integer" default="5s"/></parameter>
<parameter name="wait"><content type="time"/></parameter>
<parameter name="mode"><content type="select"><option value="a"/><option value="b"/></content></parameter>
</parameters><actions><action name="start"/><action name="monitor"/><action name="special"/></actions>
</resource-agent>
"""
AGENT = metadata.read("ocf:heartbeat:IPaddr2", SOURCE[SOURCE.index("<resource-agent") :])


def plain(params: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"params": [{"values": params}], **more}


def check(given: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in metadata.check_resource("resources.x", given, AGENT, {})]


def test_words_around_the_metadata_do_not_matter() -> None:
    assert metadata.read("ocf:heartbeat:IPaddr2", SOURCE) == AGENT
    assert AGENT.parameters["ip"].required
    assert AGENT.actions == ("start", "monitor", "special")


def test_no_metadata() -> None:
    with pytest.raises(metadata.MetadataError, match="x is not XML"):
        metadata.read("x", "nothing")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"arp_bg": "Yes"},
        {"arp_count": "-5"},
        {"wait": "20s"},
        {"dampen": "1s"},
        {"wait": "PT1M"},
        {"mode": "b"},
        {"cidr_netmask": "24"},
    ],
)
def test_sound_parameters(params: dict[str, str]) -> None:
    assert check(plain({"ip": "192.0.2.1", **params})) == []


@pytest.mark.parametrize(
    ("params", "start"),
    [
        ({"ipp": "1"}, "resources.x.params.ipp: '1': ocf:heartbeat:IPaddr2 has no such parameter. Did you mean 'ip'?"),
        ({"arp_bg": "maybe"}, "resources.x.params.arp_bg: 'maybe': is no boolean. Write true or false."),
        ({"arp_count": "few"}, "resources.x.params.arp_count: 'few': is no integer."),
        ({"wait": "soon"}, "resources.x.params.wait: 'soon': is no time."),
        ({"mode": "c"}, "resources.x.params.mode: 'c': unknown value. Write one of: a, b."),
    ],
)
def test_wrong_parameters(params: dict[str, str], start: str) -> None:
    (found,) = check(plain({"ip": "192.0.2.1", **params}))
    assert found.startswith(start)


def test_a_misspelt_password_does_not_show() -> None:
    agent = replace(AGENT, parameters={**AGENT.parameters, "password": AGENT.parameters["ip"]})
    (found,) = metadata.check_resource("resources.x", plain({"ip": "192.0.2.1", "pasword": "canary"}), agent, {})
    assert str(found).startswith("resources.x.params.pasword: '(hidden)': ocf:heartbeat:IPaddr2 has no such parameter.")


def test_what_is_required() -> None:
    assert check(plain({})) == [
        "resources.x.params: None: ocf:heartbeat:IPaddr2 requires the parameter ip. Add ip.",
    ]
    assert metadata.check_resource("x", plain({}), metadata.without_required(AGENT), {}) == []


def test_operations() -> None:
    assert check(plain({"ip": "1"}, operations=[{"name": "monitor"}, {"name": "special"}, {"name": "promote"}])) == []
    (found,) = check(plain({"ip": "1"}, operations=[{"name": "monitr"}]))
    assert found.endswith("has no such operation. Did you mean 'monitor'?")


def test_parameters_that_pacemaker_takes_for_every_device() -> None:
    more = {"pcmk_delay_base": metadata.Parameter("pcmk_delay_base", "time")}
    given = plain({"ip": "1", "pcmk_delay_base": "5s"})
    assert metadata.check_resource("x", given, AGENT, more) == []
    assert len(check(given)) == 1


def test_an_agent_that_says_nothing_is_not_contradicted() -> None:
    silent = metadata.Agent("systemd:cron")
    assert metadata.check_resource("x", plain({"anything": "1"}), silent, {}) == []


def test_meta_attributes_that_look_misspelt() -> None:
    (found,) = metadata.check_meta("x.meta", [{"values": {"target-rol": "Started"}}])
    assert str(found).endswith("Did you mean 'target-role'?")
    assert metadata.check_meta("x.meta", [{"values": {"target-role": "Started", "vendor:own": "1"}}]) == []


def test_properties() -> None:
    known = {"no-quorum-policy": cib.metadata.Parameter("no-quorum-policy", "select", choices=("stop", "ignore"))}

    def problems(values: dict[str, Any], present: tuple[str, ...] = ()) -> list[str]:
        return [str(item) for item in metadata.check_properties("properties", values, known, present)]

    assert problems({"no-quorum-policy": "ignore"}) == []
    assert problems({"no-quorum-policy": None}) == []
    assert problems({"own": "1"}, ("own",)) == []
    assert problems({"no-quorum-polcy": "ignore"}) == [
        "properties.no-quorum-polcy: 'ignore': the cluster has no such property. Did you mean 'no-quorum-policy'?"
    ]
    assert problems({"no-quorum-policy": "ignored"})[0].endswith("Write one of: stop, ignore.")
