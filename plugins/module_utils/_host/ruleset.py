# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the ruleset module: plan the files, test them, write them, compare the kernel."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result, Runner
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import line_counts, read_text, write_text
from ansible_collections.linuxha.firewall.plugins.module_utils._host.session import Session, current_session, lockout
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import differences

MANIFEST = "SHA256SUMS"
#: Beside the files of a candidate: what the loader needs to know of the trial.
ORDER = "trial.json"
#: Beside confirmed files: which generation they are. The loader writes it; files without a trial are not counted.
GENERATION = "generation.json"


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
        self.trial = int(params.get("trial") or 0)
        self.session = session or current_session()

    def run(self) -> Result:
        wanted = {**self.files, MANIFEST: manifest(self.files)}
        current = {name: read_text(self.directory / name) for name in wanted}
        stale = [name for name in wanted if current[name] != wanted[name]]
        shown = [name for name in stale if name != MANIFEST]
        result: Result = {"changed": False, "changes": [], "tested": False, "status": {}}
        result["trial"] = {"token": "", "seconds": self.trial}
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
            reason = lockout(self.management, self.session) or self._others_trial() or self._test(wanted, result)
            if reason:
                return {"msg": reason, "changed": False, "tested": result["tested"]}
            if not self.check_mode:
                self._install(wanted, stale, result)
        result["changes"] = self._told(current, wanted, shown) if shown else [MANIFEST] if stale else []
        if shown:
            result["diff"].insert(0, {"prepared": "".join(f"{line}\n" for line in result["changes"])})
        result["status"] = self._status()
        result["changes"] += [
            change for change in kernel_changes(result["status"]) if not stale or "newer" not in change
        ]
        result["changed"] = bool(result["changes"])
        return result

    @staticmethod
    def _told(current: Mapping[str, str], wanted: Mapping[str, str], shown: list[str]) -> list[str]:
        """By rules where both sides are rules; a first ruleset, or a change of comments only, by files."""
        told = differences.changes(current, wanted) if current[MANIFEST] else []
        return told or [f"{name}: {line_counts(current[name], wanted[name])}" for name in shown]

    def _install(self, wanted: Mapping[str, str], stale: list[str], result: Result) -> None:
        if self.trial == 0:
            # The manifest last: after a power cut in between the loader refuses the mixture.
            for name in sorted(stale, key=lambda name: name == MANIFEST):
                write_text(self.directory / name, wanted[name], 0o600)
            if (self.directory / GENERATION).exists():
                (self.directory / GENERATION).unlink()
            return
        # Beside the files that boot, which stay until somebody confirms these.
        candidate = self.directory.with_name(self.directory.name + ".trial")
        if candidate.exists():
            shutil.rmtree(candidate)
        result["trial"]["token"] = secrets.token_hex(8)
        for name, text in {**wanted, ORDER: json.dumps(result["trial"])}.items():
            write_text(candidate / name, text, 0o600)

    def _others_trial(self) -> Optional[str]:
        trial = self._status().get("trial") or {}
        left = trial.get("left") or 0
        # One whose time is over is ended by the next.
        if self.check_mode or not (trial.get("state") == "loading" or (trial.get("state") == "trial" and left > 0)):
            return None
        return (
            f"rules are on trial here already, for {left:.0f} s more: another run is at work, or one has died. "
            f"Wait until they are confirmed or gone, or run linuxha-rules rollback {trial.get('token')} on the node."
        )

    def _test(self, wanted: Mapping[str, str], result: Result) -> Optional[str]:
        """The reason why the kernel would not take these files, or None."""
        if not self.loader.exists():
            if self.check_mode:
                return None
            return f"{self.loader} is missing: the rules cannot be tested, so they are not installed"
        with tempfile.TemporaryDirectory(prefix="linuxha-rules-") as name:
            for file, text in wanted.items():
                write_text(Path(name) / file, text, 0o600)
            # A test that is noted spares the next load its own; check mode leaves no notes.
            unnoted = ["unnoted"] if self.check_mode else []
            rc, _out, err = self.run_command([str(self.loader), "check", name, *unnoted])
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
