# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules on trial on this machine's kernel, in network namespaces that end with their test."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest

from .test_loader import LOADER, Namespace, pytestmark, without_counters

__all__ = ["pytestmark"]

TOKEN = "0123456789abcdef"


class Trial(Namespace):
    """A node with loaded rules, and a candidate beside them."""

    watcher: subprocess.Popen[str] | None = None

    @property
    def candidate(self) -> Path:
        return self.rules.with_name("rules.trial")

    def lay_down(self, files: dict[str, str], seconds: float = 30) -> None:
        self.candidate.mkdir(exist_ok=True)
        order = json.dumps({"token": TOKEN, "seconds": seconds})
        for name, text in {**files, "SHA256SUMS": manifest(files), "trial.json": order}.items():
            (self.candidate / name).write_text(text)

    def start(self) -> None:
        """What the unit does: the process that loads and then watches."""
        environment = {**os.environ, "LINUXHA_RULES": str(self.rules), "LINUXHA_RUN": str(self.state)}
        argv = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", sys.executable, "-B", str(LOADER), "try"]
        before = self.trial()
        self.watcher = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True)

        def begun() -> bool:
            found = self.trial()
            return found["state"] == "trial" and found != before

        wait(lambda: begun() or self.ended())

    def ended(self) -> bool:
        assert self.watcher is not None
        return self.watcher.poll() is not None

    def trial(self) -> dict[str, object]:
        answer = json.loads(self.loader("trial").stdout)
        assert isinstance(answer, dict)
        return answer

    def rules_now(self) -> list[str]:
        return without_counters(self.saved())

    def members(self, name: str) -> list[str]:
        return [line for line in self.run("ipset", "save", name).stdout.splitlines() if line.startswith("add ")]


def wait(condition: Callable[[], bool], timeout: float = 30) -> None:
    limit = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def changed(files: dict[str, str]) -> dict[str, str]:
    return {name: text.replace("--dport 53", "--dport 54") for name, text in files.items()}


@pytest.fixture
def node(tmp_path: Path, files: dict[str, str]) -> Iterator[Trial]:
    made = Trial(tmp_path, files)
    yield made
    if made.watcher is not None:
        made.watcher.kill()
        made.watcher.communicate()
    made.holder.kill()
    made.holder.wait()


@pytest.fixture
def running(node: Trial) -> Trial:
    done = node.loader("load")
    assert done.returncode == 0, done.stderr
    return node


def test_what_nobody_confirms_goes_back(running: Trial, files: dict[str, str]) -> None:
    before, status = running.rules_now(), running.status()
    running.lay_down(changed(files), seconds=5)
    running.start()
    assert "--dport 54" in running.saved()
    assert (running.status()["state"], running.status()["ok"]) == ("trial", False)

    wait(running.ended)

    assert running.rules_now() == before
    assert running.trial()["state"] == "rolled-back"
    after = running.status()
    assert after["ok"]
    assert (after["since"], after["kernel"]) == (status["since"], status["kernel"])
    assert "--dport 53" in (running.rules / "rules.v4").read_text()


def test_what_is_confirmed_stays_and_boots(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files), seconds=30)
    running.start()
    assert "--dport 53" in (running.rules / "rules.v4").read_text(), "a reboot now would come up with the old rules"

    done = running.loader("confirm", TOKEN)

    assert done.returncode == 0, done.stderr
    wait(running.ended)
    assert "--dport 54" in running.saved()
    status = running.status()
    assert status["ok"]
    assert status["generation"]["number"] == 1
    assert "--dport 54" in (running.rules / "rules.v4").read_text()
    assert "--dport 53" in (running.rules.with_name("rules.previous") / "rules.v4").read_text()
    assert not running.candidate.exists()
    assert running.loader("load").stdout == "the rules are loaded already\n"


def test_generations_are_counted(running: Trial, files: dict[str, str]) -> None:
    for number, wanted in enumerate([changed(files), files, changed(files)], start=1):
        running.lay_down(wanted)
        running.start()
        assert running.loader("confirm", TOKEN).returncode == 0
        wait(running.ended)
        assert running.status()["generation"]["number"] == number


