# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the trace says about packets beside what the kernel does with them.

Each packet of a batch has its own power of two in bytes. So the bytes that a line of iptables has counted tell which of
the packets it has met, and the size of a packet that comes out tells which one it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.early import Early
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL, ICMP, WITH_PORTS, FlatNat
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, Trace, trace
from tests.policy_kernel import packets
from tests.policy_kernel.packets import ESP, GRE
from tests.policy_kernel.policies import OWN, VIPS, Case, Question
from tests.policy_kernel.rig import Rig, Seen

SIZES = tuple(1 << bit for bit in range(7, 16))
_COUNTERS = re.compile(r"\[\d+:(\d+)\]")


_EXEMPT, _FORGED, _SPOOFED = "CT", "bogons ", "antispoof "


class Line(NamedTuple):
    """A line that a packet can meet: where it stands, its comment ("" for the policy of a chain), and what it does."""

    table: str
    chain: str
    name: str
    target: str


@dataclass(frozen=True)
class Fate:
    """What becomes of a packet. Where a field is not to be seen in the kernel, both sides leave it empty."""

    #: Name of the rule, "" when none decides.
    rule: str
    #: What keeps it from being tracked.
    exempt: str
    action: str
    #: "wan to lan", where a chain for the pair of zones exists.
    pair: str
    dnat: str
    snat: str
    #: Zone in which it leaves, addresses and ports; "" unless it is accepted.
    result: str

    def __str__(self) -> str:
        named = f"{self.action} by {self.rule or 'no rule'}, chain {self.pair or '-'}"
        named += f", exempted by {self.exempt}" if self.exempt else ""
        return f"{named}, dnat {self.dnat or '-'}, snat {self.snat or '-'}, as {self.result or '-'}"


@dataclass
class Totals:
    packets: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    translated: int = 0
    exempted: int = 0
    forged: int = 0
    differences: list[str] = field(default_factory=list)


def compare(case: Case, rig: Rig, asked: Sequence[Question]) -> Totals:
    """Send every packet, each as the first of its connection, and compare."""
    totals = Totals()
    counters = {family: Counters(rig, family) for family in (4, 6)}
    for batch in batches(case.policy, asked):
        counted = counters[batch[0].packet.family]
        for question, kernel in zip(batch, _observed(case, rig, counted, batch), strict=True):
            wanted = _wanted(case, question, counted.pairs)
            totals.packets += 1
            totals.exempted += bool(wanted[0].exempt)
            totals.forged += wanted[0].rule.startswith((_FORGED, _SPOOFED))
            totals.actions[wanted[0].action] = totals.actions.get(wanted[0].action, 0) + 1
            totals.translated += bool(wanted[0].dnat or wanted[0].snat)
            if kernel not in wanted:
                text = f"{question.packet} ({question.link})\n  trace:  {wanted[0]}\n  kernel: {kernel}"
                totals.differences.append(text)
            elif isinstance(kernel, Fate) and case.cuts(question.packet, kernel.exempt):
                totals.differences.append(f"{question.packet} is no answer to who may ask {kernel.exempt}")
    return totals


class Counters:
    """The lines of one family, and the bytes that they have counted so far."""

    def __init__(self, rig: Rig, family: int) -> None:
        self._rig, self._family = rig, family
        saved = rig.counters(family)
        self._lines, self._bytes = _lines(saved), _COUNTERS.findall(saved)
        self.pairs = frozenset(line.name for line in self._lines if _leads(line))

    def since(self) -> list[tuple[Line, int]]:
        """What has counted since the last time, and how much."""
        before, self._bytes = self._bytes, _COUNTERS.findall(self._rig.counters(self._family))
        found = zip(self._lines, before, self._bytes, strict=True)
        return [(line, int(new) - int(old)) for line, old, new in found if new != old]


def batches(policy: Policy, asked: Sequence[Question]) -> Iterator[list[Question]]:
    """Packets of one family that share no connection, also after translation.

    Those that are rejected are apart: the nat table counts the answers to them as well. So are exempted ones that the
    firewall sends: its answers to others may be exempted too.
    """
    waiting: dict[tuple[int, bool, bool], list[Question]] = {}
    taken: dict[tuple[int, bool, bool], set[tuple[object, ...]]] = {}
    for question in asked:
        ways = {found.action == "reject" for found in answers(policy, question.packet)}
        if len(ways) > 1:
            yield [question]
            continue
        key = question.packet.family, True in ways, _sends_untracked(policy, question)
        marks = _marks(policy, question.packet)
        if len(waiting.get(key, ())) == len(SIZES) or marks & taken.get(key, set()):
            yield waiting.pop(key)
            taken.pop(key)
        waiting.setdefault(key, []).append(question)
        taken.setdefault(key, set()).update(marks)
    yield from waiting.values()


