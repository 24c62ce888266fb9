# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a user wants, checked word by word. Every mistake is found at once; none raises."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Optional
from xml.etree import ElementTree as ET

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

from . import rules
from .document import canonical
from .objects import Plain
from .shapes import DEFAULTS, RULE, SECTIONS, WORDS, Section, Shape
from .state import State, key_of
from .text import HIDDEN
from .values import milliseconds, role, scalar, score

# An id is an NCName (XML): it starts with a letter, and has no blanks and no colons.
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_AGENT = re.compile(r"(ocf:[\w.-]+|systemd|lsb|service|stonith|nagios|upstart):[\w.@:/-]+")
_TIMES = ("interval", "timeout", "start_delay")


def meant(word: object, known: Iterable[str]) -> Optional[str]:
    """What an unknown word probably stands for."""
    near = difflib.get_close_matches(str(word), sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def nearest(word: object, known: Iterable[str]) -> str:
    """A remedy for an unknown word."""
    words = sorted(known)
    near = meant(word, words)
    if near:
        return f"Did you mean {near!r}?"
    return f"Known: {', '.join(words)}." if words else "Remove it."


class Checker:
    """Reads what a user wants and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def say(self, path: str, value: object, reason: str, remedy: str) -> None:
        """One more mistake."""
        self.problems.append(Problem(path, value, reason, remedy))

    # ---- the whole

    def state(self, raw: Mapping[str, Any]) -> State:
        """All sections."""
        state = State()
        for word, value in raw.items():
            if word not in WORDS:
                self.say(str(word), value, "unknown key", nearest(word, WORDS))
            elif value is not None and word in DEFAULTS:
                state.defaults[word] = self.sets(value, word, partly=True)
            elif value is not None:
                self._section(state, word, value)
        return state

    def absent(self, raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Objects and values that shall not be there, as pairs of section and key."""
        words = [word for word in WORDS if word != "nodes"]
        found: list[tuple[str, str]] = []
        for word, value in raw.items():
            path = f"absent.{word}"
            if word not in words:
                self.say(path, value, "cannot be deleted" if word == "nodes" else "unknown key", nearest(word, words))
                continue
            for number, key in self._list(value, path):
                if isinstance(key, str) and key:
                    found.append((word, key))
                else:
                    self.say(f"{path}[{number}]", key, "is no id or name", "Write text.")
        return tuple(found)

    def _section(self, state: State, word: str, value: object) -> None:
        if not isinstance(value, (list, tuple)):
            self.say(word, value, "is not a list", "Write a list of objects.")
            return
        for number, item in enumerate(value):
            path = f"{word}[{number}]"
            plain = self.one(SECTIONS[word], item, path)
            if plain is None:
                continue
            key = key_of(SECTIONS[word], plain)
            if key in state.objects[word]:
                self.say(path, key, "stands here twice", "Keep one of them.")
            state.objects[word][key] = plain

    def one(self, section: Section, raw: object, path: str) -> Optional[Plain]:
        """One object of a section."""
        if not isinstance(raw, Mapping):
            self.say(path, raw, "is not a mapping", "Write it as key: value pairs.")
            return None
        given = {str(key): value for key, value in raw.items() if value is not None}
        if given.get("id"):
            path = f"{path}({given['id']})"
        kind = self._kind(section, given, path)
        if kind is None:
            return None
        plain: Plain = {}
        if len(section.kinds) > 1:
            plain["type"] = kind
        if section.tag == "constraints" and not given.get("id") and "xml" not in given:
            given["id"] = constraint_id(kind, given)
        if "id" in section.key:
            plain["id"] = self._id(given, path)
        more = {"id", "type"}
        if "xml" in given:
            return {**plain, "xml": self._xml(given["xml"], f"{path}.xml")}
        shape = section.kinds[kind]
        if section.tag == "resources":
            more |= self._resource(kind, given, path, plain)
        plain.update(self.plain(shape, given, path, more))
        if section.tag == "constraints":
            self._constraint(kind, plain, path)
        if section.tag == "fencing-topology" and isinstance(given.get("devices"), (list, tuple)):
            plain["devices"] = ",".join(str(item) for item in given["devices"])
        return plain

    def _kind(self, section: Section, given: Mapping[str, Any], path: str) -> Optional[str]:
        kinds = (*section.kinds, "bundle", "master") if section.tag == "resources" else tuple(section.kinds)
        kind = given.get("type", "primitive" if section.tag == "resources" else section.default)
        if kind is None:
            self.say(path, None, "type is missing", f"One of: {', '.join(kinds)}.")
            return None
        if kind not in kinds:
            self.say(f"{path}.type", kind, "unknown type", nearest(kind, kinds))
            return None
        if kind not in section.kinds and "xml" not in given:
            self.say(path, kind, f"a {kind} has no words here", "Write its element as `xml`.")
            return None
        return str(kind)

    def _id(self, given: Mapping[str, Any], path: str) -> str:
        found = given.get("id")
        if found is None:
            self.say(path, None, "id is missing", "Give it an id that nothing else has.")
        elif not isinstance(found, str) or not _ID.fullmatch(found):
            self.say(f"{path}.id", found, "is no id", "Use letters, digits and _ . -, a letter or _ first.")
        return str(found or "")

    def _xml(self, value: object, path: str) -> str:
        try:
            return canonical(ET.fromstring(str(value)))
        except ET.ParseError as problem:
            self.say(path, value, f"is no XML: {problem}", "Write one element.")
            return ""

    # ---- one object

    def plain(self, shape: Shape, given: Mapping[str, Any], path: str, more: Iterable[str] = ()) -> Plain:
        """An object by its shape."""
        found: Plain = {}
        for word, value in given.items():
            if value is None or word in more:
                continue
            at = f"{path}.{word}"
            if word in shape.words:
                if not (word == "devices" and isinstance(value, (list, tuple))):
                    found[word] = self._word(shape, word, value, at)
            elif word in shape.sets:
                # Null takes something back that stays otherwise: node attributes, and what an operator has set.
                found[word] = self.sets(value, at, partly=shape.tag == "node" or word == "meta")
            elif word in shape.refs:
                found[word] = self._ids(value, at)
            elif word in shape.children:
                found[word] = [self._child(shape, word, item, f"{at}[{n}]") for n, item in self._list(value, at)]
            elif word == shape.rules:
                found[word] = [self._rule(item, f"{at}[{n}]") for n, item in self._list(value, at)]
            else:
                self.say(at, value, "unknown key", nearest(word, [*shape.known, *more]))
        for word in shape.required:
            if word not in given:
                self.say(path, None, f"{word} is missing", "Add it.")
        return found

    def _child(self, shape: Shape, word: str, raw: object, path: str) -> Plain:
        inner = shape.children[word].shape
        if not isinstance(raw, Mapping):
            self.say(path, raw, "is not a mapping", "Write it as key: value pairs.")
            return {}
        given = dict(raw)
        if inner.tag == "op":
            given.setdefault("interval", "0s")
        return self.plain(inner, given, path, ("id",))

    def _word(self, shape: Shape, word: str, value: object, path: str) -> str:
        if isinstance(value, (Mapping, list, tuple)):
            self.say(path, value, "is not one value", "Write text or a number.")
            return ""
        text = scalar(value)
        if word in shape.choices and text not in shape.choices[word]:
            self.say(path, value, "unknown value", nearest(text, shape.choices[word]))
        if word == "score" and score(text) is None:
            self.say(path, value, "is no score", "Write a whole number, INFINITY or -INFINITY.")
        if word in _TIMES and milliseconds(text) is None:
            self.say(path, value, "is no time", "Write a number and a unit, such as 20s or 500ms.")
        return role(text) if word.endswith("role") else text

    def _list(self, value: object, path: str) -> Iterable[tuple[int, Any]]:
        if isinstance(value, (list, tuple)):
            return enumerate(value)
        self.say(path, value, "is not a list", "Write a list.")
        return ()

    def _ids(self, value: object, path: str) -> list[str]:
        items = [value] if isinstance(value, str) else [item for _n, item in self._list(value, path)]
        if not items:
            self.say(path, value, "is empty", "Name at least one.")
        return [str(item) for item in items]

    def _rule(self, raw: object, path: str) -> Plain:
        if not isinstance(raw, Mapping):
            self.say(path, raw, "is not a mapping", "Write rule: and score:.")
            return {}
        found = self.plain(RULE, raw, path, ("rule", "id"))
        if "score" not in found and "score_attribute" not in found:
            self.say(path, None, "score is missing", "Add it, such as -INFINITY to forbid.")
        return {"rule": self._expression(raw.get("rule"), f"{path}.rule"), **found}

    def _expression(self, value: object, path: str) -> str:
        reason = rules.problem(value)
        if reason is None:
            return rules.canonical(str(value))
        self.say(path, value, f"is no rule: {reason}", "Write such as: not_defined pingd or pingd lte number 0.")
        return ""

    # ---- sets of names and values

    def sets(self, value: object, path: str, partly: bool = False) -> list[Plain]:
        """Sets of names and values: one as a mapping, or several as a list of values, score and rule."""
        if isinstance(value, Mapping):
            return [{"values": self._values(value, path, partly)}]
        found = []
        for number, item in self._list(value, path):
            at = f"{path}[{number}]"
            if not isinstance(item, Mapping) or not isinstance(item.get("values"), Mapping):
                self.say(at, item, "has no values", "Write values: and, where it depends on something, rule:.")
                continue
            one: Plain = {"values": self._values(item["values"], f"{at}.values", partly)}
            for word in item:
                if word not in ("values", "score", "rule", "id"):
                    self.say(f"{at}.{word}", item[word], "unknown key", nearest(word, ("values", "score", "rule")))
            if item.get("score") is not None:
                one["score"] = scalar(item["score"])
                if score(one["score"]) is None:
                    self.say(f"{at}.score", item["score"], "is no score", "Write a whole number.")
            if item.get("rule") is not None:
                one["rule"] = self._expression(item["rule"], f"{at}.rule")
            found.append(one)
        return found

    def _values(self, raw: Mapping[Any, Any], path: str, partly: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in raw.items():
            if value is None:
                if partly:
                    found[str(name)] = None
            elif isinstance(value, (Mapping, list, tuple)):
                self.say(f"{path}.{name}", value, "is not one value", "Write text or a number.")
            elif value == HIDDEN:
                self.say(f"{path}.{name}", value, "stands for a secret", "Write the secret, or export with secrets.")
            else:
                found[str(name)] = scalar(value)
        return found

    # ---- resources and constraints

    def _resource(self, kind: str, given: Mapping[str, Any], path: str, plain: Plain) -> set[str]:
        words = {"members"} if kind in ("group", "clone") else {"agent"}
        agent = given.get("agent")
        if kind == "primitive" and bool(agent) == bool(given.get("template")):
            self.say(path, agent, "a primitive has either an agent or a template", "Write agent: class:provider:type.")
        if "agent" in words and agent is not None:
            if not isinstance(agent, str) or not _AGENT.fullmatch(agent):
                self.say(f"{path}.agent", agent, "is no agent", "Write such as ocf:heartbeat:IPaddr2 or systemd:cron.")
            plain["agent"] = str(agent)
        if "members" in words and "members" in given:
            plain["members"] = self._ids(given["members"], f"{path}.members")
            if kind == "clone" and len(plain["members"]) != 1:
                self.say(f"{path}.members", given["members"], "a clone has one member", "Name a primitive or a group.")
        return words

    def _constraint(self, kind: str, plain: Plain, path: str) -> None:
        article = "an" if kind == "order" else "a"

        def need(fine: bool, what: str) -> None:
            if not fine:
                self.say(path, None, f"{article} {kind} constraint needs {what}", "Add what is missing.")

        sets = bool(plain.get("sets"))
        if kind == "location":
            need(sum((bool(plain.get("resource")), bool(plain.get("pattern")), sets)) == 1, "resource, pattern or sets")
            need(bool(plain.get("rules")) != bool(plain.get("node") and plain.get("score")), "node and score, or rules")
        elif kind == "colocation":
            need(sets != bool(plain.get("resource") and plain.get("with")), "resource and with, or sets")
        elif kind == "order":
            need(sets != bool(plain.get("first") and plain.get("then")), "first and then, or sets")
        else:
            need(sets != bool(plain.get("resource")), "resource or sets")


def constraint_id(kind: str, given: Mapping[str, Any]) -> str:
    """The id of a constraint that has none of its own."""
    words = {
        "location": ("resource", "pattern", "node"),
        "colocation": ("resource", "role", "with", "with_role"),
        "order": ("first_action", "first", "then_action", "then"),
        "ticket": ("ticket", "resource"),
    }[kind]
    parts = [str(given[word]) for word in words if given.get(word)]
    for item in given.get("sets") or ():
        if isinstance(item, Mapping):
            parts += [str(name) for name in item.get("resources") or ()]
    return re.sub(r"[^A-Za-z0-9_.-]", "-", "-".join([kind, *parts]))
