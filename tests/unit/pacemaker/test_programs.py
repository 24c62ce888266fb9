# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import (
    NotRunning,
    PacemakerError,
    Programs,
    UnknownAgent,
)

CIB = """<cib validate-with="pacemaker-3.9" epoch="5" num_updates="7" admin_epoch="1"><configuration><crm_config/>
<nodes/><resources/><constraints/></configuration><status/></cib>"""
METADATA = '<resource-agent name="x"><parameters><parameter name="a"/></parameters></resource-agent>'


class Machine:
    """Answers by the name of the program, and remembers what was asked."""

    def __init__(self, **answers: Answer | Callable[[Sequence[str]], Answer]) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    def __call__(self, argv: Sequence[str]) -> Answer:
        self.asked.append(list(argv))
        answer = self.answers.get(argv[0].rpartition("/")[2].replace("-", "_"), Answer(127, "", "is not installed"))
        return answer(argv) if callable(answer) else answer


def test_query(tmp_path: Path) -> None:
    assert Programs(Machine(cibadmin=Answer(0, CIB)), str(tmp_path)).query().version == (1, 5, 7)


@pytest.mark.parametrize("answer", [Answer(102, "", "Could not connect"), Answer(127, "", "is not installed")])
def test_a_cluster_that_does_not_run(answer: Answer, tmp_path: Path) -> None:
    programs = Programs(Machine(cibadmin=answer, crm_mon=answer), str(tmp_path))
    with pytest.raises(NotRunning, match=answer.stderr):
        programs.query()
    with pytest.raises(NotRunning, match=answer.stderr):
        programs.status()


@pytest.mark.parametrize("answer", [Answer(1, "", "denied"), Answer(0, "nothing"), Answer(0, "<other/>")])
def test_no_cib_is_an_error(answer: Answer, tmp_path: Path) -> None:
    with pytest.raises(PacemakerError, match="cibadmin --query"):
        Programs(Machine(cibadmin=answer), str(tmp_path)).query()


def test_a_commit_names_the_version_it_was_made_for(tmp_path: Path) -> None:
    machine = Machine(crm_diff=Answer(1, "<diff/>"), cibadmin=Answer(0))
    document = cib.Document(CIB)
    assert Programs(machine, str(tmp_path)).commit(document, document)
    files = {path.name: path for path in tmp_path.iterdir()}
    assert cib.Document(files["before.xml"].read_text()).version == (1, 5, 7)
    assert cib.Document(files["after.xml"].read_text()).version == (1, 6, 0)
    assert files["patch.xml"].read_text() == "<diff/>"
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    # A configuration may hold secrets: it is in no argument.
    assert not any("<" in word for argv in machine.asked for word in argv)


def test_a_patch_for_another_version_is_no_error(tmp_path: Path) -> None:
    machine = Machine(crm_diff=Answer(1, "<diff/>"), cibadmin=Answer(103, "", "Update was older"))
    assert not Programs(machine, str(tmp_path)).commit(cib.Document(CIB), cib.Document(CIB))


@pytest.mark.parametrize(
    "machine",
    [Machine(crm_diff=Answer(0)), Machine(crm_diff=Answer(1, "<diff/>"), cibadmin=Answer(78, "", "invalid"))],
)
def test_a_commit_that_fails(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(PacemakerError):
        Programs(machine, str(tmp_path)).commit(cib.Document(CIB), cib.Document(CIB))


def test_verify_keeps_the_errors(tmp_path: Path) -> None:
    said = """/tmp/x/verify.xml:28: element nonsense: Relax-NG validity error : Invalid sequence in interleave
(main) \terror: CIB did not pass schema validation
(unpack_config) \twarning: Blind faith: not fencing unseen nodes
crm_verify: Errors found during check: config not valid
"""
    machine = Machine(crm_verify=Answer(78, "", said))
    assert Programs(machine, str(tmp_path)).verify(cib.Document(CIB)) == [
        "element nonsense: Relax-NG validity error : Invalid sequence in interleave",
        "CIB did not pass schema validation",
    ]
    warned = Machine(crm_verify=Answer(78, "", "crm_verify: Warnings found during check: config may not be valid"))
    assert Programs(warned, str(tmp_path)).verify(cib.Document(CIB)) == []
    silent = Machine(crm_verify=Answer(78, "", ""))
    assert Programs(silent, str(tmp_path)).verify(cib.Document(CIB)) == ["exit status 78"]
    assert Programs(Machine(crm_verify=Answer(0)), str(tmp_path)).verify(cib.Document(CIB)) == []


def test_verify_is_about_the_configuration(tmp_path: Path) -> None:
    """What runs is for the simulation; crm_verify takes a clone that goes for a resource that is active twice."""
    running = CIB.replace("<status/>", '<status><node_state id="1"/></status>')
    document = cib.Document(running)
    machine = Machine(crm_verify=Answer(0))
    Programs(machine, str(tmp_path)).verify(document)
    written = cib.Document((tmp_path / "verify.xml").read_text())
    assert list(written.root.find("status") or []) == []
    assert written.version == document.version
    assert "node_state" in document.text()


def test_an_unknown_agent_has_siblings(tmp_path: Path) -> None:
    def resource(argv: Sequence[str]) -> Answer:
        return Answer(0, "IPaddr2\nDummy\nocf class found\n") if "--list-agents" in argv else Answer(5, "", "not found")

    with pytest.raises(UnknownAgent) as error:
        Programs(Machine(crm_resource=resource), str(tmp_path)).agent("ocf:heartbeat:IPaddr3")
    assert error.value.known == ("ocf:heartbeat:IPaddr2", "ocf:heartbeat:Dummy")


def test_an_agent_is_asked_once(tmp_path: Path) -> None:
    machine = Machine(crm_resource=Answer(0, METADATA))
    programs = Programs(machine, str(tmp_path))
    assert programs.agent("x").parameters.keys() == {"a"}
    programs.agent("x")
    assert len(machine.asked) == 1


def test_options_come_from_the_tools_or_from_the_daemons(tmp_path: Path) -> None:
    new = Machine(crm_attribute=Answer(0, METADATA))
    assert Programs(new, str(tmp_path)).options("cluster").keys() == {"a"}
    old = Machine(crm_attribute=Answer(64, "", "unknown option"), pacemaker_controld=Answer(0, METADATA))
    assert Programs(old, str(tmp_path)).options("cluster").keys() == {"a"}
    with pytest.raises(PacemakerError, match="no options of the kind 'fencing'"):
        Programs(Machine(), str(tmp_path)).options("fencing")
