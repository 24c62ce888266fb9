# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The modules that prepare a node, against a directory that plays the root of a file system."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host import kernel_modules, packages, session, sysctl
from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import Installer, kernel_changes

LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
MAXIMUM = "net.netfilter.nf_conntrack_max"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    values = {
        LOOSE: "1",
        MAXIMUM: "65536",
        "net.ipv4.conf.eth0.send_redirects": "1",
        "net.ipv4.conf.lo.send_redirects": "0",
    }
    for key, value in values.items():
        path = tmp_path / "proc/sys" / key.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    return tmp_path


def sysctls(root: Path, values: dict[str, object], check: bool = False, **more: Any) -> dict[str, Any]:
    path = str(root / "etc/sysctl.d/60-linuxha.conf")
    return sysctl.apply({"values": values, "optional": [], "warn_when_set": [], "path": path, **more}, check, root)


def test_sysctl_sets_what_differs_and_then_nothing(root: Path) -> None:
    first = sysctls(root, {LOOSE: 0, "net.ipv4.conf.*.send_redirects": 0})
    assert first["changes"] == [
        "net.ipv4.conf.eth0.send_redirects: 1 -> 0",
        "net.netfilter.nf_conntrack_tcp_loose: 1 -> 0",
    ]
    assert f"{LOOSE} = 0" in (root / "etc/sysctl.d/60-linuxha.conf").read_text()
    assert not sysctls(root, {LOOSE: 0, "net.ipv4.conf.*.send_redirects": 0})["changed"]


def test_sysctl_check_mode_tells_the_same_and_writes_nothing(root: Path) -> None:
    would = sysctls(root, {LOOSE: False}, check=True)
    assert not (root / "etc/sysctl.d/60-linuxha.conf").exists()
    did = sysctls(root, {LOOSE: False})
    assert would == did


def test_sysctl_optional_keys_may_be_missing_or_read_only(root: Path) -> None:
    (root / "proc/sys" / MAXIMUM.replace(".", "/")).chmod(0o444)
    values: dict[str, object] = {MAXIMUM: 262144, "net.core.rmem_max": 1}
    first = sysctls(root, values, optional=["net.core.*", MAXIMUM])
    assert "msg" not in first
    assert len(first["unavailable"]) == 2
    assert len(first["notes"]) == 1
    assert f"-{MAXIMUM} = 262144" in (root / "etc/sysctl.d/60-linuxha.conf").read_text()
    # Told once, not at every run.
    assert sysctls(root, values, optional=["net.core.*", MAXIMUM])["notes"] == []
    assert "no such parameter" in sysctls(root, values)["msg"]


def test_sysctl_finds_the_files_that_forward_before_the_rules(root: Path) -> None:
    (root / "etc/sysctl.d/99-local.conf").write_text("# x\nnet/ipv4/ip_forward=1\n")
    notes = sysctls(root, {}, warn_when_set=["net.ipv4.ip_forward"])["notes"]
    assert len(notes) == 1
    assert "99-local.conf" in notes[0]


def module_params(root: Path, *names: str) -> dict[str, Any]:
    return {"name": list(names), "path": str(root / "load.conf")}


def test_modules_built_in_count_as_loaded(tmp_path: Path) -> None:
    builtin = tmp_path / "lib/modules" / os.uname().release / "modules.builtin"
    builtin.parent.mkdir(parents=True)
    builtin.write_text("kernel/net/netfilter/ip-set/ip_set.ko\n")
    (tmp_path / "sys/module/nf_conntrack").mkdir(parents=True)
    asked: list[list[str]] = []

    def run(argv: list[str], **_more: Any) -> tuple[int, str, str]:
        asked.append(argv)
        return (0, "", "")

    params = module_params(tmp_path, "nf_conntrack", "ip_set", "xt_set")
    result = kernel_modules.apply(params, run, False, tmp_path)
    assert result["loaded"] == ["xt_set"]
    assert asked == [["modprobe", "--", "xt_set"]]


def test_without_module_directory_nothing_is_loaded_and_nothing_fails(tmp_path: Path) -> None:
    params = module_params(tmp_path, "nf_conntrack")
    result = kernel_modules.apply(params, lambda *_a, **_k: (1, "", "no"), False, tmp_path)
    assert result["unverified"] == ["nf_conntrack"]
    assert "msg" not in result
    assert not kernel_modules.apply(params, lambda *_a, **_k: (1, "", "no"), False, tmp_path)["changed"]


