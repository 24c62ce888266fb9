# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The loader on this machine's kernel, in network namespaces that end with their test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest

LOADER = Path(__file__).parents[3] / "roles" / "iptables" / "files" / "linuxha_rules.py"

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace"),
    pytest.mark.skipif(not shutil.which("iptables-restore", path="/usr/sbin:/sbin"), reason="needs iptables"),
    pytest.mark.skipif(not shutil.which("ipset", path="/usr/sbin:/sbin"), reason="needs ipset"),
]


class Namespace:
    """A network namespace held by a sleeping process, and the loader's directories for it."""

    def __init__(self, directory: Path, files: dict[str, str]) -> None:
        self.rules, self.state = directory / "rules", directory / "run"
        self.rules.mkdir()
        self.write(files)
        self.holder = subprocess.Popen(["unshare", "--net", "--", "sleep", "300"])
        own = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self.holder.pid}/ns/net").readlink() == own:
            assert self.holder.poll() is None

    def write(self, files: dict[str, str]) -> None:
        for name, text in {**files, "SHA256SUMS": manifest(files)}.items():
            (self.rules / name).write_text(text)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LINUXHA_RULES": str(self.rules), "LINUXHA_RUN": str(self.state)}
        environment["PATH"] = "/usr/sbin:/sbin:" + os.environ["PATH"]
        command = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", *argv]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def loader(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-B", str(LOADER), *arguments)

    def status(self) -> dict[str, Any]:
        answer = json.loads(self.loader("status").stdout)
        assert isinstance(answer, dict)
        return answer

    def saved(self) -> str:
        return self.run("iptables-save").stdout + self.run("ip6tables-save").stdout


@pytest.fixture
def node(tmp_path: Path, files: dict[str, str]) -> Iterator[Namespace]:
    namespace = Namespace(tmp_path, files)
    yield namespace
    namespace.holder.kill()
    namespace.holder.wait()


def without_counters(text: str) -> list[str]:
    return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]


def test_both_families_are_loaded_and_then_forwarding_is_on(node: Namespace) -> None:
    assert node.status()["forwarding"] == {"ipv4": False, "ipv6": False}
    done = node.loader("load")
    assert done.returncode == 0, done.stderr
    status = node.status()
    assert status["ok"]
    assert status["forwarding"] == {"ipv4": True, "ipv6": True}
    assert status["gate"] == {"ipv4": "closed", "ipv6": "closed"}


def test_a_second_load_does_nothing(node: Namespace) -> None:
    node.loader("load")
    since = node.status()["since"]
    assert "already" in node.loader("load").stdout
    assert node.status()["since"] == since


def test_a_reload_leaves_the_gate_as_it_is(node: Namespace, files: dict[str, str]) -> None:
    node.loader("load")
    for half in ("0.0.0.0/1", "128.0.0.0/1"):
        assert node.run("ipset", "add", "linuxha_gate4", half).returncode == 0
    node.write({**files, "rules.v4": files["rules.v4"].replace("--dport 53", "--dport 54")})
    assert node.loader("load").returncode == 0
    assert node.status()["gate"] == {"ipv4": "open", "ipv6": "closed"}
    assert "--dport 54" in node.saved()


def test_a_change_from_outside_is_seen_and_mended(node: Namespace) -> None:
    node.loader("load")
    node.run("iptables", "--delete", "FORWARD", "1")
    assert node.status()["drift"] == {"ipv4": True, "ipv6": False}
    assert node.loader("load").returncode == 0
    assert node.status()["ok"]


def test_counters_are_no_change(node: Namespace) -> None:
    node.loader("load")
    node.run("ip", "link", "set", "lo", "up")
    node.run("ping", "-c", "1", "127.0.0.1")
    assert node.status()["ok"]


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6", "ipsets"])
def test_a_damaged_file_at_boot_closes_the_node(node: Namespace, name: str) -> None:
    # After the first COMMIT, where iptables-restore alone would load the rest of the file without a word.
    text = (node.rules / name).read_text()
    (node.rules / name).write_text(text[: max(text.find("COMMIT") + 7, 10)])
    done = node.loader("load")
    assert done.returncode != 0
    assert "damaged" in done.stderr
    status = node.status()
    assert (status["state"], status["forwarding"]) == ("closed", {"ipv4": False, "ipv6": False})
    assert node.saved().count(":FORWARD DROP") == 2
    assert "-A INPUT -s 203.0.113.0/26 -i eth0 -p tcp -m tcp --dport 22" in node.saved()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("linuxha_gate4", "no_such_set"),
        ("-d 198.51.100.80 ", "-d www.example.invalid "),
        ("-j ACCEPT", "-j NOSUCHTARGET"),
    ],
)
def test_rules_the_kernel_refuses_close_the_node_at_boot(
    node: Namespace, files: dict[str, str], old: str, new: str
) -> None:
    node.write({**files, "rules.v4": files["rules.v4"].replace(old, new)})
    assert node.loader("load").returncode != 0
    assert node.status()["state"] == "closed"
    assert not any(node.status()["forwarding"].values())


