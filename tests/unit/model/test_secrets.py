# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Passwords of fence devices are in no fact and no message; the filter with_secrets puts them where they belong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.filter.with_secrets import FilterModule
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.text import HIDDEN
from ansible_collections.linuxha.firewall.plugins.module_utils._model import view_cib

CANARY = "canary4711"
Changed = Callable[..., model.Loaded]
with_secrets = FilterModule().filters()["with_secrets"]


def fencing(**parameters: Any) -> dict[str, Any]:
    given = {"ip": "203.0.113.10", **parameters}
    return {
        "devices": [
            {"name": f"power-{node}", "agent": "fence_ipmilan", "nodes": [node], "parameters": given}
            for node in ("fw1", "fw2")
        ],
        "priority_delay_s": 5,
    }


def load(changed: Changed, choice: dict[str, Any], **more: Any) -> model.Loaded:
    return changed({"cluster.topology": "pacemaker", "cluster.pacemaker": {"fencing": choice}, **more})


@pytest.mark.parametrize("name", ["password", "passwd", "snmp_priv_passwd", "secret_key", "community", "pasword"])
@pytest.mark.parametrize("value", [CANARY, 471100112233])
def test_the_plan_has_no_password_and_the_role_has_it(changed: Changed, name: str, value: object) -> None:
    choice = fencing(**{name: value}, password_script="/etc/pacemaker/script", lanplus=1)
    (cluster,) = load(changed, choice).clusters
    variables = model.views.role_variables(cluster, cluster.nodes[0])
    assert str(value) not in json.dumps(variables)
    assert str(value) not in json.dumps(model.views.plan(cluster, cluster.nodes[0]))

    whole = with_secrets(variables["pacemaker_cib"], {"pacemaker": {"fencing": choice}})

    # Of a script only the path is known; it is hidden as well, and comes back as well.
    assert whole == json.loads(json.dumps(view_cib.configuration(cluster)))
    devices = [item for item in whole["resources"] if item["id"].startswith("power-")]
    assert [item["params"][name] for item in devices] == [value, value]
    assert [item["params"]["password_script"] for item in devices] == ["/etc/pacemaker/script"] * 2


def test_a_configuration_of_the_users_own_is_treated_alike(changed: Changed) -> None:
    own = {
        "resources": [
            {"id": "x", "agent": "stonith:fence_x", "params": {"password": CANARY, "delay": 3}},
            {"id": "y", "agent": "ocf:x:y", "params": {"token": "1s", "api_key": CANARY}},
        ],
        "properties": {"no-quorum-policy": "stop"},
    }
    given = {"role_variables": {"pacemaker_cib": own}}
    (cluster,) = load(changed, fencing(), **{"cluster.role_variables": given["role_variables"]}).clusters
    variables = model.views.role_variables(cluster, cluster.nodes[0])
    assert variables["pacemaker_cib"]["resources"][0]["params"] == {"password": HIDDEN, "delay": HIDDEN}
    assert variables["pacemaker_cib"]["resources"][1]["params"] == {"token": "1s", "api_key": HIDDEN}
    assert with_secrets(variables["pacemaker_cib"], given) == own


def test_without_the_inventory_what_is_hidden_stays_so(changed: Changed) -> None:
    """The module cib refuses it then: nobody gets a device with a wrong password."""
    (cluster,) = load(changed, fencing(password=CANARY)).clusters
    variables = model.views.role_variables(cluster, cluster.nodes[0])
    devices = [item for item in with_secrets(variables["pacemaker_cib"], {})["resources"] if "power" in item["id"]]
    assert [item["params"]["password"] for item in devices] == [HIDDEN, HIDDEN]


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param({**fencing(password=CANARY), "none": "and yet devices"}, id="two choices"),
        pytest.param({"devices": [{**fencing()["devices"][0], "password": CANARY}]}, id="beside the parameters"),
        pytest.param({"password": CANARY, **fencing()}, id="beside the devices"),
        pytest.param({"devices": {"name": "power", "parameters": {"password": CANARY}}}, id="no list"),
        pytest.param({"devices": [{**fencing()["devices"][0], "parameters": [{"password": CANARY}]}]}, id="no mapping"),
        pytest.param({"devices": [{**fencing()["devices"][0], "pasword": CANARY}]}, id="misspelt"),
        pytest.param({"devices": [{**fencing()["devices"][0], "parameters": f"password={CANARY}"}]}, id="a text"),
        pytest.param({"devices": [f"fence_ipmilan password={CANARY}"]}, id="a text for a device"),
        pytest.param({**fencing(pasword=CANARY), "none": "and yet devices"}, id="misspelt, two choices"),
        pytest.param({"pasword": CANARY, **fencing()}, id="misspelt beside the devices"),
        pytest.param(f"password={CANARY}", id="a text for all"),
    ],
)
def test_a_mistake_does_not_tell_a_password(changed: Changed, choice: dict[str, Any]) -> None:
    problems = load(changed, choice).problems
    assert [item for item in problems if item.severity == "error"]
    assert CANARY not in "".join(map(str, problems))


def test_what_is_no_password_is_told(changed: Changed) -> None:
    """A name that is wrong has to be seen."""
    device = {**fencing()["devices"][0], "nodes": ["fw9"], "delay_s": -3}
    text = "".join(map(str, load(changed, {"devices": [device]}).problems))
    assert "fw9" in text
    assert "-3" in text