def test_sysctl_a_table_that_the_kernel_rounded_up_is_large_enough(root: Path) -> None:
    (root / "proc/sys/net/netfilter/nf_conntrack_buckets").write_text("300032\n")
    assert sysctls(root, {"net.netfilter.nf_conntrack_buckets": 300000})["changes"] == []
    assert sysctls(root, {"net.netfilter.nf_conntrack_buckets": 200000})["changes"]


def test_sysctl_a_key_of_its_own_is_stronger_than_a_wildcard(root: Path) -> None:
    values: dict[str, object] = {"net.ipv4.conf.*.send_redirects": 0, "net.ipv4.conf.eth0.send_redirects": 1}
    assert sysctls(root, values)["changes"] == []


@pytest.mark.parametrize(
    ("listing", "wanted"),
    [
        ("", ["ipset", "iptables"]),
        ("ipset ii \n", ["iptables"]),
        ("ipset rc \niptables ii \n", ["ipset"]),
        ("ipset \niptables hi \n", ["ipset", "iptables"]),
    ],
)
def test_missing_packages(listing: str, wanted: list[str]) -> None:
    assert packages.missing(["ipset", "iptables", "ipset"], listing) == wanted


def test_packages_start_no_daemons() -> None:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(argv: list[str], environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        calls.append((argv, environ_update or {}))
        return (0, "", "")

    result = packages.install({"name": ["conntrackd"], "cache_valid_time": 0, "lock_timeout": 5}, run, False)
    assert result["installed"] == ["conntrackd"]
    apt = [(argv, environment) for argv, environment in calls if argv[0] == "apt-get"]
    assert [argv[-1] for argv, _environment in apt] == ["update", "conntrackd"]
    assert all(environment["SYSTEMD_OFFLINE"] == "1" for _argv, environment in apt)


def test_packages_in_check_mode_only_ask() -> None:
    calls: list[str] = []

    def run(argv: list[str], **_more: Any) -> tuple[int, str, str]:
        calls.append(argv[0])
        return (1, "", "")

    assert packages.install({"name": ["conntrackd"]}, run, True)["changed"]
    assert calls == ["dpkg-query"]


MANAGEMENT = {"interfaces": ["eth0"], "sources": ["203.0.113.0/26", "2001:db8:9::/64"], "port": 22}


@pytest.mark.parametrize(
    ("connection", "refused"),
    [
        ("203.0.113.10 50000 203.0.113.2 22", False),
        ("2001:db8:9::10 50000 2001:db8:9::2 22", False),
        ("::ffff:203.0.113.10 50000 ::ffff:203.0.113.2 22", False),
        ("203.0.113.10 50000 203.0.113.2 2222", True),
        ("192.0.2.10 50000 192.0.2.2 22", True),
        ("nonsense", False),
    ],
)
def test_lockout(connection: str, refused: bool) -> None:
    reason = session.lockout(MANAGEMENT, session.parse_connection(connection))
    assert (reason is not None) == refused


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({}, 0),
        ({"ok": True, "state": "loaded"}, 0),
        ({"ok": False, "state": "closed", "reason": "x"}, 1),
        ({"ok": False, "state": "loaded", "drift": {"ipv4": True, "ipv6": False}}, 1),
        ({"ok": False, "state": "loaded", "drift": {"ipv4": True, "ipv6": True}, "files_differ": True}, 3),
        ({"ok": False, "state": "loaded", "forwarding": {"ipv4": True, "ipv6": False}}, 1),
    ],
)
def test_reasons_to_load(status: dict[str, Any], wanted: int) -> None:
    assert len(kernel_changes(status)) == wanted


class Loader:
    """Answers like the loader; remembers what it was asked."""

    def __init__(self, check: int = 0, status: str = '{"ok": true, "state": "loaded"}') -> None:
        self.check, self.status = check, status
        self.asked: list[str] = []

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        self.asked.append(" ".join([argv[1], *argv[3:]]))
        return (0, self.status, "") if argv[1] == "status" else (self.check, "", "line 3 failed")


def installer(tmp_path: Path, run: Loader, check_mode: bool = False, connection: str = "") -> Installer:
    loader = tmp_path / "loader"
    loader.touch()
    params = {
        "directory": str(tmp_path / "rules"),
        "loader": str(loader),
        "files": {"rules.v4": "four\n", "rules.v6": "six\n"},
        "management": MANAGEMENT if connection else {},
    }
    return Installer(params, run, check_mode, session.parse_connection(connection))


