# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: decrypts an archive, judges it, and hands the node what is missing there."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.linuxha.firewall.plugins.action.backup import Secretive, Stop, first_of
from ansible_collections.linuxha.firewall.plugins.module_utils._backup import archive
from ansible_collections.linuxha.firewall.plugins.module_utils._backup.sources import (
    HOST_KEYS,
    KEYS,
    STATE,
    sources,
    unasked,
    unfit,
)

STEPS = ("check", "files", "cib")
# In whose name the configuration of others comes back: not that of site, which deletes what it does not know.
OWNER = "restore"


class ActionModule(Secretive):
    """One step of a restore of this host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "step": {"type": "str", "required": True, "choices": list(STEPS)},
                "directory": {"type": "path", "required": True},
                "archive": {"type": "path"},
                "host_keys": {"type": "bool", "default": False},
                "paths": {"type": "list", "elements": "str", "default": []},
                "accept": {"type": "list", "elements": "str", "choices": list(archive.ACCEPTABLE), "default": []},
                "owner": {"type": "str", "default": "site"},
            }
        )
        try:
            return {**result, **self._restore(args, task_vars or {})}
        except Stop as problem:
            return {**result, "failed": True, "msg": f"{problem} Nothing was restored here."}

    def _restore(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        self._guard(sends=True)
        identity, _plan = self._identity(variables)
        path = Path(args["archive"]) if args["archive"] else self._newest(args["directory"], identity)
        found = self._load(path)
        system = self._ask("backup_collect", {"sources": [], "content": False}, variables)["system"]
        if reasons := archive.foreign(found, identity, system, args["accept"]):
            raise Stop(f"{path}: this archive does not belong here: {'; '.join(reasons)}.")
        end = {"archive": str(path), "made_at": found["made_at"]}
        if args["step"] == "cib":
            return {**end, **self._cib(found, args["owner"], variables)}
        parts = [KEYS, STATE, *([HOST_KEYS] if args["host_keys"] else [])]
        # What site makes is in the archive to be read, and has no business on the node.
        entries = [entry for entry in found["entries"] if entry["part"] in parts]
        wanted = sources(True, args["paths"])
        judged = ((entry["path"], unfit(entry)) for entry in entries)
        if problems := first_of([*unasked(entries, wanted), *(f"{name!r} is {why}" for name, why in judged if why)]):
            raise Stop(
                f"{path}: holds what must not be written here: {problems}. The node itself said this when the archive "
                "was made. Take an archive from before it was in other hands; a file of yours belongs into "
                "firewall_backup_paths."
            )
        given = {"archive": base64.b64encode(json.dumps(entries).encode()).decode(), "parts": parts}
        done = self._placed(given, args["step"] == "check", variables)
        changed = done["changed"] and args["step"] == "files"
        return {**end, "changed": changed, "paths": done["paths"], "kept": done["kept"]}

    def _placed(self, given: Mapping[str, Any], check: bool, variables: Mapping[str, Any]) -> dict[str, Any]:
        before = self._task.check_mode
        self._task.check_mode = before or check
        try:
            return self._ask("backup_place", given, variables)
        finally:
            self._task.check_mode = before

    def _newest(self, directory: str, identity: Mapping[str, str]) -> Path:
        place = self._place(directory, identity)
        name = archive.newest(path.name for path in place.iterdir()) if place.is_dir() else None
        if name is None:
            raise Stop(f"{place}: there is no archive of this node. Is firewall_backup_directory right?")
        return place / name

    def _cib(self, found: Mapping[str, Any], owner: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        wanted = archive.added(found["cib"] or {}, owner)
        if not wanted:
            return {"changed": False, "changes": []}
        done = self._ask("cib", {**wanted, "owner": OWNER, "wait": 60}, variables)
        return {"changed": done["changed"], "changes": done["changes"]}
