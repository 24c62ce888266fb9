# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What changes between two rulesets, told by the names of the rules instead of by lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import saved
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.match import PART
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import PARTS

FILES = {"rules.v4": "IPv4", "rules.v6": "IPv6"}
SETS = "ipsets"
CLOSED = ("closed.v4", "closed.v6")
#: Sets of ours are named by family, label and content, see sets.py.
_OWN_SET = re.compile(r"(lh[46])-(.+)-[0-9a-f]{12}")
_NO_LABEL = "set"
# (where, the rule's words), by family
Forms = dict[str, list[tuple[str, tuple[str, ...]]]]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Readable lines for two mappings of file name to text; empty when both mean the same to the kernel."""
    sets = _called(*(saved.parse_sets(files.get(SETS, "")) for files in (before, after)))
    old, new = _by_name(before, sets), _by_name(after, sets)
    lines = [f"new rule {name}{_where(new[name])}" for name in new if name not in old]
    lines += [f"rule {name} is gone{_where(old[name])}" for name in old if name not in new]
    lines += [line for name in new if name in old for line in _changed(name, old[name], new[name])]
    lines += _moved(before, after, sets)
    lines += _policies(before, after)
    lines += _sets(before.get(SETS, ""), after.get(SETS, ""), sets)
    if any(_essence(before.get(name, "")) != _essence(after.get(name, "")) for name in CLOSED):
        lines.append("what is loaded when the rules cannot be (closed) changes")
    return lines


def _called(old: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """What the sets are called here. Other content is another name, so one that follows another is found by the label.

    Two sets of one family get the same text only when one replaces the other; whose labels do not tell them apart
    keep their names.
    """
    was, now = list(old), list(new)
    first = {name: name for name in (*was, *now)}
    for label in {_label(name) for name in first} - {None}:
        gone, more = (
            [name for name in names if _label(name) == label and name not in others]
            for names, others in ((was, now), (now, was))
        )
        if len(gone) == len(more) == 1:
            first[more[0]] = gone[0]
    shared = Counter(_label(name) for name in set(first.values()))
    texts: dict[str, str] = {}
    for name, known in first.items():
        found = _label(name)
        alone = found is not None and shared[found] == 1
        texts[name] = found[1] if found is not None and alone else known
    return texts


def _label(name: str) -> Optional[tuple[str, str]]:
    found = _OWN_SET.fullmatch(name)
    return (found[1], found[2]) if found else None


def _by_name(files: Mapping[str, str], sets: Mapping[str, str]) -> dict[str, Forms]:
    found: dict[str, Forms] = {}
    for file, family in FILES.items():
        read = saved.parse(files.get(file, "")).rules
        whole = _whole(read)
        for rule in read:
            # Which part of a chain a rule is in says nothing, and neither do the lines that lead there.
            if _part(rule):
                continue
            where = f"{rule.table} {whole.get(rule.chain, rule.chain)}"
            name = rule.name or f"without a name in {where}"
            forms = found.setdefault(name, {}).setdefault(family, [])
            forms.append((where, _with_labels(rule.words, sets)))
    return found


def _part(rule: saved.Rule) -> str:
    """The part of a long chain to which this line leads."""
    target = rule.words[-1] if rule.words else ""
    return target if PART in target and rule.words[-2:-1] == ("-j",) else ""


def _whole(rules: Iterable[saved.Rule]) -> dict[str, str]:
    """Part of a chain to the chain that it is of."""
    found: dict[str, str] = {}
    parents = {_part(rule): rule.chain for rule in rules if _part(rule)}
    for part in parents:
        way = [part]
        while way[-1] in parents and parents[way[-1]] not in way:
            way.append(parents[way[-1]])
        found[part] = way[-1]
    return found


def _with_labels(words: tuple[str, ...], sets: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sets.get(word, word) if before == "--match-set" else word for before, word in zip(("", *words), words))


def _where(forms: Forms) -> str:
    return f" ({' and '.join(forms)})"


def _changed(name: str, old: Forms, new: Forms) -> list[str]:
    """The same change in both families is told once."""
    told: dict[str, list[str]] = {}
    for family in FILES.values():
        if old.get(family, []) != new.get(family, []):
            told.setdefault(_difference(old.get(family, []), new.get(family, [])), []).append(family)
    return [f"rule {name} ({' and '.join(families)}): {text}" for text, families in told.items()]


def _difference(old: Sequence[tuple[str, tuple[str, ...]]], new: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    gone = [form for form in old if form not in new]
    more = [form for form in new if form not in old]
    if not gone and not more:
        return (
            "its parts stand in another order" if len(old) == len(new) else f"{len(old)} -> {len(new)} times the same"
        )
    if len(gone) == len(more) == 1 and gone[0][0] == more[0][0]:
        return _words(gone[0][1], more[0][1])
    texts = [f"no longer {_text(form)}" for form in gone] + [f"now {_text(form)}" for form in more]
    return "; ".join(texts[:6] + ([f"and {len(texts) - 6} more"] if len(texts) > 6 else []))


def _text(form: tuple[str, tuple[str, ...]]) -> str:
    return f"{form[0]}: {' '.join(form[1])}"


def _words(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    """What differs between two rules: the words in between what both begin and end with, and the option before them."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    # A value says little without its option, and an option that both have says nothing without its value.
    option = old[start - 1] if start and old[start - 1].startswith("-") else ""
    return f"{option} {_or_nothing(before)} -> {_or_nothing(after)}".strip()


