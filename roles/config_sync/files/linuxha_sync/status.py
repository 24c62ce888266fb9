# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What an operator sees: status.json changes only when something else is true, last.json (in memory) with each run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping

from . import decide
from .decide import Decision
from .fetch import Answer
from .layout import Layout, as_bytes, read_json, replace_file
from .manifest import Version
from .store import Store, instant

IN_STEP, WAITING, REFUSED, CONFLICT, FAILED = "in_step", "waiting", "refused", "conflict", "failed"


@dataclass
class Report:
    """Gathered in a run."""

    files: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    problems: List[str] = field(default_factory=list)

    def file(self, path: str, state: str, reason: str = "", version: Any = None, source: str = "") -> None:
        sha256 = version.sha256 if isinstance(version, Version) else ""
        self.files[path] = {"state": state, "reason": reason, "sha256": sha256, "from": source}


def peers(answers: Mapping[str, Answer], own: Mapping[str, Version]) -> Dict[str, Any]:
    found = {}
    for name, answer in answers.items():
        late = decide.behind(own, answer.files) if answer.usable else []
        found[name] = {"reached": answer.reached, "problem": answer.problem or None, "behind": len(late)}
    return found


def document(
    node: str, report: Report, answers: Mapping[str, Answer], own: Mapping[str, Version], actions: Mapping[str, Any]
) -> Dict[str, Any]:
    """The status without its time."""
    failed = [name for name, action in actions.items() if not action["ok"]]
    return {
        "node": node,
        "in_step": not report.problems
        and not failed
        and all(answer.usable for answer in answers.values())
        and all(item["state"] == IN_STEP for item in report.files.values()),
        "peers": peers(answers, own),
        "files": dict(sorted(report.files.items())),
        "problems": sorted(set(report.problems)),
        "actions": dict(actions),
    }


def write(store: Store, content: Dict[str, Any], now_ns: int) -> None:
    before = read_json(store.layout.state / "status.json")
    changed = before.pop("changed_at", None)
    if before == json.loads(json.dumps(content)) and changed:
        return
    replace_file(
        store.layout.state / "status.json", as_bytes({**content, "changed_at": instant(now_ns)}), store.step, 0o644
    )


def write_last(layout: Layout, content: Dict[str, Any]) -> None:
    """In memory; also when the disk is full."""
    draft = layout.run / ".last.json.new"
    draft.write_bytes(as_bytes(content))
    draft.chmod(0o644)
    draft.replace(layout.run / "last.json")


def clocks(answers: Mapping[str, Answer], before: Mapping[str, Any], now_ns: int) -> Dict[str, Any]:
    """Of each peer when it was seen last and how its clock was then."""
    seen: Dict[str, Any] = {}
    for name, answer in answers.items():
        if answer.reached and answer.clock is not None:
            seen[name] = {
                "seen": instant(now_ns),
                "address": answer.address,
                "skew_s": answer.clock.skew_s,
                "uncertainty_s": answer.clock.uncertainty_s,
            }
        elif isinstance(before.get(name), dict):
            seen[name] = before[name]
    return seen


def merged(layout: Layout) -> Dict[str, Any]:
    """Both files as one answer. A run that could not write its status says so here."""
    content = read_json(layout.state / "status.json")
    last = read_json(layout.run / "last.json")
    seen = last.pop("peers", {})
    known = content.setdefault("peers", {})
    for name, item in seen.items():
        known.setdefault(name, {}).update(item)
    for item in known.values():
        for key in ("seen", "address", "skew_s", "uncertainty_s"):
            item.setdefault(key, None)
    if last.get("error"):
        content["in_step"] = False
        content["problems"] = [*content.get("problems", []), str(last["error"])]
    content.setdefault("in_step", False)
    content.update(last)
    return content


def lines(content: Mapping[str, Any]) -> List[str]:
    """For the terminal: what is not as it should be, and the peers."""
    out = [f"{content.get('node', '?')}: {'in step' if content.get('in_step') else 'NOT in step'}"]
    out.append(f"last run: {content.get('last_run') or 'never'}")
    for name, peer in sorted(content.get("peers", {}).items()):
        state = "reached" if peer.get("reached") else "not reached"
        skew = "" if peer.get("skew_s") is None else f", clock {peer['skew_s']:+.3f} s"
        out.append(f"peer {name}: {state}{skew}" + (f", {peer['problem']}" if peer.get("problem") else ""))
    for path, item in sorted(content.get("files", {}).items()):
        if item["state"] != IN_STEP:
            out.append(f"{item['state']}: {path}: {item['reason']}")
    out += [f"action {name}: {item['reason']}" for name, item in content.get("actions", {}).items() if not item["ok"]]
    return out + [f"problem: {text}" for text in content.get("problems", [])]


def of_decision(decision: Decision) -> str:
    return CONFLICT if decision.state == decide.CONFLICT else IN_STEP
