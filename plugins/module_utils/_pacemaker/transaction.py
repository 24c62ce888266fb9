# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One change of the CIB: decided from what it is now, proven harmless before, committed whole or not at all.

Nobody is locked out meanwhile. The patch names the version that it was made for; the cluster refuses it for any other,
and everything is decided anew from what somebody else has written.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.objects import Plain
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.spec import nearest
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import (
    PacemakerError,
    Programs,
    UnknownAgent,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

# How long others may be faster before that counts as a failure.
PATIENCE_S = 60.0
LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True)
class Terms:
    """Under which terms a change may be made.

    Attributes:
        allow: what may be disrupted, as patterns: see effects.refused().
        names: check agents, parameters and properties against what they say of themselves.
        check_mode: decide and check everything, and write nothing.
    """

    allow: tuple[str, ...] = ()
    names: bool = True
    check_mode: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a transaction did, or would do.

    Attributes:
        plan: the decision, with what is wrong with it.
        problems: why nothing was written: mistakes in what is wanted.
        effects: what running resources get to feel.
        refused: those of them that nobody has allowed; nothing was written then.
        committed: the CIB was changed.
        attempts: how often it was decided; more than once when others wrote as well.
    """

    plan: cib.Plan
    problems: tuple[Problem, ...] = ()
    effects: tuple[cib.effects.Effect, ...] = ()
    refused: tuple[cib.effects.Effect, ...] = ()
    committed: bool = False
    attempts: int = 1

    @property
    def fine(self) -> bool:
        """Nothing speaks against it."""
        return not self.problems and not self.refused


def apply(
    programs: Programs,
    decide: Callable[[cib.Document], cib.Wish],
    terms: Terms,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Make the CIB what is wished.

    Args:
        programs: Pacemaker's programs.
        decide: what is wished, seen from what the CIB says now.
        terms: under which terms.
        clock: seconds that only grow.
        sleep: how to wait.

    Raises:
        PacemakerError: the cluster does not answer, refuses the change, or others keep changing the CIB.
    """
    started = clock()
    checked: Optional[Outcome] = None
    proven = ""
    attempts = outrun = 0
    while True:
        attempts += 1
        if attempts > 2 and clock() - started > PATIENCE_S:
            raise PacemakerError(
                f"others changed the CIB again and again within {PATIENCE_S:.0f} s, each time before this change was "
                "verified and written; the CIB holds their changes and not this one. Run again when they are done"
            )
        current = programs.query()
        wish = decide(current)
        plan = cib.plan(current, wish)
        if plan.problems or not plan.changes:
            return Outcome(plan, problems=plan.problems, attempts=attempts)
        wanted = cib.canonical(plan.document.configuration)
        if checked is not None and wanted != proven:
            # Outrun while verifying. Many who verify all the time keep each other from ever being done.
            outrun += 1
            checked = None
            sleep(random.uniform(0, min(LONGEST_PAUSE_S, 0.05 * 2**outrun)))
            continue
        if checked is None:
            checked, proven = _check(programs, current, plan, wish, terms), wanted
            if not checked.fine or terms.check_mode:
                return checked
            # That took a while: look again, so that the patch is for what is there now.
            continue
        if programs.commit(current, plan.document):
            return Outcome(plan, effects=checked.effects, committed=True, attempts=attempts)
        # Writers that lost against each other must not meet again at once.
        sleep(random.uniform(0.01, 0.15))


def _check(programs: Programs, current: cib.Document, plan: cib.Plan, wish: cib.Wish, terms: Terms) -> Outcome:
    problems = list(_names(programs, plan, wish)) if terms.names else []
    if problems:
        return Outcome(plan, problems=tuple(problems))
    errors = programs.verify(plan.document)
    if errors:
        known = set(programs.verify(current))
        problems = [
            Problem("cib", None, f"Pacemaker refuses it: {text}", "Correct what it names.")
            for text in errors
            if text not in known
        ]
    if problems:
        return Outcome(plan, problems=tuple(problems))
    effects = programs.simulate(plan.document)
    if effects:
        # What would happen anyway matters only where something would happen; others may be writing meanwhile.
        effects = cib.effects.caused(programs.simulate(current), effects)
    deleted = [key for section, key in wish.absent if section == "resources"]
    refused = cib.effects.refused(effects, terms.allow, (current, plan.document), deleted)
    return Outcome(plan, effects=tuple(effects), refused=tuple(refused))


def _names(programs: Programs, plan: cib.Plan, wish: cib.Wish) -> Iterable[Problem]:
    """Agents, parameters, meta attributes and properties that nobody knows, in what changes."""
    resources = wish.present.objects["resources"]
    # Once for all of them: reading the whole CIB for each is what a large change would mostly wait for.
    planned = cib.state.read(plan.document).objects["resources"]
    for key in sorted(plan.resources & resources.keys()):
        plain = resources[key]
        if "xml" in plain:
            continue
        path = f"resources.{key}"
        yield from cib.metadata.check_meta(f"{path}.meta", plain.get("meta") or [])
        yield from _agent(programs, path, plain, planned)
    for word in ("resource_defaults",):
        for item in wish.present.defaults[word]:
            yield from cib.metadata.check_meta(word, [item])
    changed = {change.key for change in plan.changes if change.section == "properties" and change.action != "delete"}
    values: dict[str, Any] = {}
    for item in wish.present.defaults["properties"]:
        values.update({name: value for name, value in item["values"].items() if name in changed})
    if values:
        present = {
            change.key for change in plan.changes if change.section == "properties" and change.action != "create"
        }
        yield from cib.metadata.check_properties("properties", values, programs.options("cluster"), present)


def _agent(programs: Programs, path: str, plain: Plain, resources: Mapping[str, Plain]) -> Iterable[Problem]:
    full = dict(plain)
    if plain.get("template"):
        # A template gives the agent, and parameters where the resource has none of its own.
        template = resources.get(plain["template"]) or {}
        full["agent"] = template.get("agent")
        full["params"] = [*(template.get("params") or []), *(plain.get("params") or [])]
    if not full.get("agent"):
        return
    try:
        agent = programs.agent(full["agent"])
    except UnknownAgent as problem:
        yield Problem(
            f"{path}.agent", full["agent"], f"no such agent: {problem}", nearest(full["agent"], problem.known)
        )
        return
    except cib.metadata.MetadataError as problem:
        yield Problem(f"{path}.agent", full["agent"], str(problem), "Repair the agent, or set check_names: false.")
        return
    more = programs.options("fencing") if full["agent"].startswith("stonith:") else {}
    if plain.get("type") == "template":
        agent = cib.metadata.without_required(agent)
    yield from cib.metadata.check_resource(path, full, agent, more)
