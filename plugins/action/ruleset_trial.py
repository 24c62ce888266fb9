# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: talks to a node whose rules are on trial, over connections that are made for this only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils._host import trial

# The first value of an option is the one that ssh takes (ssh_config(5)), so these come first. `none` stands against
# a control path of Ansible, of the inventory and of ssh_config. A node that takes the connection and then says
# nothing has to be told from a slow one before the time is over.
NEW = "-o ControlMaster=no -o ControlPath=none -o ControlPersist=no -o ServerAliveInterval=2 -o ServerAliveCountMax=3"
CONNECT_S = 5
PAUSE_S = 0.3
STEPS = ("reach", "ask", "confirm", "settle")


class ActionModule(ActionBase):
    """One step of a trial, for this host; the answers of the others come from the steps before."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "step": {"type": "str", "required": True, "choices": list(STEPS)},
                "trial": {"type": "dict", "required": True},
                "nodes": {"type": "list", "elements": "str", "default": []},
                "answers": {"type": "str", "default": ""},
                "patience": {"type": "float", "default": 15},
                "loader": {"type": "str", "default": "/usr/local/sbin/linuxha-rules"},
            }
        )
        variables = task_vars or {}
        self.loader = args["loader"]
        self.token = str(args["trial"].get("token") or "")
        self.seconds = float(args["trial"].get("seconds") or 0)
        host = str(variables["inventory_hostname"])
        nodes = [str(node) for node in args["nodes"]] or [host]
        result.update(changed=False, ok=True, reason="", remedy="")
        if args["step"] == "reach":
            return {**result, **self._reach(host, nodes, args["patience"])}
        if args["step"] == "ask":
            return {**result, **self._ask(args["patience"]).plain()}
        answers = {node: plain(variables["hostvars"][node].get(args["answers"])) for node in nodes}
        lines = trial.problems(nodes, answers)
        if args["step"] == "confirm":
            return {**result, **self._confirm(lines, host)}
        return {**result, **self._settle(lines, nodes, host, answers)}

    def _reach(self, host: str, nodes: list[str], patience: float) -> dict[str, Any]:
        answer = self._ask(patience)
        if answer.ok:
            return answer.plain()
        lines = trial.problems([host], {host: answer.plain()})
        if answer.reached:
            refused, heard = self._take_back()
            lines += [trial.stays(host, refused)] if refused and heard else []
        return {**answer.plain(), "failed": True, "msg": trial.message(lines, nodes, self.seconds)}

    def _ask(self, patience: float) -> trial.Answer:
        """Ask until there is a final answer, each time over another connection."""
        if not self.token:
            return trial.Answer(True)
        end = time.monotonic() + patience
        while True:
            answer = self._answer()
            if not answer.wait or time.monotonic() > end:
                return answer
            time.sleep(PAUSE_S)

    def _answer(self) -> trial.Answer:
        try:
            done = self._execute("trial")
        except AnsibleError as error:
            return trial.unreachable(str(error))
        return trial.read(done["rc"], done["stdout"], done["stderr"])

    def _confirm(self, lines: list[str], host: str) -> dict[str, Any]:
        if lines:
            refused, heard = self._take_back()
            if refused and heard:
                lines = [*lines, trial.stays(host, refused)]
            return {"ok": False, "reason": "taken back, since not all nodes answered", "lines": lines}
        if not self.token:
            return {}
        try:
            done = self._execute("confirm")
        except AnsibleError as error:
            return {**trial.unreachable(str(error)).plain(), "unsure": True}
        if done["rc"] == 255:
            return {**trial.unreachable(done["stderr"]).plain(), "unsure": True}
        if done["rc"] != 0:
            words = " ".join(str(done["stderr"]).split())
            return {"ok": False, "reason": f"did not confirm: {words}", "remedy": trial.REMEDY_LATE}
        return {"changed": True}

    def _settle(
        self, lines: list[str], nodes: list[str], host: str, answers: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        if not lines:
            return {}
        open_ends = trial.unsure(nodes, answers)
        refused, heard = self._take_back()
        confirmed = (answers.get(host) or {}).get("ok") and bool(self.token)
        if not refused:
            open_ends = [node for node in open_ends if node != host]
        elif heard or confirmed:
            # The clock of a node that has confirmed does nothing any more.
            open_ends += [host] * (host not in open_ends)
            lines = [*lines, trial.stays(host, refused)]
        message = trial.message(lines, nodes, self.seconds, open_ends)
        return {"ok": False, "failed": True, "msg": message}

    def _take_back(self) -> tuple[str, bool]:
        """At once where the node can be reached. Returns why it did not go back, and whether the node said so itself.

        A node that cannot be reached and has not confirmed goes back by its own clock.
        """
        if not self.token:
            return "", True
        try:
            done = self._execute("rollback")
        except AnsibleError as error:
            self._display.vv(f"the node cannot be told to go back: {error}")
            return trial.unreachable(str(error)).reason, False
        if done["rc"] == 0:
            return "", True
        if done["rc"] == 255:
            return trial.unreachable(done["stderr"]).reason, False
        return " ".join(str(done["stderr"] or done["stdout"]).split()) or f"exit status {done['rc']}", True

    def _execute(self, order: str) -> Mapping[str, Any]:
        with self._new_connection():
            done: Mapping[str, Any] = self._low_level_execute_command(f"{self.loader} {order} {self.token}")
            return done

    @contextmanager
    def _new_connection(self) -> Iterator[None]:
        """What is executed inside goes over a connection of its own. The node checks it, this only makes it likely.

        The ssh plugin starts one ssh for each command, which shares a connection only when its options say so. Other
        plugins that keep a connection get a new one by reset().
        """
        connection = self._connection
        if connection.has_option("ssh_args"):
            before = {name: connection.get_option(name) for name in ("ssh_args", "timeout")}
            connection.set_option("ssh_args", f"{NEW} {before['ssh_args'] or ''}")
            connection.set_option("timeout", min(int(before["timeout"] or CONNECT_S), CONNECT_S))
            try:
                yield
            finally:
                for name, value in before.items():
                    connection.set_option(name, value)
            return
        if type(connection).reset is not ConnectionBase.reset:
            connection.reset()
        yield
