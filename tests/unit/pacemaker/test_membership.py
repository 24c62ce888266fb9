# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""cluster_forget: which node a cluster may forget."""

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import membership

CIB = """<cib validate-with="pacemaker-3.9" epoch="5" num_updates="7" admin_epoch="0"><configuration><crm_config/>
<nodes><node id="1" uname="fw1"/><node id="3" uname="fw3"/></nodes><resources/><constraints>
<rsc_location id="cli-ban-vips-on-fw3" rsc="vips" node="fw3" score="-INFINITY"/>
<rsc_location id="other" rsc="vips" node="fw1" score="1"/></constraints></configuration>
<status><node_state id="4" uname="fw4"/></status></cib>"""
STATUS = """<pacemaker-result><summary><current_dc present="true" name="fw1" with_quorum="true"/>
<cluster_options maintenance-mode="false"/></summary>
<nodes><node name="fw3" id="3" online="{online}" standby="false" maintenance="false" pending="false" unclean="{unclean}"
 is_dc="false"/></nodes><resources/><status code="0" message="OK"/></pacemaker-result>"""


@pytest.mark.parametrize(
    ("online", "unclean", "listed", "words"),
    [
        ("false", "false", "fw1", ""),
        ("true", "false", "fw1", "is online"),
        ("false", "true", "fw1", "waits to be fenced"),
        ("false", "false", "fw3", "corosync still lists fw3"),
    ],
)
def test_refusal(online: str, unclean: str, listed: str, words: str) -> None:
    status = cib.ready.read(STATUS.format(online=online, unclean=unclean))
    said = membership.refusal("fw3", status, {"nodelist.node.0.name": listed, "totem.cluster_name": "fw3"})
    assert bool(said) == bool(words)
    assert words in said


def test_knows() -> None:
    document = cib.Document(CIB)
    assert [name for name in ("fw1", "fw2", "fw3", "fw4") if membership.knows(document, name)] == ["fw1", "fw3", "fw4"]


def test_naming() -> None:
    document = cib.Document(CIB)
    assert membership.naming(document, "fw3") == ["cli-ban-vips-on-fw3"]
    assert membership.naming(document, "fw2") == []