def _or_nothing(words: Sequence[str]) -> str:
    return " ".join(words) or "nothing"


def _moved(before: Mapping[str, str], after: Mapping[str, str], sets: Mapping[str, str]) -> list[str]:
    """Chains in which the rules that stay stand in another order: the first one that matches decides."""
    lines: dict[str, None] = {}
    for file in FILES:
        old, new = _orders(before.get(file, ""), sets), _orders(after.get(file, ""), sets)
        for place in new:
            table, chain, _parted = place
            kept = set(old.get(place, ())) & set(new[place])
            was, now = ([name for name in order.get(place, ()) if name in kept] for order in (old, new))
            if was != now:
                pairs = [(a, b) for a, b in zip(was, now) if a != b]
                lines[f"{table} {chain}: another order from here on: {pairs[0][0]} -> {pairs[0][1]}"] = None
    return list(lines)


def _orders(text: str, sets: Mapping[str, str]) -> dict[tuple[str, str, bool], list[str]]:
    """By table and chain, and by whether it has parts: those come in an order of their own, which decides nothing."""
    rules = saved.parse(text).rules
    parted = set(_whole(rules).values())
    found: dict[tuple[str, str, bool], dict[str, None]] = {}
    for rule in rules:
        if not _part(rule):
            name = rule.name or " ".join(_with_labels(rule.words, sets))
            found.setdefault((rule.table, rule.chain, rule.chain in parted), {})[name] = None
    return {place: list(names) for place, names in found.items()}


def _policies(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines: dict[str, None] = {}
    for file in FILES:
        old, new = saved.parse(before.get(file, "")).policies, saved.parse(after.get(file, "")).policies
        for (table, chain), policy in new.items():
            if (table, chain) in old and old[(table, chain)] != policy:
                lines[f"{table} {chain}: what no rule decides: {old[(table, chain)]} -> {policy}"] = None
    return list(lines)


def _sets(before: str, after: str, sets: Mapping[str, str]) -> list[str]:
    old, new = (_by_text(saved.parse_sets(text), sets) for text in (before, after))
    lines = [f"new set {name}, {len(new[name])} members" for name in new if name not in old]
    lines += [f"set {name} is gone" for name in old if name not in new]
    for name in new:
        if name in old and old[name] != new[name]:
            parts = [f"{word} {_few(members)}" for word, members in _members(old[name], new[name]) if members]
            lines.append(f"set {name}: {', '.join(parts)}")
    return lines


def _by_text(found: Mapping[str, frozenset[str]], sets: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Both families of a group together."""
    joined: dict[str, frozenset[str]] = {}
    for name, members in found.items():
        if (_label(name) or ("", ""))[1] == PARTS:
            continue
        text = "without a name" if sets[name] == _NO_LABEL and _label(name) else sets[name]
        joined[text] = joined.get(text, frozenset()) | members
    return joined


def _members(old: frozenset[str], new: frozenset[str]) -> list[tuple[str, list[str]]]:
    return [("new", sorted(new - old)), ("gone", sorted(old - new))]


def _few(members: Sequence[str]) -> str:
    return " ".join(members[:5]) + (f" and {len(members) - 5} more" if len(members) > 5 else "")


def _essence(text: str) -> object:
    found = saved.parse(text)
    return found.rules, found.policies
