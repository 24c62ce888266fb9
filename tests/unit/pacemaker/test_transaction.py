# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""When a change is written, when it is decided again, and when it is refused. The programs are stand-ins here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.effects import Effect
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import transaction
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import (
    PacemakerError,
    Programs,
    UnknownAgent,
)

EMPTY = """<cib validate-with="pacemaker-3.9" epoch="5" num_updates="7" admin_epoch="0"><configuration><crm_config/>
<nodes><node id="1" uname="fw1"/></nodes><resources/><constraints/></configuration><status/></cib>"""
DUMMY = {"resources": [{"id": "a", "agent": "ocf:heartbeat:Dummy"}]}
AGENT = cib.metadata.Agent("ocf:heartbeat:Dummy", {"state": cib.metadata.Parameter("state")}, ("monitor",))


def wish(raw: dict[str, Any], **more: Any) -> Callable[[cib.Document], cib.Wish]:
    checker = cib.Checker()
    state = checker.state(raw)
    assert checker.problems == []
    return lambda _current: cib.Wish(state, **more)


class Cluster:
    """A cluster that keeps a CIB and answers as it is told."""

    def __init__(self) -> None:
        self.document = cib.Document(EMPTY)
        self.rivals: list[dict[str, Any]] = []  # what others write, each just before a commit
        self.errors: list[str] = []
        self.effects: list[Effect] = []
        self.calls: list[str] = []

    def query(self) -> cib.Document:
        self.calls.append("query")
        return self.document.copy()

    def verify(self, document: cib.Document) -> list[str]:
        self.calls.append("verify")
        return [text for text in self.errors if text in document.text()]

    def simulate(self, document: cib.Document) -> list[Effect]:
        self.calls.append("simulate")
        return self.effects if 'id="a"' in document.text() else []

    def commit(self, before: cib.Document, after: cib.Document) -> bool:
        self.calls.append("commit")
        if self.rivals:
            self.document = cib.plan(self.document, wish(self.rivals.pop(0))(self.document)).document
        if before.text() != self.document.text():
            return False
        self.document = after
        return True

    def agent(self, name: str) -> cib.metadata.Agent:
        if name != AGENT.name:
            raise UnknownAgent(name, [AGENT.name])
        return AGENT

    def options(self, kind: str) -> dict[str, cib.metadata.Parameter]:
        return {"no-quorum-policy": cib.metadata.Parameter("no-quorum-policy")}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def apply(cluster: Cluster, decide: Callable[[cib.Document], cib.Wish], **terms: Any) -> transaction.Outcome:
    now = iter(range(10_000))
    return transaction.apply(
        cast(Programs, cluster), decide, transaction.Terms(**terms), lambda: next(now), lambda _seconds: None
    )


def test_a_change_is_verified_and_simulated_before_it_is_written(cluster: Cluster) -> None:
    outcome = apply(cluster, wish(DUMMY))
    assert outcome.committed
    assert cluster.calls == ["query", "verify", "simulate", "query", "commit"]


def test_what_would_happen_anyway_is_asked_only_where_something_would_happen(cluster: Cluster) -> None:
    cluster.effects = [Effect("restart", "b", "fw1")]
    assert apply(cluster, wish(DUMMY), allow=("restart",)).committed
    assert cluster.calls == ["query", "verify", "simulate", "simulate", "query", "commit"]


def test_no_change_is_one_question(cluster: Cluster) -> None:
    apply(cluster, wish(DUMMY))
    cluster.calls.clear()
    assert not apply(cluster, wish(DUMMY)).committed
    assert cluster.calls == ["query"]


def test_check_mode_does_everything_but_write(cluster: Cluster) -> None:
    outcome = apply(cluster, wish(DUMMY), check_mode=True)
    assert (outcome.committed, bool(outcome.plan.changes)) == (False, True)
    assert "commit" not in cluster.calls
    assert "simulate" in cluster.calls


def test_what_others_write_meanwhile_is_not_lost(cluster: Cluster) -> None:
    cluster.rivals = [{"resources": [{"id": f"r{n}", "agent": "ocf:heartbeat:Dummy"}]} for n in range(3)]
    outcome = apply(cluster, wish(DUMMY))
    assert outcome.committed
    assert cib.state.read(cluster.document).objects["resources"].keys() == {"a", "r0", "r1", "r2"}
    # Whatever is written has been verified together with what the others wrote.
    assert cluster.calls.count("verify") == 4


def test_others_that_do_the_same_leave_nothing_to_do(cluster: Cluster) -> None:
    cluster.rivals = [DUMMY]
    outcome = apply(cluster, wish(DUMMY))
    assert not outcome.committed
    assert outcome.plan.changes == ()


