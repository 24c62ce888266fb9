# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules as one line of text, and as the XML that Pacemaker reads (Pacemaker Explained, "Rules").

    not_defined pingd or pingd lte number 0
    #uname eq fw1 and (date in_range 2026-01-01 to 2026-02-01 or date_spec hours=8-17 weekdays=1-5)
    resource ocf:heartbeat:IPaddr2        operation monitor interval=10s

`and` binds tighter than `or`. A value with blanks or brackets stands in double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional, Union
from xml.etree import ElementTree as ET

COMPARISONS = ("lt", "gt", "lte", "gte", "eq", "ne")
UNARY = ("defined", "not_defined")
TYPES = ("string", "integer", "number", "version")
_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')
_WORDS = ("and", "or", "to", "for", "date", "date_spec", "resource", "operation", *UNARY)
_BARE = re.compile(r'[^\s()"]+')


class RuleError(ValueError):
    """The text is no rule, or the XML is one that this text has no words for."""


@dataclass(frozen=True)
class Test:
    """One condition: the XML element without its ids."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    child: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Group:
    """Conditions of which all or any must hold."""

    operator: str
    items: tuple[Expression, ...]


Expression = Union[Test, Group]


@dataclass(frozen=True)
class _Token:
    text: str
    quoted: bool


def _group(operator: str, items: Sequence[Expression]) -> Expression:
    """One item is itself, and `and` within `and` is the same as one `and`: what means the same becomes equal."""
    flat: list[Expression] = []
    for item in items:
        flat += item.items if isinstance(item, Group) and item.operator == operator else (item,)
    return flat[0] if len(flat) == 1 else Group(operator, tuple(flat))


def parse(text: str) -> Expression:
    """The expression that this text says.

    Raises:
        RuleError: it says none; the message names the place.
    """
    tokens: list[_Token] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        found = _TOKEN.match(stripped, position)
        if not found:
            raise RuleError(f"cannot read from {stripped[position:]!r} on")
        quoted = found[2] is not None
        tokens.append(_Token(re.sub(r"\\(.)", r"\1", found[2]) if quoted else found[1] or found[3], quoted))
        position = found.end()
    reader = _Reader(tokens)
    result = reader.either()
    if reader.left:
        raise RuleError(f"{reader.left[0].text!r} is one word too many")
    return result


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self.left = tokens

    def peek(self, *words: str) -> bool:
        return bool(self.left) and not self.left[0].quoted and self.left[0].text in words

    def word(self, what: str) -> str:
        if not self.left or (not self.left[0].quoted and self.left[0].text in ("(", ")")):
            raise RuleError(f"{what} is missing")
        return self.left.pop(0).text

    def either(self) -> Expression:
        return self._joined("or", self.both)

    def both(self) -> Expression:
        return self._joined("and", self.one)

    def _joined(self, operator: str, item: Callable[[], Expression]) -> Expression:
        items = [item()]
        while self.peek(operator):
            self.left.pop(0)
            items.append(item())
        return _group(operator, items)

    def one(self) -> Expression:
        if self.peek("("):
            self.left.pop(0)
            inner = self.either()
            if not self.peek(")"):
                raise RuleError("')' is missing")
            self.left.pop(0)
            return inner
        if self.peek(*UNARY):
            operation = self.word("a condition")
            return Test("expression", (("attribute", self.word("a node attribute")), ("operation", operation)))
        if self.peek("date", "date_spec"):
            return self._date()
        if self.peek("resource"):
            self.left.pop(0)
            return self._resource(self.word("an agent"))
        if self.peek("operation"):
            self.left.pop(0)
            name = self.word("an operation")
            return Test("op_expression", (("name", name), *self._pairs(("interval",))))
        return self._compare()

    def _compare(self) -> Test:
        attribute = self.word("a condition")
        operation = self.word(f"a comparison after {attribute!r}")
        if operation not in COMPARISONS:
            raise RuleError(f"{operation!r} after {attribute!r} is none of {', '.join(COMPARISONS)}")
        kind = self.word("a type") if self.peek(*TYPES) and len(self.left) > 1 and not self._ends(1) else ""
        value = self.word(f"a value after {operation!r}")
        pairs = [("attribute", attribute), ("operation", operation), ("value", value)]
        return Test("expression", tuple(pairs + ([("type", kind)] if kind else [])))

    def _ends(self, index: int) -> bool:
        return not self.left[index].quoted and self.left[index].text in (")", "and", "or")

    def _pairs(self, known: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
        found = []
        while self.left and not self.left[0].quoted and "=" in self.left[0].text:
            name, _equals, value = self.left.pop(0).text.partition("=")
            if known and name not in known:
                raise RuleError(f"{name!r} is none of {', '.join(known)}")
            found.append((name, value))
        return tuple(sorted(found))

    def _date(self) -> Test:
        if self.word("date") == "date_spec":
            pairs = self._pairs()
            if not pairs:
                raise RuleError("date_spec needs name=value pairs, such as hours=8-17")
            return Test("date_expression", (("operation", "date_spec"),), pairs)
        operation = self.word("gt, lt or in_range after 'date'")
        if operation == "gt":
            return Test("date_expression", (("operation", "gt"), ("start", self.word("a date"))))
        if operation == "lt":
            return Test("date_expression", (("end", self.word("a date")), ("operation", "lt")))
        if operation != "in_range":
            raise RuleError(f"{operation!r} after 'date' is none of gt, lt, in_range")
        start = "" if self.peek("to") else self.word("a date")
        attributes = [("operation", "in_range")] + ([("start", start)] if start else [])
        if self.peek("for"):
            self.left.pop(0)
            return Test("date_expression", tuple(sorted(attributes)), self._pairs())
        if not self.peek("to"):
            raise RuleError("'to' and a date, or 'for' and a duration, are missing after 'date in_range'")
        self.left.pop(0)
        return Test("date_expression", tuple(sorted([*attributes, ("end", self.word("a date"))])))

    @staticmethod
    def _resource(agent: str) -> Test:
        parts = agent.split(":")
        names = ("class", "provider", "type") if len(parts) != 2 else ("class", "type")
        if len(parts) > 3:
            raise RuleError(f"{agent!r} is not class:provider:type")
        return Test("rsc_expression", tuple((n, p) for n, p in zip(names, parts) if p))


def text(expression: Expression) -> str:
    """The text that says this expression; parse() reads it back."""
    if isinstance(expression, Test):
        return _test_text(expression)
    inner = (f"({text(item)})" if isinstance(item, Group) else text(item) for item in expression.items)
    return f" {expression.operator} ".join(inner)


def _quoted(value: str, more: tuple[str, ...] = ()) -> str:
    if _BARE.fullmatch(value) and value not in _WORDS and value not in more:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _test_text(test: Test) -> str:
    given = dict(test.attributes)
    if test.tag == "expression":
        attribute, operation = _quoted(given["attribute"]), given["operation"]
        if operation in UNARY:
            return f"{operation} {attribute}"
        kind = f"{given['type']} " if given.get("type") else ""
        return f"{attribute} {operation} {kind}{_quoted(given.get('value', ''), TYPES)}"
    if test.tag == "date_expression":
        return _date_text(given, test.child)
    if test.tag == "rsc_expression":
        names = ("class", "type") if "provider" not in given and "type" in given else ("class", "provider", "type")
        parts = [given.get(name, "") for name in names]
        while parts and not parts[-1]:
            parts.pop()
        return f"resource {':'.join(parts)}"
    interval = f" interval={given['interval']}" if "interval" in given else ""
    return f"operation {_quoted(given['name'])}{interval}"


def _date_text(given: dict[str, str], child: tuple[tuple[str, str], ...]) -> str:
    pairs = " ".join(f"{name}={value}" for name, value in child)
    operation = given["operation"]
    if operation == "date_spec":
        return f"date_spec {pairs}"
    if operation == "gt":
        return f"date gt {_quoted(given['start'])}"
    if operation == "lt":
        return f"date lt {_quoted(given['end'])}"
    start = f" {_quoted(given['start'])}" if "start" in given else ""
    return f"date in_range{start} " + (f"for {pairs}" if child else f"to {_quoted(given['end'])}")


_CHILDREN = {"in_range": "duration", "date_spec": "date_spec"}
_DEFAULTS = {("expression", "value-source"): "literal"}


def read(element: ET.Element) -> Expression:
    """The expression of a <rule>.

    Raises:
        RuleError: the rule has parts that the text has no words for.
    """
    items = tuple(_read_item(child) for child in element)
    if not items:
        raise RuleError("a rule without a condition, or one that is defined elsewhere")
    return _group(element.get("boolean-op", "and"), items)


def _read_item(element: ET.Element) -> Expression:
    if element.tag == "rule":
        return read(element)
    if element.tag not in ("expression", "date_expression", "rsc_expression", "op_expression"):
        raise RuleError(f"<{element.tag}> in a rule")
    pairs = {name: value for name, value in element.attrib.items() if name != "id"}
    for (tag, name), value in _DEFAULTS.items():
        if element.tag == tag and pairs.get(name) == value:
            del pairs[name]
    children = list(element)
    child: tuple[tuple[str, str], ...] = ()
    if children:
        wanted = _CHILDREN.get(pairs.get("operation", ""))
        if len(children) > 1 or children[0].tag != wanted or element.tag != "date_expression":
            raise RuleError(f"<{children[0].tag}> in <{element.tag}>")
        child = tuple(sorted((n, v) for n, v in children[0].attrib.items() if n != "id"))
    if element.tag == "expression":
        order = ("attribute", "operation", "value", "type")
        attributes = tuple((name, pairs.pop(name)) for name in order if name in pairs)
        if pairs:
            raise RuleError(f"{next(iter(pairs))} in <expression>")
    elif element.tag == "rsc_expression":
        attributes = tuple((name, pairs[name]) for name in ("class", "provider", "type") if name in pairs)
    elif element.tag == "op_expression":
        attributes = tuple((name, pairs[name]) for name in ("name", "interval") if name in pairs)
    else:
        attributes = tuple(sorted(pairs.items()))
    test = Test(element.tag, attributes, child)
    if parse(text(test)) != test:
        raise RuleError(f"<{element.tag}> with {dict(attributes)}")
    return test


def write(element: ET.Element, expression: Expression, fresh: Callable[[str], str], nested_score: bool) -> None:
    """Make this <rule> say the expression.

    Args:
        element: the rule, which keeps its own attributes.
        expression: what it shall say.
        fresh: makes an unused id from a proposed one.
        nested_score: whether rules within rules need a score, as schemas before pacemaker-3.9 want it.
    """
    for child in list(element):
        element.remove(child)
    element.attrib.pop("boolean-op", None)
    items: tuple[Expression, ...] = (expression,)
    if isinstance(expression, Group):
        element.set("boolean-op", expression.operator)
        items = expression.items
    base = element.get("id", "rule")
    for item in items:
        if isinstance(item, Group):
            inner = ET.SubElement(element, "rule", {"id": fresh(f"{base}-rule")})
            if nested_score:
                inner.set("score", "0")
            write(inner, item, fresh, nested_score)
            continue
        child = ET.SubElement(element, item.tag, {"id": fresh(f"{base}-expr"), **dict(item.attributes)})
        if item.child:
            tag = _CHILDREN[dict(item.attributes)["operation"]]
            ET.SubElement(child, tag, {"id": fresh(f"{child.get('id')}-{tag}"), **dict(item.child)})


def canonical(source: str) -> str:
    """The text as text() writes it: two texts that say the same become equal.

    Raises:
        RuleError: it is no rule.
    """
    return text(parse(source))


def problem(source: object) -> Optional[str]:
    """Why a value is no rule, or None."""
    if not isinstance(source, str) or not source.strip():
        return "is no text"
    try:
        parse(source)
    except RuleError as error:
        return str(error)
    return None
