# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the modules that change the CIB have in common: their options, their results, their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import operator, transaction
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import (
    NotRunning,
    PacemakerError,
    Programs,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

ARGUMENTS: dict[str, Any] = {
    "owner": {"type": "str", "default": "default"},
    "allow": {"type": "list", "elements": "str", "default": []},
    "check_names": {"type": "bool", "default": True},
    "hide": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "int", "default": 0},
}
_EMPTY = """<cib validate-with="pacemaker-3.0" epoch="0" num_updates="0" admin_epoch="0"><configuration><crm_config/>
{nodes}
<resources/><constraints/></configuration><status/></cib>"""
# A value this short stands in too many places to be blotted out everywhere; where it is set it does not show anyway.
_BLOTTABLE = 6


class CibModule(AnsibleModule):
    """A module whose options may hold a secret anywhere: the node's log shows only those that cannot.

    The constructor's own `no_log` does not do it: ansible-core 2.19 overwrites it with that of the task.
    """

    def _log_invocation(self) -> None:
        shown = {name: str(value) for name, value in _shown(self).items()}
        self.log("Invoked with " + " ".join(f"{name}={value}" for name, value in shown.items()), log_args=shown)


def programs(module: AnsibleModule, seconds: int = 30) -> Programs:
    """Pacemaker's programs on this node."""
    return Programs(gateway(seconds=seconds), module.tmpdir)


def transact(
    module: AnsibleModule,
    raw: Mapping[str, Any],
    absent: Mapping[str, Any],
    purge: bool = False,
) -> NoReturn:
    """Make the CIB what is wished, and end the module with what that was.

    Args:
        module: with the options of ARGUMENTS.
        raw: what shall be there, in the vocabulary of the module cib.
        absent: what shall not be there: word of a section to a list of keys.
        purge: delete what the owner has created and does not want any more.
    """
    given = module.params
    hide = tuple(given["hide"])
    checker = cib.Checker()
    state = checker.state(raw)
    gone = checker.absent(absent)
    for section, key in gone:
        if key in state.objects.get(section, ()):
            checker.say(f"absent.{section}", key, "is wanted at the same time", "Keep one of the two.")
    for number, pattern in enumerate(given["allow"]):
        if (action := cib.effects.unknown_action(pattern)) is not None:
            remedy = cib.spec.nearest(action, cib.effects.DISRUPTIVE)
            checker.say(f"allow[{number}]", pattern, "names no action that exists", remedy)
    _blot_out(module, cib.text.secret_values(state, hide))
    if checker.problems:
        _refuse(module, checker.problems, hide)
    wish = cib.Wish(state, gone, given["owner"], purge, hide)
    terms = transaction.Terms(tuple(given["allow"]), given["check_names"], module.check_mode)
    try:
        outcome = transaction.apply(programs(module), lambda _current: wish, terms)
    except NotRunning as problem:
        if not module.check_mode:
            _fail(module, str(problem))
        module.warn(f"the cluster does not run here yet ({problem}): compared with an empty configuration")
        plan = cib.plan(empty(wish), wish)
        outcome = transaction.Outcome(plan, problems=plan.problems)
    except PacemakerError as problem:
        _fail(module, str(problem))
    if outcome.problems:
        _refuse(module, outcome.problems, hide)
    result = _result(outcome)
    if outcome.refused:
        lines = [effect.line for effect in outcome.refused]
        _fail(
            module,
            "refused, nothing was changed: it would " + "; ".join(lines) + ". Allow it with allow: "
            + str(sorted({effect.resource for effect in outcome.refused})),
            **{**result, "changed": False, "refused": lines},
        )  # fmt: skip
    if outcome.committed and given["wait"]:
        try:
            settle(module, given["wait"])
        except PacemakerError as problem:
            _fail(module, f"the change is made, but the cluster did not settle: {problem}", **result)
    end: Callable[..., NoReturn] = module.exit_json
    end(**result, invocation=_invocation(module))


