# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A configuration as lines that people read and that diffs compare. Secrets do not show."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Optional
from xml.etree import ElementTree as ET

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

from .document import canonical
from .shapes import SECTIONS, Shape
from .state import State

# The community of SNMP 1 and 2 is a password.
_SECRET = re.compile(
    r"passw|passphrase|secret|credential|(^|[_-])(private|auth|api)?[_-]?key$|token$|^community$", re.IGNORECASE
)
HIDDEN = "(hidden)"
_NAMES = {"nodes": "node", "fencing": "fencing level", "tags": "tag", "alerts": "alert"}


def is_secret(name: str, secrets: Collection[str] = ()) -> bool:
    """Whether a parameter of this name holds a secret; the word token alone is corosync's timeout, not one."""
    return name in secrets or (bool(_SECRET.search(name)) and name != "token")


def problem(found: Problem, secrets: Collection[str] = ()) -> str:
    """A mistake in one line; a value that is a secret does not show."""
    return str(replace(found, value=shown(found.path, found.value, secrets)))


def shown(path: str, value: object, secrets: Collection[str] = ()) -> object:
    """What stands at a path, as a message may say it."""
    name = path.rpartition(".")[2]
    return HIDDEN if value is not None and is_secret(name, secrets) else hide(value, name, secrets)


def secret_values(state: State, secrets: Collection[str] = ()) -> set[str]:
    """Every value that must not show."""
    found: set[str] = set()

    def collect(plain: object) -> None:
        if isinstance(plain, Mapping):
            for name, value in plain.items():
                if name == "xml":
                    found.update(pair.get("value", "") for pair in _secret_pairs(ET.fromstring(value), secrets))
                elif isinstance(value, str) and is_secret(str(name), secrets):
                    found.add(value)
                else:
                    collect(value)
        elif isinstance(plain, (list, tuple)):
            for item in plain:
                collect(item)

    collect([plain for _section, _key, plain in state])
    collect(list(state.defaults.values()))
    return found


def mask_xml(source: str, secrets: Collection[str] = ()) -> str:
    """The same XML with the value of every secret replaced; what is no XML does not show at all."""
    try:
        element = ET.fromstring(source)
    except ET.ParseError:
        return HIDDEN
    for pair in _secret_pairs(element, secrets):
        pair.set("value", HIDDEN)
    return canonical(element)


def _secret_pairs(element: ET.Element, secrets: Collection[str]) -> list[ET.Element]:
    return [pair for pair in element.iter("nvpair") if pair.get("value") and is_secret(pair.get("name", ""), secrets)]


def hide(value: Any, name: str = "", secrets: Collection[str] = ()) -> Any:
    """The same plain data with every secret in it replaced; `name` is what it stands under."""
    if isinstance(value, Mapping):
        return {key: hide(item, str(key), secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(item, name, secrets) for item in value]
    if name == "xml" and isinstance(value, str):
        return mask_xml(value, secrets)
    # A flag or an empty value is none.
    secret = value is not None and not isinstance(value, bool) and is_secret(name, secrets)
    return HIDDEN if secret else value


def masked(state: State, secrets: Collection[str] = ()) -> State:
    """The same state with every secret replaced."""
    return State(hide(state.objects, "", secrets), hide(state.defaults, "", secrets))


def title(section: str, plain: Mapping[str, Any], key: str) -> str:
    """What an object is called in messages."""
    kind = plain.get("type")
    if section == "constraints":
        kind = f"{kind} constraint"
    elif section == "acls":
        kind = f"access control {kind}"
    return f"{_NAMES.get(section) or kind} {key}"


def flat(section: str, plain: Mapping[str, Any], secrets: Optional[Collection[str]]) -> dict[str, str]:
    """An object as names and texts. Without `secrets` (None, to compare) everything shows."""
    shapes = SECTIONS[section].kinds
    shape = shapes.get(plain.get("type") or "") or next(iter(shapes.values()))
    if "xml" in plain:
        return {"xml": plain["xml"] if secrets is None else mask_xml(plain["xml"], secrets)}
    found = {"agent": plain["agent"]} if plain.get("agent") else {}
    if "members" in plain:
        found["members"] = " ".join(plain["members"])
    return {**found, **_flat(shape, plain, secrets)}


def _flat(shape: Shape, plain: Mapping[str, Any], secrets: Optional[Collection[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in shape.words:
        if plain.get(word) not in (None, ""):
            found[word] = str(plain[word])
    for word in shape.sets:
        for number, item in enumerate(plain.get(word) or []):
            found.update(flat_set(word, item, number, secrets))
    for word in shape.refs:
        if plain.get(word):
            found[word] = " ".join(plain[word])
    for word, children in shape.children.items():
        for number, item in enumerate(plain.get(word) or []):
            name = " ".join(str(item[part]) for part in children.key if item.get(part)) or str(number + 1)
            inner = _flat(children.shape, item, secrets)
            rest = {part: value for part, value in inner.items() if part not in children.key}
            found.update({f"{word}[{name}].{part}": value for part, value in rest.items()} or {f"{word}[{name}]": ""})
    if shape.rules:
        for number, item in enumerate(plain.get(shape.rules) or []):
            options = " ".join(
                f"{name}={item[name]}" for name in ("score", "score_attribute", "role") if item.get(name)
            )
            found[f"rule[{number + 1}]"] = f"{item['rule']} ({options})"
    return found


def flat_set(word: str, item: Mapping[str, Any], number: int, secrets: Optional[Collection[str]]) -> dict[str, str]:
    """One set of names and values as names and texts."""
    place = f"[{item['rule']}]" if item.get("rule") else f"[{number + 1}]" if number else ""
    found = {f"{word}{place}.score": item["score"]} if item.get("score") else {}
    for name, value in item["values"].items():
        if value is not None:
            secret = secrets is not None and is_secret(name, secrets)
            found[f"{word}{place}.{name}"] = HIDDEN if secret else value
    return found


def flat_defaults(word: str, state: State, secrets: Optional[Collection[str]]) -> dict[str, str]:
    """A section of defaults or properties as names and texts."""
    found: dict[str, str] = {}
    for number, item in enumerate(state.defaults[word]):
        for name, value in flat_set(word, item, number, secrets).items():
            found.setdefault(name, value)
    return found


def lines(state: State, secrets: Collection[str] = ()) -> list[str]:
    """The whole configuration, an object and its values a line each, sorted."""
    found = []
    for section, key, plain in state:
        name = title(section, plain, key)
        found.append(name)
        found += [f"{name}: {word} = {value}" for word, value in flat(section, plain, secrets).items()]
    for word in state.defaults:
        found += [f"{name} = {value}" for name, value in flat_defaults(word, state, secrets).items()]
    return sorted(found)
