# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules on trial: they go back by themselves unless they are confirmed over a connection made after they were loaded.

The rules that boot are in RULES and are not touched before the confirmation, so a reboot during the trial comes up with
them. The candidate is beside them. What was in force before the trial, whoever loaded it, is kept in RUN/before.
The process that loads the candidate stays and watches the time; systemd calls end-trial when it dies, so neither a
daemon-reload nor a kill nor a systemd that hangs keeps rules which nobody confirmed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any, Optional

import linuxha_connection as connection
import linuxha_generations as generations
import linuxha_rules as rules

BEFORE = rules.RUN / "before"
STATE = rules.RUN / "trial.json"
POLL_S = 0.2
WENT_BACK = 3  # exit status; 1 is an error, after which systemd tries again
TRIES = 5
PAUSE_S = 1
SYSTEMD = Path("/run/systemd/system")
UNIT = Path("/etc/systemd/system/linuxha-rules.service")


def now() -> float:
    """Seconds since boot, the clock of /proc/PID/stat; nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# --- what is known about the trial -----------------------------------------------------------------------------------


def recall_trial() -> dict[str, Any]:
    """The last trial since boot, with the seconds that are left until the rules go back."""
    trial = {"state": "none", **generations.read_json(STATE)}
    trial["left"] = max(0.0, round(trial["deadline"] - now(), 1)) if trial["state"] == "trial" else None
    return trial


def note(trial: dict[str, Any], state: str, reason: Optional[str] = None) -> None:
    generations.write_json(
        STATE, {**{key: trial[key] for key in trial if key != "left"}, "state": state, "reason": reason}
    )


def pending(trial: dict[str, Any]) -> bool:
    return trial["state"] in ("loading", "trial")


# --- what was in force before ----------------------------------------------------------------------------------------


def keep_before() -> None:
    """Rules, sets, forwarding and the loader's memory, as they are now. The gates belong to who holds the states."""
    shutil.rmtree(BEFORE, ignore_errors=True)
    BEFORE.mkdir(mode=0o700)
    content = {
        "rules": rules.before_loading(rules.read(generations.CANDIDATE)),
        "sets": rules.saved_sets(),
        "forwarding": {family: path.exists() and path.read_text().strip() for family, path in rules.FORWARDING.items()},
        "memory": rules.recall(),
    }
    generations.write_json(BEFORE / "kernel.json", content)


def restore_before() -> list[str]:
    """Everything as it was before the trial; returns what did not work. A part that fails stops no other part."""
    content = generations.read_json(BEFORE / "kernel.json")
    if not content:
        return [f"{BEFORE} is missing: the rules before the trial are unknown"]
    steps = [lambda: rules.load_sets(content["sets"])]
    steps += [lambda family=family, text=text: rules.restore(family, text) for family, text in content["rules"].items()]
    # What the candidate brought is free once no rule refers to it.
    steps += [lambda: rules.forget_sets(rules.wanted_sets(content["sets"])[1])]
    steps += [
        lambda family=family, value=value: restore_forwarding(family, value)
        for family, value in content["forwarding"].items()
        if value
    ]
    problems = []
    for step in steps:
        try:
            step()
        except (rules.RulesError, OSError) as error:
            problems.append(str(error))
    if problems:  # the memory stays that of the trial: nobody may take this for rules that were loaded
        return problems
    memory = content["memory"]
    (rules.RUN / "rules.json").unlink(missing_ok=True)
    if memory:
        generations.write_json(rules.RUN / "rules.json", memory)
        (rules.RUN / "rules.json").chmod(0o644)
    return problems


def restore_forwarding(family: str, value: str) -> None:
    path = rules.FORWARDING[family]
    if path.read_text(encoding="ascii").strip() != value:
        path.write_text(f"{value}\n", encoding="ascii")


def go_back(trial: dict[str, Any], reason: str, state: str = "rolled-back") -> None:
    """Until it has worked the trial is pending, so whoever comes next tries again: systemd, a load, another trial."""
    problems = [*files_back(trial), *restore_before()]
    if not problems:
        note(trial, state, reason)
        print(f"the previous rules are back: {reason}", flush=True)
        return
    # Rules that were confirmed and have to go are on trial again, and the time of all is over.
    trial = {**trial, "tries": trial.get("tries", 0) + 1, "deadline": now()}
    pending_state = "loading" if trial["state"] == "loading" else "trial"
    words = f"not everything went back at attempt {trial['tries']}: {'; '.join(problems)}"
    note(trial, pending_state, f"{reason}; {words}")
    memory = {key: value for key, value in rules.recall().items() if key not in ("state", "since", "reason")}
    if memory:
        rules.remember("trial", reason=words, **memory)
    # Before the first rules there is nothing else to load, and closed would be closed for everybody.
    if trial["tries"] < TRIES or not rules.RULES.is_dir():
        raise rules.RulesError(words)
    last_way(trial, f"{reason}; {words}")