def test_the_end_of_the_watcher_takes_the_rules_back(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    running.lay_down(changed(files))
    running.start()
    assert running.watcher is not None
    running.watcher.send_signal(signal.SIGKILL)
    running.watcher.wait()
    assert "--dport 54" in running.saved()

    assert running.loader("end-trial").returncode == 3  # ExecStopPost of the unit

    assert running.rules_now() == before
    assert running.loader("end-trial").returncode == 0


#: The loader on a node whose kernel refuses the IPv6 rules as often as told, and then takes them.
BROKEN = """
import sys
sys.path.insert(0, sys.argv[1])
import linuxha_rules as loader, linuxha_trial as trial
trial.PAUSE_S = 0
left, real = [int(sys.argv[2])], loader.restore
def restore(family, text):
    if family == "ipv6" and left[0]:
        left[0] -= 1
        raise loader.RulesError("ip6tables-restore: busy")
    real(family, text)
loader.restore = restore
sys.exit(loader.main(["linuxha-rules", *sys.argv[3:]]))
"""


def broken(node: Trial, times: int, *argv: str) -> subprocess.CompletedProcess[str]:
    return node.run(sys.executable, "-B", "-c", BROKEN, str(LOADER.parent), str(times), *argv)


def unwatched(node: Trial, files: dict[str, str]) -> None:
    node.lay_down(files)
    node.start()
    assert node.watcher is not None
    node.watcher.kill()
    node.watcher.wait()


def test_a_way_back_that_fails_is_tried_again(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    unwatched(running, changed(files))

    failed = broken(running, 1, "end-trial")

    assert failed.returncode == 1, "systemd tells an error from a way back, and tries again"
    assert "busy" in failed.stderr
    assert (running.trial()["state"], running.trial()["left"]) == ("trial", 0)
    status = running.status()
    assert (status["state"], status["ok"]) == ("trial", False)
    assert "the time is over" in running.loader("confirm", TOKEN).stderr

    assert running.loader("end-trial").returncode == 3
    assert running.rules_now() == before
    assert running.trial()["state"] == "rolled-back"
    assert running.status()["ok"]


def test_the_last_way_back_is_what_boots_or_closed(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    unwatched(running, changed(files))
    shutil.rmtree(running.state / "before")
    for _attempt in range(4):
        assert running.loader("end-trial").returncode == 1
    assert running.loader("end-trial").returncode == 3
    assert running.rules_now() == before
    assert running.status()["ok"]

    unwatched(running, changed(files))
    shutil.rmtree(running.state / "before")
    (running.rules / "rules.v6").write_text("damaged")
    for _attempt in range(5):
        assert running.loader("end-trial").returncode == 1
    assert running.trial()["state"] == "closed"
    assert running.status()["state"] == "closed"
    assert running.saved().count(":FORWARD DROP") == 2


def test_a_stop_stops_although_the_way_back_fails(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    unwatched(running, changed(files))
    assert broken(running, 1, "stop").returncode == 0
    assert running.status()["forwarding"] == {"ipv4": False, "ipv6": False}
    assert running.loader("end-trial").returncode == 3
    assert running.rules_now() == before
    assert running.status()["forwarding"] == {"ipv4": False, "ipv6": False}
    assert running.status()["state"] == "stopped"


#: A confirmation that ends at one of its steps, as a kill would do it; without renameat2(2) when told so.
CUT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import linuxha_rules as loader, linuxha_trial as trial
step, name = sys.argv[2].split(":")
if name == "rename":
    import ctypes, pathlib
    class Libc:
        def renameat2(self, *args):
            return -1
    ctypes.CDLL = lambda *args, **more: Libc()
    left, real = [int(step)], pathlib.Path.rename
    def rename(self, target):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return real(self, target)
    pathlib.Path.rename = rename
elif name == "previous":
    import pathlib
    pathlib.Path.rename = lambda self, target: os._exit(9)
else:
    def error(*args, **more):
        raise OSError("no space left on device")
    setattr({"loader": loader, "trial": trial}[step], name, error)
sys.exit(loader.main(["linuxha-rules", *sys.argv[3:]]))
"""


@pytest.mark.parametrize(
    "cut", ["loader:remember", "0:previous", "0:rename", "1:rename", "2:rename", "3:rename", "trial:load_at_boot"]
)
def test_a_confirmation_that_is_cut_off(running: Trial, files: dict[str, str], cut: str) -> None:
    before = running.rules_now()
    running.lay_down(changed(files))
    running.start()
    cut_off = running.run(sys.executable, "-B", "-c", CUT, str(LOADER.parent), cut, "confirm", TOKEN)
    assert cut_off.returncode != 0
    if running.trial()["state"] == "confirmed":
        assert running.status()["ok"]
        return
    assert running.watcher is not None
    running.watcher.kill()
    running.watcher.wait()
    # Each goes back as it came: where the file system cannot exchange, it cannot then either.
    back = ["-c", CUT, str(LOADER.parent), "99:rename"] if cut.endswith(":rename") else [str(LOADER)]
    done = running.run(sys.executable, "-B", *back, "end-trial")
    assert done.returncode == 3, done.stderr
    assert running.rules_now() == before
    assert "--dport 53" in (running.rules / "rules.v4").read_text(), "what boots is what is in force"
    assert running.status()["ok"]
    assert running.loader("load").stdout == "the rules are loaded already\n"


def test_other_files_than_those_that_were_loaded_are_not_confirmed(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files))
    running.start()
    running.lay_down({**files, "rules.v4": files["rules.v4"].replace("--dport 53", "--dport 55")})
    refused = running.loader("confirm", TOKEN)
    assert refused.returncode != 0
    assert "other files than those on trial" in refused.stderr
    assert "--dport 53" in (running.rules / "rules.v4").read_text()
    assert running.trial()["state"] == "trial"


def test_first_rules_that_were_confirmed_are_not_taken_back(node: Trial, files: dict[str, str]) -> None:
    shutil.rmtree(node.rules)
    node.lay_down(files)
    node.start()
    assert node.loader("confirm", TOKEN).returncode == 0
    wait(node.ended)
    refused = node.loader("rollback", TOKEN)
    assert refused.returncode == 1
    assert "the first rules of this node" in refused.stderr
    assert "run again" in refused.stderr
    assert node.status()["ok"]
    assert (node.rules / "rules.v4").exists()


#: A confirmation on a node with systemd, whose answer is told.
ENABLE = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import linuxha_rules as loader, linuxha_trial as trial
trial.SYSTEMD, trial.UNIT, real = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), loader.run
def run(argv, text=None):
    if argv[0] != "systemctl":
        return real(argv, text)
    if sys.argv[5] == "refuse":
        raise loader.RulesError("systemctl: no")
    print(*argv)
    return ""
loader.run = run
sys.exit(loader.main(["linuxha-rules", "confirm", sys.argv[4]]))
"""


@pytest.mark.parametrize("systemd", ["takes", "refuse", "absent"])
def test_what_is_confirmed_is_enabled_at_once(
    running: Trial, files: dict[str, str], tmp_path: Path, systemd: str
) -> None:
    unit = tmp_path / "linuxha-rules.service"
    if systemd != "absent":
        unit.write_text("")
    running.lay_down(changed(files))
    running.start()
    done = running.run(sys.executable, "-B", "-c", ENABLE, str(LOADER.parent), str(tmp_path), str(unit), TOKEN, systemd)
    assert done.returncode == 0, done.stderr
    assert ("systemctl enable linuxha-rules.service" in done.stdout) == (systemd == "takes")
    assert ("load at no boot" in done.stderr) == (systemd == "refuse")
    assert running.trial()["state"] == "confirmed"


def test_an_order_to_go_back_insists(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    running.lay_down(changed(files))
    running.start()
    assert running.loader("confirm", TOKEN).returncode == 0
    wait(running.ended)
    done = broken(running, 2, "rollback", TOKEN)
    assert done.returncode == 0, done.stderr
    assert running.rules_now() == before
    assert running.status()["ok"]


@pytest.mark.parametrize("order", ["load", "try"])
def test_a_trial_that_nobody_watches_ends_before_anything_else(
    running: Trial, files: dict[str, str], order: str
) -> None:
    before = running.rules_now()
    running.lay_down(changed(files))
    running.start()
    assert running.watcher is not None
    running.watcher.kill()
    running.watcher.wait()
    # Its time is over.
    state = running.state / "trial.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "deadline": 0.0}))
    assert running.trial()["left"] == 0
    assert "--dport 54" in running.saved()
    if order == "load":
        assert running.loader("load").returncode == 0
    else:
        running.lay_down({**files, "rules.v4": files["rules.v4"].replace("--dport 53", "--dport 55")}, seconds=5)
        running.start()
        assert "--dport 55" in running.saved()
        wait(running.ended)
    assert running.rules_now() == before
    assert running.status()["ok"]


def test_the_end_of_a_confirmed_trial_takes_nothing_back(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files))
    running.start()
    assert running.loader("confirm", TOKEN).returncode == 0
    wait(running.ended)
    assert running.loader("end-trial").returncode == 0
    assert "--dport 54" in running.saved()


def test_the_first_rules_go_back_to_what_was_found(node: Trial, files: dict[str, str]) -> None:
    shutil.rmtree(node.rules)
    node.run("iptables", "--append", "INPUT", "--in-interface", "lo", "--jump", "ACCEPT")
    before = node.rules_now()
    node.lay_down(files, seconds=5)
    node.start()
    assert node.status()["forwarding"] == {"ipv4": True, "ipv6": True}

    wait(node.ended)

    # Tables that were not there before are empty, and accept.
    assert [line for line in node.rules_now() if line.startswith("-")] == [
        line for line in before if line.startswith("-")
    ]
    assert "DROP" not in node.saved()
    assert node.status()["forwarding"] == {"ipv4": False, "ipv6": False}
    assert node.status()["state"] == "absent"
    assert not node.rules.exists(), "nothing that nobody confirmed may load at boot"


def test_the_first_rules_are_confirmed(node: Trial, files: dict[str, str]) -> None:
    shutil.rmtree(node.rules)
    node.lay_down(files)
    node.start()
    assert node.loader("confirm", TOKEN).returncode == 0
    assert node.status()["ok"]
    assert not node.rules.with_name("rules.previous").exists()


def test_sets_go_back_with_the_rules(running: Trial, files: dict[str, str]) -> None:
    old = {**files, "ipsets": files["ipsets"] + "create lh4-partners hash:ip family inet\nadd lh4-partners 192.0.2.7\n"}
    running.write(old)
    assert running.loader("load").returncode == 0
    new = {**changed(old), "ipsets": old["ipsets"].replace("192.0.2.7", "192.0.2.8") + "create lh4-more hash:ip\n"}
    running.lay_down(new, seconds=5)
    running.start()
    assert "add lh4-partners 192.0.2.8" in running.members("lh4-partners")

    wait(running.ended)

    assert running.members("lh4-partners") == ["add lh4-partners 192.0.2.7"]
    assert running.run("ipset", "save", "lh4-more").returncode != 0


def test_the_gate_is_nobody_elses(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files), seconds=2)
    running.start()
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        assert running.run("ipset", "add", "linuxha_gate4", half).returncode == 0
    wait(running.ended)
    assert running.status()["gate"]["ipv4"] == "open"


def test_what_the_kernel_refuses_changes_nothing(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    running.lay_down({**files, "rules.v6": files["rules.v6"].replace("-j ACCEPT", "-j NOSUCHTARGET")})
    running.start()
    wait(running.ended)
    assert running.rules_now() == before
    assert running.trial()["state"] == "failed"
    assert "NOSUCHTARGET" in str(running.trial()["reason"])
    assert running.status()["ok"]
    refused = running.loader("confirm", TOKEN)
    assert refused.returncode != 0
    assert "the trial is over" in refused.stderr


def test_back_by_order_before_and_after_the_confirmation(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    for confirmed in (False, True):
        running.lay_down(changed(files))
        running.start()
        if confirmed:
            assert running.loader("confirm", TOKEN).returncode == 0
        assert running.loader("rollback", TOKEN).returncode == 0
        assert running.rules_now() == before
        assert running.status()["ok"]
        assert "--dport 53" in (running.rules / "rules.v4").read_text()
        wait(running.ended)


def test_no_way_back_over_rules_that_came_later(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files))
    running.start()
    assert running.loader("confirm", TOKEN).returncode == 0
    wait(running.ended)
    running.write(files)
    assert running.loader("load").returncode == 0
    refused = running.loader("rollback", TOKEN)
    assert refused.returncode != 0
    assert "other rules were loaded since" in refused.stderr
    assert "--dport 53" in running.saved()


def test_other_orders_during_a_trial(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files))
    running.start()
    for argv, reason in (
        (["load"], "on trial"),
        (["confirm", "wrong"], "no rules are on trial with the token wrong"),
        (["confirm"], "needs the token"),
        (["try"], "is not over"),
    ):
        refused = running.loader(*argv)
        assert refused.returncode != 0
        assert reason in refused.stderr
    assert "--dport 54" in running.saved()
    assert running.loader("rollback", "wrong").stdout == "nothing to take back\n"

    # An emergency wins, and the watcher opens nothing after it.
    assert running.loader("close").returncode == 0
    wait(running.ended)
    assert running.status()["state"] == "closed"
    assert running.saved().count(":FORWARD DROP") == 2
    assert running.loader("confirm", TOKEN).returncode != 0


def test_stop_ends_the_trial(running: Trial, files: dict[str, str]) -> None:
    before = running.rules_now()
    running.lay_down(changed(files))
    running.start()
    assert running.loader("stop").returncode == 0
    assert running.rules_now() == before
    assert running.status()["forwarding"] == {"ipv4": False, "ipv6": False}


#: A process that is named as the server's process for a connection, and confirms from below itself.
BELOW = "import subprocess, sys, time; open('/proc/self/comm', 'w').write('sshd'); print(flush=True); input(); \
done = subprocess.run(sys.argv[1:]); sys.exit(done.returncode)"


def test_a_connection_from_before_the_rules_does_not_count(running: Trial, files: dict[str, str]) -> None:
    running.lay_down(changed(files))
    environment = {**os.environ, "LINUXHA_RULES": str(running.rules), "LINUXHA_RUN": str(running.state)}
    argv = [sys.executable, "-c", BELOW, "nsenter", f"--net=/proc/{running.holder.pid}/ns/net", "--"]
    argv += [sys.executable, "-B", str(LOADER), "confirm", TOKEN]

    def connect() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    old = connect()
    running.start()
    _out, err = old.communicate("\n")
    assert old.returncode != 0
    assert "older than the rules" in err
    assert running.trial()["state"] == "trial"

    new = connect()
    _out, err = new.communicate("\n")
    assert new.returncode == 0, err
    assert running.trial()["state"] == "confirmed"


#: The loader with the legacy backend, whatever iptables-restore stands for here.
LEGACY = """
import importlib.machinery, importlib.util, sys
found = importlib.machinery.SourceFileLoader("loader", sys.argv[1])
loader = importlib.util.module_from_spec(importlib.util.spec_from_loader("loader", found))
found.exec_module(loader)
real = loader.run
def run(argv, text=None):
    return real([argv[0].replace("iptables-restore", "iptables-legacy-restore"), *argv[1:]], text)
loader.run = run
loader.restore("ipv4", "*filter\\n:INPUT ACCEPT [0:0]\\n-A INPUT -i lo -j ACCEPT\\nCOMMIT\\n")
"""


def test_a_held_lock_is_waited_for_and_told(node: Trial, tmp_path: Path) -> None:
    lock = tmp_path / "xtables.lock"
    if node.run("iptables-legacy", "--list-rules").returncode != 0:
        pytest.skip("this kernel has no legacy tables")
    environment = {**os.environ, "XTABLES_LOCKFILE": str(lock)}
    argv = ["nsenter", f"--net=/proc/{node.holder.pid}/ns/net", "--", sys.executable, "-B", "-c", LEGACY, str(LOADER)]
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        loading = subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True)
        assert loading.stderr is not None
        assert "another program holds the xtables lock" in loading.stderr.readline()
        time.sleep(0.5)
        assert loading.poll() is None, "it did not wait"
    _out, err = loading.communicate(timeout=30)
    assert loading.returncode == 0, err
    assert "-A INPUT -i lo -j ACCEPT" in node.run("iptables-legacy", "--list-rules").stdout