def transact_one(module: AnsibleModule, section: str, words: Iterable[str]) -> NoReturn:
    """The same for one object of a section, by the module's own options.

    Args:
        module: with the options of ARGUMENTS, `state`, and the words of the object.
        section: the word of the section.
        words: the options that make the object.
    """
    given = {word: module.params[word] for word in words if module.params[word] is not None}
    if module.params["state"] == "present":
        transact(module, {section: [given]}, {})
    if section == "constraints" and "id" not in given:
        given["id"] = cib.spec.constraint_id(given["type"], given)
    transact(module, {}, {section: [given["id"]]})


def operate(module: AnsibleModule, order: operator.Order) -> NoReturn:
    """Do what an operator orders, wait until it is reached, and end the module."""
    tools = programs(module)
    terms = transaction.Terms(allow=("*",), names=False, check_mode=module.check_mode)
    try:
        outcome = transaction.apply(tools, lambda current: order.wish(cib.state.read(current)), terms)
        if outcome.problems:
            _refuse(module, outcome.problems, ())
        result = _result(outcome)
        if order.cleanup:
            failed = operator.failures(tools.status(), order.cleanup, order.node)
            result["changes"] += [f"forget {item}" for item in failed]
            result["changed"] = bool(result["changes"])
            if failed and not module.check_mode:
                where = ["--node", order.node] if order.node else []
                tools.command("crm_resource", "--cleanup", "--resource", order.cleanup, *where)
        seconds = module.params["wait"]
        if seconds and not module.check_mode and (result["changed"] or order.missing(tools.status())):
            settle(module, seconds)
            missing = order.missing(tools.status())
            if missing:
                _fail(module, f"the cluster is settled, but {missing}", **result)
    except (PacemakerError, operator.Mistake) as problem:
        _fail(module, str(problem))
    end: Callable[..., NoReturn] = module.exit_json
    end(**result)


def settle(module: AnsibleModule, seconds: int) -> None:
    """Wait until the cluster has nothing left to do.

    Raises:
        PacemakerError: it still has after this many seconds.
    """
    # crm_resource looks at the clock between two looks at the cluster: a little more, so that it ends by itself.
    programs(module, seconds + 10).command("crm_resource", "--wait", f"--timeout={seconds}")


def empty(wish: cib.Wish) -> cib.Document:
    """The configuration of a cluster that has just been made of the nodes that the wish names."""
    names = set(wish.present.objects["nodes"])
    names |= {plain["node"] for plain in wish.present.objects["constraints"].values() if plain.get("node")}
    nodes = ET.Element("nodes")
    for number, name in enumerate(sorted(names), 1):
        ET.SubElement(nodes, "node", {"id": str(number), "uname": name})
    return cib.Document(_EMPTY.format(nodes=ET.tostring(nodes, encoding="unicode")))


def _result(outcome: transaction.Outcome) -> dict[str, Any]:
    plan = outcome.plan
    return {
        "changed": bool(plan.changes),
        "changes": [change.line for change in plan.changes],
        "effects": [effect.line for effect in outcome.effects],
        "attempts": outcome.attempts,
        "operator": cib.export.operator_state(cib.state.read(plan.document)),
        "diff": {
            "before_header": "CIB",
            "after_header": "CIB",
            "before": "".join(f"{line}\n" for line in plan.before),
            "after": "".join(f"{line}\n" for line in plan.after),
        },
    }


def _refuse(module: AnsibleModule, problems: Iterable[Problem], hide: Sequence[str]) -> NoReturn:
    lines = [cib.text.problem(item, hide) for item in problems]
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    _fail(module, f"{count}, nothing was changed: " + "; ".join(lines), problems=lines)


def _fail(module: AnsibleModule, message: str, **more: Any) -> NoReturn:
    end: Callable[..., NoReturn] = module.fail_json
    end(msg=message, **more, invocation=_invocation(module))


def _invocation(module: AnsibleModule) -> dict[str, Any]:
    return {"module_args": _shown(module)}


def _shown(module: AnsibleModule) -> dict[str, Any]:
    """The options that hold no secrets."""
    return {name: module.params[name] for name in ARGUMENTS if name in module.params}


def _blot_out(module: AnsibleModule, values: Iterable[str]) -> None:
    module.no_log_values.update(value for value in values if len(value) >= _BLOTTABLE)