def test_even_without_any_file_the_node_is_closed(node: Namespace) -> None:
    shutil.rmtree(node.rules)
    assert node.loader("load").returncode != 0
    assert node.saved().count(":FORWARD DROP") == 2
    assert node.status()["state"] == "closed"


def test_a_failed_reload_keeps_both_families_and_forwarding(node: Namespace, files: dict[str, str]) -> None:
    node.loader("load")
    before = without_counters(node.saved())
    changed = {
        "rules.v4": files["rules.v4"].replace("--dport 53", "--dport 54"),
        "rules.v6": files["rules.v6"].replace("-j ACCEPT", "-j NOSUCHTARGET"),
    }
    node.write({**files, **changed})
    done = node.loader("load")
    assert done.returncode != 0
    assert "still in force" in done.stderr
    assert without_counters(node.saved()) == before
    assert node.status()["forwarding"] == {"ipv4": True, "ipv6": True}


#: Runs the loader with a restore of one family that fails so many times, after the test load has passed.
FAILING = """
import importlib.machinery, importlib.util, sys
found = importlib.machinery.SourceFileLoader("loader", sys.argv[1])
loader = importlib.util.module_from_spec(importlib.util.spec_from_loader("loader", found))
found.exec_module(loader)
real, failed = loader.restore, []
def restore(family, text):
    if family == sys.argv[2] and len(failed) < int(sys.argv[3]):
        failed.append(family)
        raise loader.RulesError("the kernel says no")
    real(family, text)
loader.restore = restore
sys.exit(loader.main(["loader", "load"]))
"""


def other_rules(files: dict[str, str]) -> dict[str, str]:
    return {**files, **{name: files[name].replace("--dport 53", "--dport 54") for name in ("rules.v4", "rules.v6")}}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_if_one_family_fails_in_the_kernel_the_other_goes_back(
    node: Namespace, files: dict[str, str], family: str
) -> None:
    node.loader("load")
    before = without_counters(node.saved())
    node.write(other_rules(files))
    done = node.run(sys.executable, "-B", "-c", FAILING, str(LOADER), family, "1")
    assert done.returncode != 0
    assert "the kernel says no" in done.stderr
    assert "still in force" in done.stderr
    assert without_counters(node.saved()) == before
    assert node.status()["forwarding"] == {"ipv4": True, "ipv6": True}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_if_it_does_not_come_back_either_the_node_closes(node: Namespace, files: dict[str, str], family: str) -> None:
    """The families would be of two policies."""
    node.loader("load")
    node.write(other_rules(files))
    done = node.run(sys.executable, "-B", "-c", FAILING, str(LOADER), family, "2")
    assert done.returncode != 0
    assert f"the {family} rules before did not come back" in done.stderr
    assert "closed: nothing is forwarded" in done.stderr
    assert "f-lan.wan" not in node.saved()
    assert node.status()["forwarding"] == {"ipv4": False, "ipv6": False}


def test_stop_keeps_the_rules(node: Namespace) -> None:
    node.loader("load")
    before = without_counters(node.saved())
    assert node.loader("stop").returncode == 0
    assert without_counters(node.saved()) == before
    assert node.status()["forwarding"] == {"ipv4": False, "ipv6": False}
    assert node.loader("load").returncode == 0
    assert node.status()["ok"]


def test_close_drops_everything_by_hand(node: Namespace) -> None:
    node.loader("load")
    assert node.loader("close").returncode == 0
    assert node.status()["state"] == "closed"
    assert "f-lan.wan" not in node.saved()


def test_rules_in_the_other_backend_are_refused(node: Namespace) -> None:
    tool = "iptables-legacy" if node.status()["backend"] == "nft" else "iptables-nft"
    if node.run(tool, "--append", "FORWARD", "--jump", "DROP").returncode != 0:
        pytest.skip(f"this kernel has no {tool}")
    done = node.loader("load")
    assert done.returncode != 0
    assert "backend" in done.stderr


def test_the_check_touches_nothing(node: Namespace) -> None:
    assert node.loader("check", str(node.rules), "unnoted").returncode == 0
    assert not (node.state / "tested.json").exists()
    assert "-A" not in node.saved()
    assert node.status()["state"] == "absent"


#: Runs the loader without a kernel that takes anything on trial.
NO_TEST = """
import importlib.machinery, importlib.util, sys
found = importlib.machinery.SourceFileLoader("loader", sys.argv[1])
loader = importlib.util.module_from_spec(importlib.util.spec_from_loader("loader", found))
found.exec_module(loader)
def check(directory):
    raise loader.RulesError("tested")
loader.check_in_namespace = check
sys.exit(loader.main(["loader", "load"]))
"""