def test_patience_ends(cluster: Cluster) -> None:
    cluster.rivals = [{"tags": [], "resources": [{"id": f"r{n}", "agent": "ocf:heartbeat:Dummy"}]} for n in range(200)]
    with pytest.raises(PacemakerError, match="others changed the CIB"):
        apply(cluster, wish(DUMMY))


def test_patience_ends_also_when_others_are_faster_than_the_verification(cluster: Cluster) -> None:
    """Then it never comes to a commit: nobody may wait for ever for that."""
    verify = cluster.verify

    def outrun(document: cib.Document) -> list[str]:
        number = len(cluster.calls)
        rival = {"resources": [{"id": f"r{number}", "agent": "ocf:heartbeat:Dummy"}]}
        cluster.document = cib.plan(cluster.document, wish(rival)(cluster.document)).document
        return verify(document)

    cluster.verify = outrun  # type: ignore[method-assign]
    with pytest.raises(PacemakerError, match="others changed the CIB"):
        apply(cluster, wish(DUMMY))
    assert "commit" not in cluster.calls


def test_a_slow_verification_alone_is_no_lack_of_patience(cluster: Cluster) -> None:
    now = iter(range(0, 10_000, 1000))
    outcome = transaction.apply(
        cast(Programs, cluster), wish(DUMMY), transaction.Terms(), lambda: next(now), lambda _seconds: None
    )
    assert outcome.committed


def test_what_disrupts_has_to_be_allowed(cluster: Cluster) -> None:
    cluster.effects = [Effect("restart", "b", "fw1")]
    outcome = apply(cluster, wish(DUMMY))
    assert (outcome.committed, outcome.fine, list(outcome.refused)) == (False, False, cluster.effects)
    assert "commit" not in cluster.calls
    allowed = apply(cluster, wish(DUMMY), allow=("restart:b",))
    assert allowed.committed
    assert list(allowed.effects) == cluster.effects


def test_pacemakers_own_verdict_counts(cluster: Cluster) -> None:
    cluster.errors = ['id="a"']
    outcome = apply(cluster, wish(DUMMY))
    assert [str(problem) for problem in outcome.problems] == [
        'cib: None: Pacemaker refuses it: id="a". Correct what it names.'
    ]
    assert "commit" not in cluster.calls


def test_errors_that_were_there_before_do_not_stop_a_change(cluster: Cluster) -> None:
    cluster.errors = ['uname="fw1"']
    assert apply(cluster, wish(DUMMY)).committed


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        (
            {"resources": [{"id": "a", "agent": "ocf:heartbeat:Dumy"}]},
            "resources.a.agent: 'ocf:heartbeat:Dumy': no such agent: ocf:heartbeat:Dumy. "
            "Did you mean 'ocf:heartbeat:Dummy'?",
        ),
        (
            {"resources": [{"id": "a", "agent": "ocf:heartbeat:Dummy", "params": {"sate": 1}}]},
            "resources.a.params.sate: '1': ocf:heartbeat:Dummy has no such parameter. Did you mean 'state'?",
        ),
        (
            {"resources": [{"id": "a", "agent": "ocf:heartbeat:Dummy", "meta": {"is-manged": False}}]},
            "resources.a.meta.is-manged: 'false': unknown meta attribute. Did you mean 'is-managed'?",
        ),
        (
            {"properties": {"no-quorum-polcy": "ignore"}},
            "properties.no-quorum-polcy: 'ignore': the cluster has no such property. Did you mean 'no-quorum-policy'?",
        ),
        (
            {"resource_defaults": {"resource-stickines": 1}},
            "resource_defaults.resource-stickines: '1': unknown meta attribute. Did you mean 'resource-stickiness'?",
        ),
    ],
)
def test_names_are_compared_with_the_metadata(cluster: Cluster, raw: dict[str, Any], mistake: str) -> None:
    outcome = apply(cluster, wish(raw))
    assert [str(problem) for problem in outcome.problems] == [mistake]
    assert "commit" not in cluster.calls
    assert apply(cluster, wish(raw), names=False).committed


def test_a_resource_from_a_template_has_its_agent(cluster: Cluster) -> None:
    raw = {
        "resources": [
            {"id": "t", "type": "template", "agent": "ocf:heartbeat:Dummy"},
            {"id": "a", "template": "t", "params": {"sate": 1}},
        ]
    }
    (problem,) = apply(cluster, wish(raw)).problems
    assert str(problem).startswith("resources.a.params.sate")
