# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What status says of clusters that are well, broken, silent and hostile, on the screen and on the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _status as status
from ansible_collections.linuxha.firewall.plugins.module_utils._status import markup, words
from tests.unit.verify.sample import VIPS, Nodes, pair
from tests.unit.verify.test_judge import shared

from .sample import FACTS, HOSTILE, NOW, behind, dead, expectation, full, hostile, move, reports, shown


def text(cluster: dict[str, Any]) -> str:
    return "\n".join(status.screen(cluster))


def page(*clusters: dict[str, Any]) -> str:
    return status.page(status.fleet(clusters, NOW))


# --- the document


def test_a_healthy_pair() -> None:
    found = shown(full())
    (group,) = found["groups"]
    assert (found["state"], found["findings"]) == ("ok", [])
    assert (group["owner"], group["primary"], group["since"]) == ("fw1", "fw1", "2025-12-31T11:00:00Z")
    assert group["vips"] == [{"address": vip, "owners": ["fw1"]} for vip in VIPS]
    assert group["takeover"] == {"able": True, "why": ["fw2 is healthy and has the states"], "nodes": {"fw2": []}}
    first, second = found["nodes"]
    assert first["roles"] == {"edge": {"wants": "primary", "is": "active"}}
    assert second["roles"] == {"edge": {"wants": "secondary", "is": "standby"}}
    assert (first["health"], second["health"]) == ("up", "up")
    assert (first["states"]["lag"], second["states"]["lag"]) == (None, 0)
    assert found["rules"] == {"equal": True, "why": []}


def test_the_active_node_is_dead_and_the_other_has_taken_over() -> None:
    found = dead()
    (group,) = found["groups"]
    assert found["state"] == "degraded"
    assert group["owner"] == "fw2"
    assert not group["takeover"]["able"]
    assert "no answer from the node" in group["takeover"]["why"][0]
    assert found["nodes"][0]["health"] == "no answer"
    assert found["nodes"][0]["roles"]["edge"]["is"] == "unknown"
    assert found["rules"]["equal"] is None


def test_no_node_answers() -> None:
    found = status.cluster(expectation(), [], FACTS, NOW)
    assert found["state"] == "down"
    assert found["groups"][0]["takeover"]["why"] == ["no node that answers holds the addresses now"]
    assert "it was not asked" in found["nodes"][0]["reason"]
    assert text(found)
    assert page(found)


def test_two_owners() -> None:
    nodes = pair()
    nodes["fw2"]["held"] = VIPS
    found = shown(nodes)
    assert found["state"] == "down"
    assert found["groups"][0]["takeover"]["why"] == ["fw1 and fw2 hold addresses of this group at the same time"]
    assert "192.0.2.1 (held by fw1 and fw2)" in text(found)
    assert found["nodes"][1]["roles"]["edge"]["is"] == "holds 2 of 2"


def test_states_that_lag_behind() -> None:
    nodes = pair()
    nodes["fw2"]["conntrack"]["entries"] = 300
    found = shown(nodes)
    assert found["nodes"][1]["states"]["lag"] == 700
    assert not found["groups"][0]["takeover"]["able"]


def test_what_passes_by_itself_is_shown_and_is_no_trouble() -> None:
    nodes = pair()
    nodes["fw2"]["conntrack"]["entries"] = 1100
    found = shown(nodes)
    assert (found["state"], found["groups"][0]["takeover"]["able"]) == ("ok", True)
    assert [finding["severity"] for finding in found["findings"]] == ["warning"]
    nodes["fw1"]["conntrackd"]["malformed"] = 1
    assert shown(nodes)["state"] == "degraded"


def test_different_rules() -> None:
    nodes = pair()
    nodes["fw2"]["rules"]["status"]["policy"] = "bb22"
    found = shown(nodes)
    assert found["rules"]["equal"] is False
    assert "different policies" in words.rules(found)