def test_rules_are_tested_then_written_with_their_sums_and_then_left_alone(tmp_path: Path) -> None:
    run = Loader()
    first = installer(tmp_path, run).run()
    assert first["changed"]
    assert first["tested"]
    assert (tmp_path / "rules/SHA256SUMS").read_text().count("\n") == 2
    assert (tmp_path / "rules/rules.v4").stat().st_mode & 0o777 == 0o600
    assert not installer(tmp_path, run).run()["changed"]
    assert run.asked == ["status", "check", "status", "status"]


def test_rules_in_check_mode_are_tested_and_not_written(tmp_path: Path) -> None:
    run = Loader()
    result = installer(tmp_path, run, check_mode=True).run()
    assert result["changed"]
    assert result["tested"]
    assert "check unnoted" in run.asked
    assert [set(part) & {"prepared", "after"} for part in result["diff"]] == [{"prepared"}, {"after"}, {"after"}]
    assert not (tmp_path / "rules").exists()


def test_rules_the_kernel_refuses_are_not_installed(tmp_path: Path) -> None:
    result = installer(tmp_path, Loader(check=1)).run()
    assert "line 3 failed" in result["msg"]
    assert not (tmp_path / "rules").exists()


def test_rules_that_cut_off_the_administrator_are_not_installed(tmp_path: Path) -> None:
    result = installer(tmp_path, Loader(), connection="192.0.2.10 50000 192.0.2.2 22").run()
    assert "cut off" in result["msg"]
    assert not (tmp_path / "rules").exists()


def test_a_drifted_kernel_is_a_change_without_new_files(tmp_path: Path) -> None:
    installer(tmp_path, Loader()).run()
    drifted = Loader(status='{"ok": false, "state": "loaded", "drift": {"ipv4": true}}')
    result = installer(tmp_path, drifted).run()
    assert result["changes"] == ["ipv4: the kernel holds other rules than were loaded"]
    assert result["diff"] == []


def test_a_candidate_lies_beside_the_files_that_boot(tmp_path: Path) -> None:
    assert installer(tmp_path, Loader()).run()["trial"] == {"token": "", "seconds": 0}
    before = (tmp_path / "rules/rules.v4").read_text()
    (tmp_path / "rules.trial").mkdir()
    (tmp_path / "rules.trial/left-over").touch()
    trying = installer(tmp_path, Loader())
    trying.trial, trying.files = 60, {**trying.files, "rules.v4": "new\n"}

    result = trying.run()

    assert result["changed"]
    assert result["trial"]["seconds"] == 60
    assert (tmp_path / "rules/rules.v4").read_text() == before
    assert (tmp_path / "rules.trial/rules.v4").read_text() == "new\n"
    assert not (tmp_path / "rules.trial/left-over").exists()
    assert json.loads((tmp_path / "rules.trial/trial.json").read_text()) == result["trial"]
    assert trying.run()["trial"]["token"] != result["trial"]["token"]


def test_what_is_in_force_is_not_tried(tmp_path: Path) -> None:
    installer(tmp_path, Loader()).run()
    again = installer(tmp_path, Loader())
    again.trial = 60
    result = again.run()
    assert (result["changed"], result["trial"]["token"]) == (False, "")
    assert not (tmp_path / "rules.trial").exists()


def test_during_another_trial_nothing_is_installed(tmp_path: Path) -> None:
    busy = Loader(status='{"ok": false, "state": "trial", "trial": {"state": "trial", "token": "77", "left": 41.3}}')
    result = installer(tmp_path, busy).run()
    assert "41 s more" in result["msg"]
    assert "linuxha-rules rollback 77" in result["msg"]
    assert not (tmp_path / "rules").exists()


def test_a_trial_that_nobody_watches_blocks_nothing(tmp_path: Path) -> None:
    forgotten = Loader(
        status='{"ok": false, "state": "trial", "trial": {"state": "trial", "token": "77", "left": 0.0}}'
    )
    assert installer(tmp_path, forgotten).run()["changed"]


def test_files_without_a_trial_are_of_no_generation(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/generation.json").write_text('{"number": 7}')
    installer(tmp_path, Loader()).run()
    assert not (tmp_path / "rules/generation.json").exists()