def test_what_was_tested_since_boot_is_not_tested_again(node: Namespace, files: dict[str, str]) -> None:
    def tested() -> bool:
        done = node.run(sys.executable, "-B", "-c", NO_TEST, str(LOADER))
        assert (done.returncode == 0) != ("tested" in done.stderr), done.stderr
        return done.returncode != 0

    assert tested(), "nobody has tested it yet"
    assert node.loader("check", str(node.rules)).returncode == 0
    assert not tested()
    node.write({**files, "rules.v4": files["rules.v4"].replace("--dport 53", "--dport 54")})
    assert tested(), "other content"
    assert node.loader("check", str(node.rules)).returncode == 0
    note = json.loads((node.state / "tested.json").read_text())
    note["programs"][0][1] += 1
    (node.state / "tested.json").write_text(json.dumps(note))
    assert tested(), "other programs"
    (node.state / "tested.json").unlink()
    assert tested(), "a reboot"


@pytest.fixture
def rich_node(tmp_path: Path, rich: dict[str, str]) -> Iterator[Namespace]:
    namespace = Namespace(tmp_path, rich)
    yield namespace
    namespace.holder.kill()
    namespace.holder.wait()


def own_sets(node: Namespace) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in node.run("ipset", "save").stdout.splitlines():
        word, name, *rest = line.split()
        if name.startswith("lh"):
            found.setdefault(name, set()).update(rest[:1] if word == "add" else ())
    return found


def other_content(rich: dict[str, str]) -> tuple[dict[str, str], str, str]:
    """The same files with one set of other content and so of another name; the old and the new name."""
    old = next(line.split()[1] for line in rich["ipsets"].splitlines() if line.startswith("create lh4-office"))
    new = "lh4-office-000000000000"
    ipsets = rich["ipsets"].replace(old, new) + f"add {new} 192.0.2.77\n"
    return {**rich, "ipsets": ipsets, "rules.v4": rich["rules.v4"].replace(old, new)}, old, new


def test_the_whole_language_is_taken_by_the_kernel(rich_node: Namespace, rich: dict[str, str]) -> None:
    done = rich_node.loader("load")
    assert done.returncode == 0, done.stderr
    assert rich_node.status()["ok"]
    wanted = {line.split()[1] for line in rich["ipsets"].splitlines() if line.startswith("create lh")}
    assert set(own_sets(rich_node)) == wanted
    assert all(own_sets(rich_node).values())
    assert "already" in rich_node.loader("load").stdout


def test_new_content_is_a_new_set_and_the_old_one_goes(rich_node: Namespace, rich: dict[str, str]) -> None:
    rich_node.loader("load")
    files, old, new = other_content(rich)
    rich_node.write(files)
    done = rich_node.loader("load")
    assert done.returncode == 0, done.stderr
    assert old not in own_sets(rich_node)
    assert "192.0.2.77" in own_sets(rich_node)[new]
    assert rich_node.status()["ok"]


def test_a_failed_reload_leaves_the_sets_as_they_were(rich_node: Namespace, rich: dict[str, str]) -> None:
    rich_node.loader("load")
    before = own_sets(rich_node), without_counters(rich_node.saved())
    files, _old, _new = other_content(rich)
    rich_node.write(files)
    done = rich_node.run(sys.executable, "-B", "-c", FAILING, str(LOADER), "ipv6", "1")
    assert done.returncode != 0
    assert (own_sets(rich_node), without_counters(rich_node.saved())) == before


def test_a_set_changed_by_others_is_drift_and_mended_under_the_rules(rich_node: Namespace) -> None:
    rich_node.loader("load")
    before = own_sets(rich_node)
    name = next(name for name in before if name.startswith("lh4-office"))
    assert rich_node.run("ipset", "add", name, "192.0.2.66").returncode == 0
    assert rich_node.status()["drift"] == {"ipv4": True, "ipv6": False}
    assert rich_node.loader("load").returncode == 0
    assert own_sets(rich_node) == before
    assert rich_node.status()["ok"]


def test_a_set_that_others_use_stays(rich_node: Namespace, rich: dict[str, str]) -> None:
    rich_node.loader("load")
    files, old, _new = other_content(rich)
    used = ["iptables", "--table", "mangle", "--append", "FORWARD", "-m", "set", "--match-set", old, "src"]
    assert rich_node.run(*used).returncode == 0
    rich_node.write(files)
    done = rich_node.loader("load")
    assert done.returncode == 0
    assert old in done.stderr
    assert old in own_sets(rich_node)
    used[3] = "--delete"
    assert rich_node.run(*used).returncode == 0
    assert rich_node.loader("load").returncode == 0


def test_sets_of_others_are_left_alone(rich_node: Namespace) -> None:
    assert rich_node.run("ipset", "create", "mine", "hash:ip").returncode == 0
    assert rich_node.loader("load").returncode == 0
    assert "create mine" in rich_node.run("ipset", "save").stdout