def test_several_groups_each_with_its_own_answer() -> None:
    nodes, wanted = shared()
    nodes["fw3"]["worker"]["states"] = "resyncing"
    found = status.cluster(wanted, reports(nodes), FACTS, NOW)
    owners = {group["name"]: group["owner"] for group in found["groups"]}
    assert owners == {"left": "fw1", "right": "fw2"}
    left = found["groups"][0]["takeover"]
    assert left["nodes"]["fw2"] == []
    assert left["nodes"]["fw3"] == ["conntrackd: the standby's states are resyncing"]
    assert words.roles(found["nodes"][0], "is") == "active of left"


def test_the_journal_of_all_nodes_in_one_order() -> None:
    nodes = full()
    nodes["fw1"]["journal"] = [move("2026-01-01T11:15:00Z", cause="operator"), move("no time")]
    found = shown(nodes)["journal"]
    assert [(line["node"], line["at"][11:16]) for line in found] == [
        ("fw2", "11:30"),
        ("fw1", "11:15"),
        ("fw2", "11:00"),
    ]
    assert words.move(found[0]).endswith(
        "BACKUP to MASTER, peer_silent (no adverts), blackout about 250 ms, 1000 states, HELD"
    )


def test_the_clusters_in_trouble_come_first() -> None:
    down = status.cluster(expectation(), [], FACTS, NOW)
    found = status.fleet([shown(), dead(), down], NOW)
    assert [one["state"] for one in found["clusters"]] == ["down", "degraded", "ok"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (NOW, "2026-01-01T12:00:00Z"),
        (None, None),
        (0, None),
        (-1, None),
        (True, None),
        ("x", None),
        (1e30, None),
        (float("nan"), None),
        (2**39, None),
    ],
)
def test_times_of_nodes(seconds: Any, told: str | None) -> None:
    assert status.document.iso(seconds) == told


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ("2026-01-01T11:59:50Z", "10 s"),
        ("2026-01-01T11:58:50Z", "1 min 10 s"),
        ("2026-01-01T09:58:00Z", "2 h 2 min"),
        ("2025-12-30T10:00:00Z", "2 d 2 h"),
        # clocks differ
        ("2026-01-01T12:00:05Z", "0 s"),
        ("nonsense", ""),
        (None, ""),
    ],
)
def test_spans(since: str | None, told: str) -> None:
    assert words.span(since, "2026-01-01T12:00:00Z") == told


def say(path: str, value: Any) -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        nodes["fw2"][path] = value

    return change


FLAG = {"since": "2026-01-01T10:00:00Z", "until": None, "reason": "new disk", "by": "ann"}
DAMPING = {"moves": 5, "window_s": 600, "held": True, "since": None, "problem": None}
SYNC = {"in_step": False, "changed_at": None, "problems": [], "behind": ["/etc/resolv.conf"], "problem": None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (say("maintenance", FLAG), "fw2: IN MAINTENANCE, since 2026-01-01T10:00:00Z, by ann, new disk"),
        (say("maintenance", {**FLAG, "until": "2026-01-01T13:00:00Z"}), "until 2026-01-01T13:00:00Z, by ann"),
        (say("drained", True), "fw2: drained by hand"),
        (say("damping", DAMPING), "fw2: HELD BACK: 5 moves in 600 s"),
        (say("damping", {**DAMPING, "held": False, "level": "damped"}), "fw2: damped, 5 moves in 600 s"),
        (say("damping", {**DAMPING, "problem": "no JSON"}), "fw2: no JSON"),
        (say("sync", SYNC), "fw2: NOT in step: /etc/resolv.conf"),
        (say("sync", {**SYNC, "problem": "no JSON"}), "fw2: no JSON"),
        (say("sync", {**SYNC, "behind": [], "problems": ["fw1 is away"]}), "fw2: NOT in step: fw1 is away"),
        (say("sync", {**SYNC, "in_step": True, "behind": [], "last_run": "20:00Z"}), "fw2: in step, last run 20:00Z"),
        (say("sync", None), "fw2: not used"),
    ],
)
def test_what_other_parts_have_noted(change: Callable[[Nodes], None], told: str) -> None:
    nodes = full()
    change(nodes)
    found = shown(nodes)
    assert told in " ".join(text(found).split())
    assert told.removeprefix("fw2: ") in page(found)


