# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the ruleset module: plan the files, test them, write them, compare the kernel."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result, Runner
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import line_counts, read_text, write_text
from ansible_collections.linuxha.firewall.plugins.module_utils._host.session import Session, current_session, lockout

MANIFEST = "SHA256SUMS"


def manifest(files: Mapping[str, str]) -> str:
    """In the format of sha256sum, so that an operator can check it by hand."""
    return "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items()))


def kernel_changes(status: Mapping[str, Any]) -> list[str]:
    """Reasons to load, out of the loader's status."""
    if not status or status.get("ok"):
        return []
    state = status.get("state")
    if state != "loaded":
        reason = status.get("reason")
        return [f"the rules are not loaded (state {state}{': ' + str(reason) if reason else ''})"]
    changes = [
        f"{family}: the kernel holds other rules than were loaded"
        for family, drift in sorted(status.get("drift", {}).items())
        if drift
    ]
    if status.get("files_differ"):
        changes.append("the files are newer than the rules in the kernel")
    changes += [f"{family}: forwarding is off" for family, on in sorted(status.get("forwarding", {}).items()) if not on]
    return changes


class Installer:
    def __init__(
        self, params: Mapping[str, Any], run: Runner, check_mode: bool, session: Optional[Session] = None
    ) -> None:
        self.directory = Path(params["directory"])
        self.loader = Path(params["loader"])
        self.files = {str(name): str(text) for name, text in params["files"].items()}
        self.management = params.get("management") or {}
        self.run_command = run
        self.check_mode = check_mode
        self.session = session or current_session()

    def run(self) -> Result:
        wanted = {**self.files, MANIFEST: manifest(self.files)}
        current = {name: read_text(self.directory / name) for name in wanted}
        stale = [name for name in wanted if current[name] != wanted[name]]
        shown = [name for name in stale if name != MANIFEST]
        result: Result = {"changed": False, "changes": [], "tested": False, "status": {}}
        result["diff"] = [
            {
                "before": current[name],
                "after": wanted[name],
                "before_header": str(self.directory / name),
                "after_header": str(self.directory / name),
            }
            for name in shown
        ]
        if stale:
            reason = lockout(self.management, self.session) or self._test(wanted, result)
            if reason:
                return {"msg": reason, "changed": False, "tested": result["tested"]}
            if not self.check_mode:
                # The manifest last: after a power cut in between the loader refuses the mixture.
                for name in sorted(stale, key=lambda name: name == MANIFEST):
                    write_text(self.directory / name, wanted[name], 0o600)
        result["changes"] = [f"{name}: {line_counts(current[name], wanted[name])}" for name in shown]
        result["changes"] += [MANIFEST] if stale and not shown else []
        result["status"] = self._status()
        result["changes"] += [
            change for change in kernel_changes(result["status"]) if not stale or "newer" not in change
        ]
        result["changed"] = bool(result["changes"])
        return result

    def _test(self, wanted: Mapping[str, str], result: Result) -> Optional[str]:
        """The reason why the kernel would not take these files, or None."""
        if not self.loader.exists():
            if self.check_mode:
                return None
            return f"{self.loader} is missing: the rules cannot be tested, so they are not installed"
        with tempfile.TemporaryDirectory(prefix="linuxha-rules-") as name:
            for file, text in wanted.items():
                write_text(Path(name) / file, text, 0o600)
            rc, _out, err = self.run_command([str(self.loader), "check", name])
        if (
            rc != 0
            and self.check_mode
            and not shutil.which("iptables-restore", path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
        ):
            return None
        result["tested"] = True
        if rc == 0:
            return None
        return f"the kernel does not take these rules, nothing was installed: {' '.join(err.split())}"

    def _status(self) -> dict[str, Any]:
        if not self.loader.exists():
            return {}
        _rc, out, _err = self.run_command([str(self.loader), "status"])
        try:
            answer = json.loads(out)
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}