def files_back(trial: dict[str, Any]) -> list[str]:
    """What boots, when the files of this trial are there already; a confirmation can end in between."""
    try:
        generations.mend()
        if generations.generation(rules.RULES).get("token") == trial.get("token"):
            generations.demote()
    except OSError as error:
        return [f"{rules.RULES}: {error}"]
    return []


def last_way(trial: dict[str, Any], reason: str) -> None:
    """What was in force cannot be had any more: what boots instead, else closed."""
    was = generations.read_json(BEFORE / "kernel.json").get("memory", {}).get("state")
    try:
        if was == "closed":
            raise rules.RulesError("the node was closed before the trial")
        directory: Optional[Path] = rules.RULES
        if generations.generation(rules.RULES).get("token") == trial.get("token"):
            directory = generations.former()  # the files could not go back
        if directory is None:
            raise rules.RulesError("there are no rules from before the trial")
        facts = rules.put_in_force(directory)
        if was == "stopped":
            rules.set_forwarding(False)
        rules.remember("stopped" if was == "stopped" else "loaded", **facts)
    except (rules.RulesError, OSError, UnicodeDecodeError) as error:
        if not rules.shut(f"{reason}; {error}"):
            note(trial, "closed", f"{reason}; {error}")
        raise rules.RulesError(f"{reason}; {error}; closed") from error
    note(trial, "rolled-back", f"{reason}; the rules that boot were loaded instead")
    print(f"the rules that boot are loaded: {reason}", flush=True)


# --- commands --------------------------------------------------------------------------------------------------------