def _sends_untracked(policy: Policy, question: Question) -> bool:
    return question.link == FIREWALL and trace(policy, question.packet).exempt is not None


def _marks(policy: Policy, packet: Packet) -> set[tuple[object, ...]]:
    """What no other packet of its batch may have: addresses may become equal, and an answer is no new connection."""
    if packet.protocol not in WITH_PORTS:
        # Echo requests have their number.
        return set() if packet.protocol == ICMP[packet.family] else {(packet.protocol,)}
    after = trace(policy, packet).result.port
    there = (packet.protocol, packet.source_port, packet.port)
    back = (packet.protocol, after, packet.source_port)
    return {(packet.protocol, "from", packet.source_port), there, back}


def answers(policy: Policy, packet: Packet) -> Iterator[Trace]:
    """The trace; and where it says that the kernel chooses an address, one for each choice."""
    found = trace(policy, packet)
    free = next((entry for entry in (found.dnat, found.snat) if entry is not None and _free(entry)), None)
    if free is None:
        yield found
        return
    low, high = free.to_addresses or (0, 0)
    for address in range(low, high + 1):
        fixed = replace(free, to_addresses=(address, address))
        yield from answers(replace(policy, nat=[fixed if each is free else each for each in policy.nat]), packet)


def _free(entry: FlatNat) -> bool:
    return entry.to_addresses is not None and not entry.one_to_one and entry.to_addresses[0] != entry.to_addresses[1]


def _wanted(case: Case, question: Question, pairs: frozenset[str]) -> list[Fate]:
    """What the trace says; and where it only says that antispoofing may drop a packet, what the routes say."""
    found = list(answers(case.policy, question.packet))
    zone = case.spoofed(question.link, question.packet.source)
    early = case.policy.early
    if not zone or found[0].rule in early.forged:
        return [_told(one, pairs, early) for one in found]
    body = case.raw["zones"][zone]
    warned = any("antispoofing may drop" in line for line in found[0].lines)
    # The trace does not know by which of several interfaces.
    assert warned or len(body["interfaces"]) > 1, f"{question}: {found[0].lines}"
    return [Fate(_SPOOFED + zone, "", "drop", "", "", "", "")]


def _told(found: Trace, pairs: frozenset[str], early: Early) -> Fate:
    seen, accepted = found.result, found.action == "accept"
    pair = f"{seen.from_zone} to {found.to_zone}"
    before = found.exempt or (found.rule in (*early.forged, *early.answers))
    return Fate(
        rule=found.rule.name if found.rule else "",
        exempt=found.exempt.name if found.exempt else "",
        action=found.action,
        pair=pair if pair in pairs and not before else "",
        dnat=found.dnat.name if found.dnat else "",
        snat=found.snat.name if found.snat and accepted else "",
        result=_shown(seen, found.to_zone) if accepted else "",
    )


def _shown(packet: Packet, zone: str) -> str:
    return str(replace(packet, from_zone="", to_zone=zone))


def _leads(line: Line) -> bool:
    return line.table == "filter" and line.target[:2] in ("f-", "i-", "o-")


def _lines(saved: str) -> list[Line]:
    """One for each counter in the text of iptables-save."""
    found, table = [], ""
    for text in saved.splitlines():
        if text.startswith("*"):
            table = text[1:]
        elif text.startswith(":"):
            chain, policy, *_rest = text[1:].split()
            found.append(Line(table, chain, "", policy))
        elif text.startswith("["):
            _counters, _append, chain, *words = shlex.split(text)
            found.append(Line(table, chain, words[words.index("--comment") + 1], words[words.index("-j") + 1]))
    return found


def _observed(case: Case, rig: Rig, counters: Counters, batch: Sequence[Question]) -> list[Fate | str]:
    sent = [packets.build(each.packet, SIZES[n], number=n) for n, each in enumerate(batch)]
    seen = rig.exchange((question.link, raw) for question, raw in zip(batch, sent, strict=True))
    met = _met(counters.since(), _sends_untracked(case.policy, batch[0]))
    rig.forget()
    return [_fate(case, question, number, met[number], seen) for number, question in enumerate(batch)]