# --- the screen


def many() -> dict[str, Any]:
    vips = [f"2001:db8::{number:x}" for number in range(1, 300)]
    nodes = full()
    nodes["fw1"]["held"] = vips
    wanted = expectation()
    return shown(nodes, type(wanted)(**{**vars(wanted), "vips": vips, "groups": {"edge": vips}}))


CASES = {
    "well": lambda: shown(full()),
    "dead": dead,
    "silent": lambda: status.cluster(expectation(), [], FACTS, NOW),
    "hostile": hostile,
    "hundreds": many,
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_screen_is_a_screen(name: str) -> None:
    lines = status.screen(CASES[name]())
    assert max(len(line) for line in lines) <= 100
    assert len(lines) <= (80 if name == "hostile" else 40)
    # Nothing that steers a terminal, and no colour unless it is asked for.
    assert all(line.isprintable() for line in lines)


def test_colour_adds_nothing_but_colour() -> None:
    painted = status.screen(dead(), lambda line, colour: f"<{colour}>{line}</>")
    assert any(line.startswith("<red>") for line in painted)
    bare = [line.removesuffix("</>").partition(">")[2] if line.startswith("<") else line for line in painted]
    assert bare == status.screen(dead())


def test_the_screen_in_the_guide_is_a_real_one() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "status.md"
    (shown_there,) = re.findall(r"```text\n(.*?)\n```", guide.read_text(encoding="utf-8"), re.DOTALL)
    assert shown_there == text(behind())


def test_many_addresses_are_counted() -> None:
    assert "2001:db8::8 and 291 more, on fw1" in " ".join(text(many()).split())
    assert "2001:db8::12b" in page(many())


# --- the page


class Reader(HTMLParser):
    """What a browser would make of the page: elements, attributes, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_nothing_breaks_out_of_the_page() -> None:
    source = page(hostile())
    harmless, found = Reader(page(shown(full()))), Reader(source)
    assert set(found.elements) <= set(harmless.elements) | {"strong", "ol", "li", "span"}
    assert not {"script", "img", "link", "iframe"} & set(found.elements)
    names = {name for name, _value in found.attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "style")}
    assert {value for name, value in found.attributes if name == "href"} == {"#cluster-0"}
    # All of it is there, as text.
    assert any(words.clean(HOSTILE)[:40] in data for data in found.words)
    assert "\x1b" not in source
    assert "\u202e" not in source


def test_the_control_of_the_test_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "text", markup.Markup)
    assert "script" in Reader(page(hostile())).elements


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_page_is_well_formed_and_needs_nothing_else(name: str) -> None:
    source = page(CASES[name]())
    root = ET.fromstring(source.removeprefix("<!DOCTYPE html>\n"))
    assert len(list(root.iter("svg"))) == 1
    assert "http" not in source.replace("http-equiv", "")
    assert root.find("head/meta[@http-equiv='Content-Security-Policy']") is not None
    identities = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(set(identities)) == len(identities)


def test_the_drawing_is_told_to_those_who_do_not_see_it() -> None:
    root = ET.fromstring(page(dead()).removeprefix("<!DOCTYPE html>\n"))
    (svg,) = root.iter("svg")
    told = {one.get("id"): one.text for one in svg if one.tag in ("title", "desc")}
    assert [told[name] for name in svg.get("aria-labelledby", "").split()] == [
        "Cluster edge",
        "fw1 is unknown, no answer; fw2 is active, up. "
        "Networks: wan with 1 virtual address, lan with 1 virtual address.",
    ]
