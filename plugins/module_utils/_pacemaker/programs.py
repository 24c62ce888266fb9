# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Pacemaker through its own programs. Configurations travel in files that only root can read, never in arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import NOT_FOUND, Answer, Run

# crm_exit_t (crm_error --list): not connected to the cluster; a patch for another version of the CIB.
DISCONNECTED = 102
OLD = 103
DAEMONS = "/usr/lib/pacemaker"
# How crm_verify tells an error: of the schema, with file and line, or of the scheduler, with the function.
_ERROR = re.compile(r"(?:\S+\.xml:\d+: |\(\w+\)\s+error: |error: )(.*)")


class PacemakerError(Exception):
    """A program of Pacemaker failed. The message says which, why and what to look at."""


class NotRunning(PacemakerError):
    """Pacemaker does not run on this node, or is not installed."""


class UnknownAgent(PacemakerError):
    """There is no such agent on this node.

    Attributes:
        known: agents of the same class and provider.
    """

    def __init__(self, message: str, known: Sequence[str]) -> None:
        super().__init__(message)
        self.known = tuple(known)


class Programs:
    """The programs that this package needs.

    Args:
        run: how to run a program.
        directory: where files may be written that nobody else may read.
    """

    def __init__(self, run: Run, directory: str) -> None:
        self._run = run
        self._directory = directory
        self._agents: dict[str, cib.metadata.Agent] = {}
        self._options: dict[str, Mapping[str, cib.metadata.Parameter]] = {}

    # ---- the CIB

    def query(self) -> cib.Document:
        """The CIB of the cluster as it is now.

        Raises:
            NotRunning: the cluster does not run here.
            PacemakerError: the answer is no CIB.
        """
        answer = self._require("cibadmin", "--query")
        try:
            return cib.Document(answer.stdout)
        except cib.DocumentError as problem:
            raise PacemakerError(f"cibadmin --query: {problem}") from problem

    def verify(self, document: cib.Document) -> list[str]:
        """What Pacemaker finds wrong with a configuration: errors only."""
        bare = document.copy()
        status = bare.root.find("status")
        if status is not None:
            # Of what runs it would say more: that what is left of a deleted clone is active twice, for one. The
            # simulation is asked about that, and is the only one that can be allowed it.
            status.clear()
        answer = self._run(["crm_verify", "--xml-file", self._file("verify.xml", bare.text()), "--verbose"])
        if answer.ok:
            return []
        text = answer.stdout + "\n" + answer.stderr
        said = (_ERROR.fullmatch(line.strip()) for line in text.splitlines())
        errors = list(dict.fromkeys(match[1] for match in said if match))
        # Mere warnings end with the same status.
        return errors or ([] if "Warnings found" in text else [answer.reason])

    def simulate(self, document: cib.Document) -> list[cib.effects.Effect]:
        """What the scheduler would do with this configuration and the present state, as far as it disrupts.

        Raises:
            PacemakerError: it cannot say.
        """
        path = self._file("simulate.xml", document.text())
        answer = self._run(["crm_simulate", "--run", "--xml-file", path, "--output-as=xml"])
        try:
            return cib.effects.read(answer.stdout)
        except cib.effects.SimulationError as problem:
            raise PacemakerError(f"crm_simulate: {problem}") from problem

    def commit(self, before: cib.Document, after: cib.Document) -> bool:
        """Make the CIB say what `after` says, if it still is what `before` is.

        Returns:
            False when somebody else changed it in between; nothing was written then.

        Raises:
            PacemakerError: the cluster refused the change.
        """
        wanted = after.copy()
        admin, epoch, _updates = before.version
        for name, value in (("admin_epoch", admin), ("epoch", epoch + 1), ("num_updates", 0)):
            wanted.root.set(name, str(value))
        old, new = self._file("before.xml", before.text()), self._file("after.xml", wanted.text())
        difference = self._run(["crm_diff", "--original", old, "--new", new])
        # Exit status 1 says that the files differ.
        if difference.rc != 1 or not difference.stdout.strip():
            raise PacemakerError(f"crm_diff found no difference to commit: {difference.reason}")
        answer = self._run(["cibadmin", "--patch", "--xml-file", self._file("patch.xml", difference.stdout)])
        if answer.rc == OLD:
            return False
        if not answer.ok:
            raise PacemakerError(f"cibadmin --patch: {answer.reason}; the CIB is unchanged")
        return True

    # ---- metadata

    def agent(self, name: str) -> cib.metadata.Agent:
        """What an agent says of itself.

        Args:
            name: class:provider:type, or class:type.

        Raises:
            UnknownAgent: this node has none of this name.
        """
        if name not in self._agents:
            answer = self._run(["crm_resource", "--show-metadata", name])
            if not answer.ok:
                raise UnknownAgent(f"{name}: {answer.reason}", self._siblings(name))
            self._agents[name] = cib.metadata.read(name, answer.stdout)
        return self._agents[name]

    def _siblings(self, name: str) -> list[str]:
        group = name.rpartition(":")[0]
        answer = self._run(["crm_resource", "--list-agents", group])
        names = [line.strip() for line in answer.stdout.splitlines()]
        return [f"{group}:{item}" for item in names if item and " " not in item]

    def options(self, kind: str) -> Mapping[str, cib.metadata.Parameter]:
        """Options that Pacemaker itself knows.

        Args:
            kind: `cluster` for the properties of the cluster, `fencing` for parameters of every fence device.
        """
        if kind not in self._options:
            self._options[kind] = self._ask_options(kind)
        return self._options[kind]

    def _ask_options(self, kind: str) -> Mapping[str, cib.metadata.Parameter]:
        program = {"cluster": "crm_attribute", "fencing": "crm_resource"}[kind]
        answer = self._run([program, f"--list-options={kind}", "--all", "--output-as=xml"])
        if answer.ok:
            return cib.metadata.read(kind, answer.stdout).parameters
        # Before 2.1.8 only the daemons know their options.
        daemons = {"cluster": ("schedulerd", "controld", "based"), "fencing": ("fenced",)}[kind]
        found: dict[str, cib.metadata.Parameter] = {}
        for daemon in daemons:
            path = f"{DAEMONS}/pacemaker-{daemon}"
            said = self._run([path, "metadata"])
            if said.ok:
                found.update(cib.metadata.read(path, said.stdout).parameters)
        if not found:
            raise PacemakerError(f"no options of the kind {kind!r}: {answer.reason}")
        return found

    # ---- the running cluster

    def status(self) -> cib.ready.Status:
        """The state of the cluster.

        Raises:
            NotRunning: the cluster does not run here.
            PacemakerError: the answer is no status.
        """
        answer = self._run(["crm_mon", "--one-shot", "--inactive", "--output-as=xml"])
        if answer.rc in (DISCONNECTED, NOT_FOUND):
            raise NotRunning(f"crm_mon: {answer.reason}")
        try:
            return cib.ready.read(answer.stdout)
        except cib.ready.StatusError as problem:
            raise PacemakerError(f"{problem} ({answer.reason})") from problem

    def command(self, *argv: str) -> Answer:
        """Any other program of Pacemaker; it must succeed."""
        return self._require(*argv)

    # ---- how

    def _require(self, *argv: str) -> Answer:
        answer = self._run(list(argv))
        if answer.rc in (DISCONNECTED, NOT_FOUND):
            raise NotRunning(f"{' '.join(argv)}: {answer.reason}")
        if not answer.ok:
            raise PacemakerError(f"{' '.join(argv)}: {answer.reason}")
        return answer

    def _file(self, name: str, text: str) -> str:
        path = str(Path(self._directory) / name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path