def _met(counted: Sequence[tuple[Line, int]], stateless: bool) -> list[list[Line]]:
    """For each packet of the batch the lines that it has met, in their order."""
    found: list[list[Line]] = [[] for _size in SIZES]
    refused = any(line.chain == "reject" for line, _met in counted)
    for line, met in counted:
        if _ours(line, stateless) and not (refused and line.chain == "POSTROUTING"):
            assert met % SIZES[0] == 0 and met < 2 * SIZES[-1], f"{line} has counted {met} bytes, not ours alone"
            for number, size in enumerate(SIZES):
                if met & size:
                    found[number].append(line)
    return found


def _ours(line: Line, stateless: bool) -> bool:
    """Not where the firewall's own answers pass, nor what looks at no policy.

    Args:
        stateless: the firewall sends packets that are not tracked, to which nobody answers.
    """
    if line.table == "raw":
        dropped = line.name.startswith((_FORGED, _SPOOFED))
        exempt = line.target == _EXEMPT and not line.name.startswith("helper ")
        return (dropped or exempt) and (line.chain == "OUTPUT") == stateless
    if line.table != "filter":
        return line.table == "nat" and line.chain in ("PREROUTING", "POSTROUTING")
    if line.chain == "OUTPUT":
        return _leads(line) or line.name == "own traffic" or (stateless and line.target in ("ACCEPT", "DROP"))
    return line.chain != "reject" and line.name != "loopback"


def _fate(case: Case, question: Question, number: int, met: Sequence[Line], seen: Sequence[Seen]) -> Fate | str:
    """What the lines say and what is seen must be the same; what is not is told as text."""
    packet = question.packet
    out = [each for each in seen if packets.length(each.raw) == SIZES[number] and _same(packet, each.packet)]
    answered = [each for each in seen if _answers(packet, SIZES[number], each.raw)]
    last = [line for line in met if line.table != "nat" and line.target in ("ACCEPT", "DROP", "reject")]
    if question.link == FIREWALL:
        # The policy of OUTPUT counts answers too.
        last = last or [Line("filter", "OUTPUT", "", "DROP")] * (not out)
    shown = f"met {[*met]}, out {out}, answered {answered}"
    if len(last) != 1:
        return shown
    action = last[0].target.lower()
    # The firewall answers what it takes as it likes, and itself over lo.
    told = FIREWALL not in (question.link, *(each.where for each in out))
    wanted = action == "reject" and not _mute(packet, met)
    if len(out) != (action == "accept") or (told and len(answered) != wanted):
        return shown
    result = ""
    if out:
        zone = FIREWALL if out[0].where == FIREWALL else case.zone_of(out[0].where, out[0].packet.destination)
        result = _shown(out[0].packet, zone)
    return Fate(
        # What is not tracked has no rules of a pair of zones to come to.
        rule="" if last[0].name in ("own traffic", "untracked") else last[0].name,
        exempt=next((line.name for line in met if line.table == "raw" and line.target == _EXEMPT), ""),
        action=action,
        pair=next((line.name for line in met if _leads(line)), ""),
        dnat=_translation(met, "PREROUTING"),
        # An exception holds for nothing of the firewall itself, which is not translated anyway.
        snat="" if question.link == FIREWALL else _translation(met, "POSTROUTING"),
        result=result,
    )


def _translation(met: Sequence[Line], chain: str) -> str:
    """The entry that has decided: the last one that a packet has met, unless it has come to the end of the chain."""
    names = [line.name for line in met if (line.table, line.chain) == ("nat", chain)]
    return names[-1] if names and "" not in names else ""


def _mute(packet: Packet, met: Sequence[Line]) -> bool:
    """IPv6 answers where the checksum is right, and no translation mends that of a protocol which it does not know."""
    known = (*WITH_PORTS, ICMP[6], GRE, ESP)
    return packet.family == 6 and packet.protocol not in known and any(line.target in _CHANGING for line in met)


_CHANGING = ("DNAT", "NETMAP")


def _same(packet: Packet, other: Packet) -> bool:
    """Not an answer to an echo request, which is as long as it."""
    return (packet.protocol, packet.icmp_type) == (other.protocol, other.icmp_type)


def _answers(packet: Packet, size: int, raw: bytes) -> bool:
    """An answer that its sender understands: from where it has sent to, about what it has sent."""
    answer, about = packets.read(raw), packets.refused(raw)
    sent = replace(packet, from_zone="", to_zone="")
    if about is not None:
        return (answer.destination, packets.length(about), packets.read(about)) == (packet.source, size, sent)
    return packets.is_reset(raw) and answer == packets.back(sent)


def rig_of(case: Case) -> Rig:
    return Rig(case.routes, (*OWN, *VIPS))
