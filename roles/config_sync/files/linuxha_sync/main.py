# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Keeps declared files equal on the nodes of a cluster.

linuxha-sync run [--cause TEXT]        look, publish, ask the peers, take what is newer
linuxha-sync status [--json]           how it is; exit 0 only when in step
linuxha-sync history [--json] PATH     former versions of a file, the latest first
linuxha-sync restore PATH VERSION      the way back to one; VERSION "current": what is here wins an open conflict
linuxha-sync check                     whether the settings are valid
linuxha-sync gate                      the forced command of the peers' key
linuxha-sync watch                     ask for a run whenever something changes, without an end
"""

from __future__ import annotations

import json
import os
import sys
from typing import List, Optional, Sequence

from . import gate, restore, status
from .fetch import Peers
from .layout import Layout, Step, SyncError, locked, no_step
from .run import Run
from .settings import Settings, SettingsError, parse
from .store import Store
from .watch import watch

LOCK_WAIT_S = 60


def read_settings(layout: Layout) -> Settings:
    try:
        return parse(layout.settings.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(error)) from error


def run(layout: Layout, cause: str, shell: Optional[Sequence[str]] = None, step: Step = no_step) -> int:
    settings = read_settings(layout)
    store = Store(layout, settings, step)
    # Set by systemd: the timer starts the same service as the path unit.
    patient = os.environ.get("TRIGGER_UNIT", "").endswith(".path")
    with locked(layout, LOCK_WAIT_S):
        return Run(settings, store, Peers(settings, store, shell), patient=patient).whole(cause)


def show_status(layout: Layout, options: List[str]) -> int:
    content = status.merged(layout)
    print(json.dumps(content, sort_keys=True) if "--json" in options else "\n".join(status.lines(content)))
    return 0 if content["in_step"] else 1


def show_history(layout: Layout, options: List[str], path: str) -> int:
    found = restore.history(Store(layout, read_settings(layout)), path)
    if "--json" in options:
        print(json.dumps(found, sort_keys=True))
    else:
        for item in found:
            print(f"{item['id']}  replaced {item['replaced']}  {item['size']} bytes  {item['reason']}")
    return 0


def go_back(layout: Layout, path: str, identity: str, shell: Optional[Sequence[str]] = None) -> int:
    settings = read_settings(layout)
    store = Store(layout, settings)
    with locked(layout, LOCK_WAIT_S):
        restore.restore(settings, store, path, identity)
        return Run(settings, store, Peers(settings, store, shell)).whole(f"restore {path}")


def main(arguments: List[str]) -> int:
    layout = Layout.here()
    command, rest = ([*arguments, ""])[0], arguments[1:]
    words = [word for word in rest if not word.startswith("--")]
    options = [word for word in rest if word.startswith("--")]
    try:
        if command == "gate":
            return gate.main(Layout(), rest)
        os.umask(0o077)
        if command == "run" and (not rest or (len(rest) == 2 and rest[0] == "--cause")):
            return run(layout, rest[1] if rest else "by hand")
        if command == "status" and not words and set(options) <= {"--json"}:
            return show_status(layout, options)
        if command == "history" and len(words) == 1 and set(options) <= {"--json"}:
            return show_history(layout, options, words[0])
        if command == "restore" and len(words) == 2 and not options:
            return go_back(layout, words[0], words[1])
        if command == "watch" and not rest:
            watch(layout, read_settings(layout))
        if command == "check" and not rest:
            settings = read_settings(layout)
            print(f"{layout.settings}: {len(settings.entries)} entries, {len(settings.peers)} peers")
            return 0
    except SettingsError as error:
        for line in str(error).splitlines():
            print(f"linuxha-sync: {layout.settings}: {line}", file=sys.stderr)
        return 2
    except (SyncError, OSError) as error:
        print(f"linuxha-sync: {error}", file=sys.stderr)
        return 1
    print((__doc__ or "").strip(), file=sys.stdout if command in ("-h", "--help") else sys.stderr)
    return 0 if command in ("-h", "--help") else 2