def tell_systemd(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.send(text.encode())


def begin() -> dict[str, Any]:
    """Load the candidate; what was in force before is kept."""
    order = generations.read_json(generations.CANDIDATE / generations.ORDER)
    if not order.get("token") or not order.get("seconds"):
        raise rules.RulesError(f"there is nothing to try in {generations.CANDIDATE}")
    before = end_forgotten()
    if pending(before):
        raise rules.RulesError(f"the trial {before['token']} is not over")
    trial = {"token": order["token"], "seconds": float(order["seconds"]), "since": time.time()}
    trial["previous"] = rules.recall().get("policy")
    keep_before()
    note(trial, "loading")  # from here on the end of this process takes back what it did
    try:
        facts = rules.put_in_force(generations.CANDIDATE)
    except (rules.RulesError, OSError, UnicodeDecodeError) as error:
        go_back(trial, str(error), "failed")
        raise rules.RulesError(f"{error}; the rules loaded before are still in force") from error
    loaded = now()
    trial.update(policy=facts["policy"], loaded_at=loaded, deadline=loaded + trial["seconds"], facts=facts)
    rules.remember("trial", reason=f"on trial until confirmed, token {trial['token']}", **facts)
    note(trial, "trial")
    return trial


def try_out() -> int:
    with rules.locked():
        trial = begin()
    print(f"rules on trial for {trial['seconds']:.0f} s, policy {trial['policy']}, token {trial['token']}", flush=True)
    tell_systemd("READY=1")
    while True:
        time.sleep(POLL_S)
        current = recall_trial()
        if current.get("token") != trial["token"] or not pending(current):
            return 0
        if now() >= trial["deadline"]:
            return end(trial["token"], f"nobody confirmed within {trial['seconds']:.0f} s")


def end_forgotten() -> dict[str, Any]:
    """Under the lock: a trial that is over and that nobody watches any more ends now. Who loads would hold the lock."""
    trial = recall_trial()
    if trial["state"] == "loading" or (trial["state"] == "trial" and now() >= trial["deadline"]):
        go_back(trial, "the process that watched the trial is gone")
        trial = recall_trial()
    return trial


def end(token: Optional[str], reason: str) -> int:
    """Go back unless the trial was decided meanwhile; WENT_BACK when it was not."""
    with rules.locked():
        trial = recall_trial()
        if not pending(trial) or token not in (None, trial["token"]):
            return 0
        go_back(trial, reason)
    return WENT_BACK


def end_at_last(token: str, reason: str) -> None:
    """For an order after the confirmation: the process that watched is gone, so nobody else tries again."""
    for _attempt in range(TRIES):
        time.sleep(PAUSE_S)
        try:
            end(token, reason)
        except (rules.RulesError, OSError) as error:
            print(f"linuxha-rules: {error}", file=sys.stderr, flush=True)
        if not pending(recall_trial()):
            return


def confirm(token: str) -> None:
    with rules.locked():
        trial = recall_trial()
        if trial.get("token") != token:
            raise rules.RulesError(f"no rules are on trial with the token {token}")
        if trial["state"] == "confirmed":
            load_at_boot()
            return
        if trial["state"] != "trial":
            raise rules.RulesError(f"the trial is over ({trial['state']}): {trial.get('reason') or 'no reason known'}")
        if not connection.newer_than(trial["loaded_at"]):
            raise rules.RulesError(
                "this connection is older than the rules, or this session does not depend on one (tmux, screen, mosh), "
                "so it does not show that they let you in; log in anew"
            )
        if now() >= trial["deadline"]:
            raise rules.RulesError("the time is over")
        generations.promote(trial["token"], trial["facts"]["files"])
        rules.remember("loaded", **trial["facts"])
        note(trial, "confirmed")
        load_at_boot()
    print("confirmed")


def load_at_boot() -> None:
    """Here, since a play that fails for the sake of another cluster ends before it would do it."""
    if not (SYSTEMD.is_dir() and UNIT.is_file()):
        return
    try:
        rules.run(["systemctl", "enable", UNIT.name])
    except rules.RulesError as error:
        print(f"linuxha-rules: the rules load at no boot: {error}", file=sys.stderr, flush=True)


def rollback(token: str) -> None:
    with rules.locked():
        trial = recall_trial()
        if trial.get("token") != token or trial["state"] not in ("loading", "trial", "confirmed"):
            print("nothing to take back")
            return
        if trial["state"] == "confirmed":
            if rules.recall().get("files") != trial["facts"]["files"]:
                raise rules.RulesError("other rules were loaded since; the way back is a new run")
            if generations.generation(rules.RULES).get("token") != token:
                raise rules.RulesError("other rules were installed since; the way back is a new run")
            if generations.former() is None:
                raise rules.RulesError(
                    f"these are the first rules of this node, and they were confirmed: without {rules.RULES} the next "
                    "boot would close the node for everybody. Correct the inventory and run again, or switch off "
                    "linuxha-rules.service before you remove them by hand"
                )
        go_back(trial, "taken back by order")


def order_back(token: str) -> None:
    try:
        rollback(token)
    except (rules.RulesError, OSError) as error:
        trial = recall_trial()
        if trial.get("token") != token or not pending(trial):
            raise
        print(f"linuxha-rules: {error}", file=sys.stderr, flush=True)
        end_at_last(token, "taken back by order")
        if recall_trial()["state"] != "rolled-back":
            raise


def answer(token: Optional[str]) -> dict[str, Any]:
    """For who has to decide: the state of the trial, and whether the connection of the caller proves anything."""
    trial = recall_trial()
    if token is not None and trial.get("token") != token:
        trial = {"state": "unknown", "reason": "no rules are on trial with this token", "left": None}
    loaded = trial.get("loaded_at")
    trial["fresh"] = loaded is not None and connection.newer_than(loaded)
    return public(trial)


def public(trial: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in trial.items() if key != "facts"}


def make_way(command: str) -> None:
    """Before another order, under the lock: two that decide about the rules at once would leave a mixture."""
    trial = recall_trial() if command == "close" else end_forgotten()
    if not pending(trial):
        return
    if command == "load":
        rules.fail(f"rules are on trial for {trial['left']} s more; confirm or take back: {trial['token']}")
    if command == "close":
        note(trial, "closed", "closed by hand")
    if command == "stop":
        stop_afterwards()
        try:
            go_back(trial, "stopped")
        except rules.RulesError as error:  # it stops forwarding all the same
            print(f"linuxha-rules: {error}", file=sys.stderr, flush=True)


def stop_afterwards() -> None:
    """Whoever goes back later does not switch on what is stopped now."""
    before = generations.read_json(BEFORE / "kernel.json")
    if before:
        before["forwarding"] = {family: value and "0" for family, value in before["forwarding"].items()}
        if before["memory"].get("state") == "loaded":
            before["memory"]["state"] = "stopped"
        generations.write_json(BEFORE / "kernel.json", before)


def main(command: str, arguments: list[str]) -> int:
    token = arguments[0] if arguments else None
    try:
        if command == "try":
            return try_out()
        if command == "end-trial":
            return end(token, "the process that watched the trial ended")
        if command == "trial":
            print(json.dumps(answer(token), sort_keys=True))
        elif token is None:
            rules.fail(f"{command} needs the token of the trial, see linuxha-rules trial")
        elif command == "confirm":
            confirm(token)
        else:
            order_back(token)
    except (rules.RulesError, OSError) as error:
        rules.fail(str(error))
    return 0
