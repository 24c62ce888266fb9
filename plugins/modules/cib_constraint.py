#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cib_constraint
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: One constraint of a Pacemaker cluster
description:
  - Creates, changes or deletes one location, colocation, order or ticket constraint, by the same transaction as
    M(linuxha.firewall.cib). For more than a few objects use that one.
  - The constraint becomes exactly what is written here. What is not given has the default of Pacemaker, as told
    below, which is not written into the CIB.
  - A location needs O(resource), O(pattern) or O(sets), and either O(node) and O(score) or O(rules); a colocation
    O(resource) and O(with), or O(sets); an order O(first) and O(then), or O(sets); a ticket O(ticket), and
    O(resource) or O(sets).
extends_documentation_fragment:
  - linuxha.firewall.cib
options:
  id:
    description:
      - Its id. Without one it is derived from what the constraint says, so that O(state=absent) with the same words
        finds it.
    type: str
    aliases: [name]
  state:
    description: Whether it shall be there.
    type: str
    choices: [present, absent]
    default: present
  type:
    description: What it is.
    type: str
    choices: [location, colocation, order, ticket]
    required: true
  resource:
    description: The resource that it is about (location, colocation, ticket).
    type: str
  pattern:
    description: A regular expression for resource ids, instead of O(resource) (location).
    type: str
  node:
    description: The node that O(score) is about (location).
    type: str
  rules:
    description:
      - Rules instead of O(node), each with C(rule), and C(score) or C(score_attribute), and C(role) (location).
    type: list
    elements: dict
  discovery:
    description: Whether the cluster looks for the resource on this node at all (location). Without it V(always).
    type: str
    choices: [always, never, exclusive]
  score:
    description: How much it weighs, a whole number or V(INFINITY) or V(-INFINITY). A
      colocation without it weighs V(INFINITY).
    type: str
  role:
    description: The role of O(resource) that it is about.
    type: str
    choices: [Started, Stopped, Promoted, Unpromoted]
  with:
    description: The resource to be with (colocation).
    type: str
  with_role:
    description: The role of O(with) (colocation).
    type: str
    choices: [Started, Stopped, Promoted, Unpromoted]
  node_attribute:
    description: The node attribute that has to be the same, instead of the node itself (colocation).
    type: str
  influence:
    description: Whether O(resource) may influence where O(with) runs (colocation).
    type: bool
  first:
    description: The resource that comes first (order).
    type: str
  then:
    description: The resource that comes after it (order).
    type: str
  first_action:
    description: What has to be done with O(first) (order). Without it V(start).
    type: str
    choices: [start, promote, demote, stop]
  then_action:
    description: What is done with O(then) after that (order). Without it the same as O(first_action).
    type: str
    choices: [start, promote, demote, stop]
  kind:
    description: How strictly (order). Without it V(Mandatory).
    type: str
    choices: [Optional, Mandatory, Serialize]
  symmetrical:
    description: Whether the reverse holds for the reverse actions (order). Without it V(true), unless
      O(kind=Serialize).
    type: bool
  require_all:
    description: Whether all instances of a clone have to be done (order). Without it V(true).
    type: bool
  ticket:
    description: The ticket (ticket).
    type: str
  loss_policy:
    description: What happens when the ticket is lost (ticket). Without it V(stop).
    type: str
    choices: [stop, demote, fence, freeze]
  sets:
    description:
      - Sets of resources instead of single ones, each with C(resources) and C(sequential), C(require_all),
        C(action), C(role), C(score).
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: The addresses are where conntrackd is promoted
  linuxha.firewall.cib_constraint:
    type: colocation
    resource: vips
    with: conntrackd-clone
    with_role: Promoted
    score: INFINITY

- name: And they come after the promotion
  linuxha.firewall.cib_constraint:
    type: order
    first: conntrackd-clone
    first_action: promote
    then: vips
    then_action: start

- name: Not where no host of the outer network answers
  linuxha.firewall.cib_constraint:
    id: vips-connected
    type: location
    resource: vips
    rules:
      - rule: not_defined ping-wan or ping-wan lt number 1
        score: -INFINITY
"""

RETURN = r"""
changes:
  description: What was changed, or would be, one line each.
  returned: success or refusal
  type: list
  elements: str
effects:
  description: What running resources get to feel of it, by the scheduler's own words.
  returned: success or refusal
  type: list
  elements: str
  sample: ["restart vip-wan (fw1): resource definition change"]
refused:
  description: The effects that O(allow) does not name. Nothing was changed.
  returned: refusal
  type: list
  elements: str
problems:
  description: Mistakes in what is wanted, each with its path, value, reason and remedy. Nothing was changed.
  returned: mistakes
  type: list
  elements: str
operator:
  description:
    - What an operator has set on the running cluster and this run has left alone, as in M(linuxha.firewall.cib_info).
  returned: success or refusal
  type: dict
attempts:
  description: How often it was decided, as in M(linuxha.firewall.cib).
  returned: success or refusal
  type: int
"""

from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend

_ROLE = {"type": "str", "choices": ["Started", "Stopped", "Promoted", "Unpromoted"]}
_ACTION = {"type": "str", "choices": ["start", "promote", "demote", "stop"]}
OPTIONS = {
    "id": {"type": "str", "aliases": ["name"]},
    "type": {"type": "str", "choices": ["location", "colocation", "order", "ticket"], "required": True},
    "resource": {"type": "str"},
    "pattern": {"type": "str"},
    "node": {"type": "str"},
    "rules": {"type": "list", "elements": "dict"},
    "discovery": {"type": "str", "choices": ["always", "never", "exclusive"]},
    "score": {"type": "str"},
    "role": _ROLE,
    "with": {"type": "str"},
    "with_role": _ROLE,
    "node_attribute": {"type": "str"},
    "influence": {"type": "bool"},
    "first": {"type": "str"},
    "then": {"type": "str"},
    "first_action": _ACTION,
    "then_action": _ACTION,
    "kind": {"type": "str", "choices": ["Optional", "Mandatory", "Serialize"]},
    "symmetrical": {"type": "bool"},
    "require_all": {"type": "bool"},
    "ticket": {"type": "str"},
    "loss_policy": {"type": "str", "choices": ["stop", "demote", "fence", "freeze"]},
    "sets": {"type": "list", "elements": "dict"},
}


def main() -> None:
    module = frontend.CibModule(
        argument_spec={
            **frontend.ARGUMENTS,
            **OPTIONS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    frontend.transact_one(module, "constraints", OPTIONS)


if __name__ == "__main__":
    main()
