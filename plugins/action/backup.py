# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: encrypts what a node keeps. What is secret lives in the memory of this process only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, match_encrypt_secret
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import fact
from ansible_collections.linuxha.firewall.plugins.module_utils._backup import archive
from ansible_collections.linuxha.firewall.plugins.module_utils._backup.sources import Source, sources, unasked, unfit

CHECKSUM = ".sha256"
# A node that lies may do it at length.
SHOWN = 5
# The variables that cluster_plan has derived, by the roles that they are for.
ROLES = (
    "base",
    "config_sync",
    "conntrackd",
    "corosync",
    "iptables",
    "keepalived",
    "ocf_agents",
    "pacemaker",
    "takeover",
)


class Stop(Exception):
    """The task ends here; the message says why and what to do."""


def first_of(problems: Iterable[str]) -> str:
    """The first of them, and how many more there are."""
    given = list(problems)
    more = len(given) - SHOWN
    return "; ".join(given[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


class Secretive(ActionBase):
    """An action that has secrets in its hands, and lets none out of them."""

    TRANSFERS_FILES = False

    def _guard(self, sends: bool) -> None:
        """Refuse where Ansible itself would write secrets down.

        Raises:
            Stop: it would.
        """
        if constants.DEFAULT_DEBUG:
            raise Stop("ANSIBLE_DEBUG prints what modules answer, which are secrets here. Unset it.")
        if constants.DEFAULT_KEEP_REMOTE_FILES:
            raise Stop("ANSIBLE_KEEP_REMOTE_FILES leaves modules with their options on the node. Unset it.")
        if sends and not self._is_pipelining_enabled("new"):
            raise Stop(
                "this connection writes modules with their options into a file on the node. Set ansible_pipelining: "
                "true (and take requiretty out of the node's sudoers)."
            )

    def _ask(self, module: str, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module whose answer is nobody's business; with -vvv ssh prints what programs say, unless told not to.

        Raises:
            Stop: it failed.
        """
        # The connection has a context of its own, and it is the one that prints.
        places = (self._task, self._play_context, self._connection._play_context)
        before = [place.no_log for place in places]
        for place in places:
            place.no_log = True
        try:
            found = self._execute_module(
                module_name=f"linuxha.firewall.{module}", module_args=dict(arguments), task_vars=variables
            )
        finally:
            for place, value in zip(places, before, strict=True):
                place.no_log = value
        if "module_stdout" in found:
            # It is not shown: the answer that could not be read may be a half of one with secrets.
            raise Stop(f"{module}: the node gave no answer that can be read (exit status {found.get('rc')}).")
        if found.get("failed") or found.get("unreachable"):
            raise Stop(f"{module}: {' '.join(str(found.get('msg')).split())}")
        answer: dict[str, Any] = plain(found)
        return answer

    def _vault(self) -> VaultLib:
        vault: VaultLib = self._loader._vault
        if not vault.secrets:
            raise Stop(
                "archives are encrypted, and this run has no password. Use --vault-password-file or --ask-vault-pass."
            )
        return vault

    @staticmethod
    def _place(directory: str, identity: Mapping[str, str]) -> Path:
        for key, name in identity.items():
            if not name or name.startswith(".") or "/" in name:
                raise Stop(f"{key}: {name!r} cannot be the name of a directory. Rename it in the inventory.")
        return Path(directory) / identity["cluster"] / identity["node"]

    @staticmethod
    def _identity(variables: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Cluster and name of this host, and its plan. The host of a quorum device is in no cluster."""
        plan = fact(variables, "firewall_plan") or {}
        host = str(variables["inventory_hostname"])
        return {"cluster": str(plan.get("cluster") or "quorum_devices"), "node": host}, plan

    def _load(self, path: Path) -> dict[str, Any]:
        """Decrypt and check an archive.

        Raises:
            Stop: it cannot be used.
        """
        try:
            data = path.read_bytes()
            known = Path(f"{path}{CHECKSUM}")
            listed = known.read_text(encoding="ascii").split()[:1] if known.exists() else []
        except OSError as problem:
            raise Stop(f"{path}: cannot be read: {problem.strerror}.") from problem
        if listed and listed != [hashlib.sha256(data).hexdigest()]:
            raise Stop(f"{path}: is damaged, its checksum is another one. Take another archive.")
        try:
            return archive.parse(self._vault().decrypt(data))
        except AnsibleError as problem:
            reason = "it is damaged, or was encrypted with another vault password"
            raise Stop(f"{path}: cannot be decrypted: {reason}.") from problem
        except archive.ArchiveError as problem:
            raise Stop(f"{path}: {problem}") from problem


class ActionModule(Secretive):
    """One archive of this host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "directory": {"type": "path", "required": True},
                "keep": {"type": "int", "default": 14},
                "host_keys": {"type": "bool", "default": True},
                "paths": {"type": "list", "elements": "str", "default": []},
                "vault_id": {"type": "str"},
            }
        )
        try:
            return {**result, **self._backup(args, task_vars or {})}
        except Stop as problem:
            return {**result, "failed": True, "msg": str(problem)}

    def _backup(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        self._guard(sends=False)
        check = bool(self._task.check_mode)
        identity, plan = self._identity(variables)
        place = self._place(args["directory"], identity)
        vault = self._vault()
        found, left_out = self._collected(sources(args["host_keys"], args["paths"]), not check, variables)
        entries = sorted(found["entries"], key=lambda entry: entry["path"])
        taken = [f"{e['part']}: {e['path']} ({e['size']} bytes)" for e in entries if e["kind"] == "file"]
        cib = self._cib(plan, variables, left_out) if plan.get("topology") == "pacemaker" else None
        taken += ["cib: the configuration of the cluster"] if cib else []
        names = [path.name for path in place.iterdir()] if place.is_dir() else []
        last = archive.newest(names)
        end = {"taken": taken, "left_out": left_out, "archive": str(place / last) if last else ""}
        if check:
            # The content was not read, so it is said what a run takes and not whether there are news.
            gone = archive.expired([*names, self._name()], args["keep"])
            return {**end, "changed": True, "expired": [str(place / name) for name in gone]}
        system = {**found["system"], "ansible": ansible_version}
        made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = archive.build(identity, made_at, system, entries, self._planned(plan, variables), cib)
        try:
            archive.parse(archive.text(made))
        except archive.ArchiveError as problem:
            raise Stop(f"what the node answers makes no archive: {problem}") from problem
        if last and self._same(place / last, made):
            return {**end, "changed": False, "expired": [], "msg": f"nothing new since {last}"}
        secret = match_encrypt_secret(vault.secrets, encrypt_vault_id=args["vault_id"])
        data = vault.encrypt(archive.text(made), secret=secret[1], vault_id=args["vault_id"])
        path = place / self._name()
        self._write(path, data)
        # Read again before an older one goes.
        self._load(path)
        gone = archive.expired([*names, path.name], args["keep"])
        for name in gone:
            (place / name).unlink()
            (place / f"{name}{CHECKSUM}").unlink(missing_ok=True)
        return {**end, "changed": True, "archive": str(path), "expired": [str(place / name) for name in gone]}

    def _collected(
        self, wanted: Sequence[Source], content: bool, variables: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """What the node answers of what it was asked for, and what of that is not taken.

        Raises:
            Stop: it answers something else, which a restore would write as root later.
        """
        asked = [{"path": s.path, "part": s.part, "exclude": list(s.exclude)} for s in wanted]
        found = self._ask("backup_collect", {"sources": asked, "content": content}, variables)
        entries = found.get("entries")
        # What is no list is nothing that was asked for, either.
        found["entries"] = entries if isinstance(entries, list) else [entries]
        if problems := first_of(unasked(found["entries"], wanted)):
            raise Stop(
                f"the node answers what it was not asked for: {problems}. Nothing was written. Find out who else is "
                "root there, and whether it changed while it was read; then run again."
            )
        judged = [(entry, unfit(entry)) for entry in found["entries"]]
        left_out = [*found.get("left_out", []), *(f"{entry['path']}: {reason}" for entry, reason in judged if reason)]
        return {**found, "entries": [entry for entry, reason in judged if not reason]}, left_out

    @staticmethod
    def _name() -> str:
        return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ") + archive.SUFFIX

    def _same(self, path: Path, made: Mapping[str, Any]) -> bool:
        try:
            last = self._load(path)
        except Stop as problem:
            # An archive that cannot be read is no reason not to write one that can.
            self._display.warning(f"the last archive counts for nothing: {problem}")
            return False
        return all(last[key] == made[key] for key in ("digest", "identity", "system"))

    def _cib(self, plan: Mapping[str, Any], variables: Mapping[str, Any], left_out: list[str]) -> dict[str, Any] | None:
        try:
            found = self._ask("cib_info", {"show_secrets": True}, variables)
        except Stop as problem:
            # A node that is down for maintenance has keys all the same.
            left_out.append(f"the configuration of the cluster: {problem}")
            return None
        return {key: found[key] for key in ("configuration", "operator", "owners")}

    @staticmethod
    def _planned(plan: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        facts = variables.get("ansible_facts") or {}
        starts = tuple(f"{role}_" for role in ROLES)
        return {"firewall_plan": plan, "roles": {k: plain(v) for k, v in facts.items() if str(k).startswith(starts)}}

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Whole or not at all, with its checksum, readable for its owner only."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
        for place, content in ((Path(f"{path}{CHECKSUM}"), line.encode()), (path, data)):
            with _beside(place) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
