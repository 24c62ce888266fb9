# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""node_update: what apt-get would do, what is refused, when a reboot is needed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host import updates

SIMULATED = """NOTE: This is only a simulation!
Inst keepalived [1:2.2.7-1+b2] (1:2.2.8-1 Debian:12.9/stable [amd64])
Inst linux-image-6.1.0-30-amd64 (6.1.124-1 Debian:12.9/stable [amd64]) []
Remv old-tool [1.0]
Conf keepalived (1:2.2.8-1 Debian:12.9/stable [amd64])
"""
DEBIAN = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"


class Node:
    """The programs that the module runs."""

    def __init__(self, simulated: str = SIMULATED, kernels: str = "", installed: str = "") -> None:
        self.simulated, self.kernels, self.installed = simulated, kernels, installed
        self.ran: list[list[str]] = []

    def run(self, argv: list[str], **_options: Any) -> tuple[int, str, str]:
        self.ran.append(argv)
        if argv[0] == "dpkg-query":
            kernels = argv[-1].startswith("linux-image")
            return (0, self.kernels if kernels else self.installed, "")
        if argv[0] == "dpkg":
            return (0 if argv[2] > argv[4] else 1, "", "")
        return (0, self.simulated if "--simulate" in argv else "", "")

    def orders(self) -> list[str]:
        """What would change the node."""
        return [" ".join(argv) for argv in self.ran if argv[0] == "apt-get" and "--simulate" not in argv]


def update(
    node: Node, *names: str, check: bool = False, files: dict[str, str] | None = None, version: str = "", **more: Any
) -> dict[str, Any]:
    params = {
        "name": list(names), "full": False, "state": "latest", "cache_valid_time": 10**9, "lock_timeout": 1, **more,
    }  # fmt: skip
    return updates.update(params, node.run, (files or {}).get, version, check)


def test_steps() -> None:
    installed, removed = updates.steps(SIMULATED)
    assert installed == [
        {"name": "keepalived", "from": "1:2.2.7-1+b2", "to": "1:2.2.8-1"},
        {"name": "linux-image-6.1.0-30-amd64", "from": "", "to": "6.1.124-1"},
    ]
    assert removed == ["old-tool"]
    assert updates.steps("") == ([], [])


def test_upgrades_and_keeps_configuration_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: False)
    node = Node()
    result = update(node, "all")
    assert result["changed"]
    (order,) = node.orders()
    assert order.endswith("--yes upgrade --with-new-pkgs --no-remove")
    assert "--force-confold" in order


def test_check_mode_and_listing_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: True)
    node = Node()
    assert update(node, "all", check=True)["changed"]
    assert node.orders() == []
    assert not update(node, "all", state="listed")["changed"]
    assert [order.split()[-1] for order in node.orders()] == ["update"]
    assert len(update(node, "all", state="listed", check=True)["packages"]) == 2


def test_nothing_new_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: False)
    node = Node(simulated="")
    assert not update(node, "all")["changed"]
    assert node.orders() == []
    assert update(node, "none") == {"changed": False, "packages": [], "removed": [], "reboot": []}


def test_named_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: False)
    node = Node(installed="keepalived ii \niptables ii \n")
    update(node, "keepalived")
    assert node.orders()[0].endswith("--yes install --only-upgrade --no-remove keepalived")
    assert "corosync not installed" in update(node, "keepalived", "corosync")["msg"]
    node.ran.clear()
    update(node, "firewall", full=True)
    assert node.orders()[0].endswith("--yes install --only-upgrade keepalived iptables")
    assert "run the site playbook" in update(Node(), "firewall")["msg"]


@pytest.mark.parametrize("names", [("all", "keepalived"), ("--yes",), ("a b",), ("",)])
def test_mistakes(names: tuple[str, ...]) -> None:
    node = Node()
    assert update(node, *names)["msg"].startswith("name: ")
    assert node.ran == []


def test_what_makes_the_node_is_never_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: False)
    node = Node("Remv keepalived [1]\nRemv openssh-server [2]\n")
    assert update(node, "all", full=True)["msg"] == "refused: the upgrade would remove keepalived, openssh-server"
    assert node.orders() == []


def test_a_failure_is_told_with_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "lists_stale", lambda valid: False)
    node = Node()

    def run(argv: list[str], **options: Any) -> tuple[int, str, str]:
        return (100, "", "E: no space left") if "--yes" in argv else node.run(argv, **options)

    params = {"name": ["all"], "full": False, "state": "latest", "cache_valid_time": 1, "lock_timeout": 1}
    assert updates.update(params, run, {}.get, "", False)["msg"] == "2 packages cannot be upgraded: E: no space left"


REASONS: list[tuple[dict[str, str], str, str, list[str]]] = [
    ({}, DEBIAN, "", []),
    ({}, DEBIAN, "6.1.119-1 installed\n", []),
    ({}, DEBIAN, "6.1.115-1 installed\n", []),
    ({}, DEBIAN, "6.1.124-1 config-files\n", []),
    ({}, DEBIAN, "6.1.119-1 installed\n6.1.124-1 installed\n", ["kernel 6.1.119-1 runs, 6.1.124-1 is installed"]),
    ({}, "#1 SMP built at home", "6.1.124-1 installed\n", []),
    ({"/run/reboot-required": ""}, "", "", ["the system asks for it"]),
    (
        {"/run/reboot-required": "*** reboot ***", "/run/reboot-required.pkgs": "libc6\ndbus\nlibc6\n"},
        DEBIAN,
        "",
        ["the system asks for it because of dbus, libc6"],
    ),
]


@pytest.mark.parametrize(("files", "version", "kernels", "reasons"), REASONS)
def test_reboot(files: dict[str, str], version: str, kernels: str, reasons: list[str]) -> None:
    assert update(Node(kernels=kernels), "none", files=files, version=version)["reboot"] == reasons
