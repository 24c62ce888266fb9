# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""backup and restore in real runs of Ansible, with the most talkative log: nothing of a secret is in it or on the disk.

The node is this machine, and what it keeps is a directory of the test.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.playbook import environment

PLAN = {"cluster": "edge", "node": "fw1", "nodes": ["fw1"], "topology": "keepalived"}


class Node:
    """A directory that is a node, one that is the controller, and the words that must not be seen."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kept = directory / "kept"
        self.archives = directory / "archives"
        self.canary = "canary" + secrets.token_hex(16)
        (self.kept / "deep").mkdir(parents=True)
        (self.kept / "deep" / "key").write_text(self.canary)
        (self.kept / "deep" / "key").chmod(0o400)
        (directory / "local").mkdir()
        (directory / "remote").mkdir()
        self.password("right")

    def password(self, text: str) -> None:
        (self.directory / "password").write_text(text)

    def play(
        self,
        module: str,
        options: dict[str, Any],
        *arguments: str,
        plan: dict[str, Any] | None = None,
        variables: dict[str, Any] | None = None,
        environ: dict[str, str] | None = None,
    ) -> str:
        host = {
            "firewall_plan": {**PLAN, **(plan or {})},
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_remote_tmp": str(self.directory / "remote"),
            "ansible_pipelining": True,
            **(variables or {}),
        }
        (self.directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"fw1": host}}}))
        given = {"directory": str(self.archives), **options}
        tasks = [{f"linuxha.firewall.{module}": given, "register": "done"}, {"ansible.builtin.debug": {"var": "done"}}]
        (self.directory / "play.yml").write_text(
            yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}])
        )
        argv = ["ansible-playbook", "-vvvvv", "--diff", "-i", str(self.directory / "hosts.yml")]
        argv += [
            "--vault-password-file",
            str(self.directory / "password"),
            str(self.directory / "play.yml"),
            *arguments,
        ]
        wide = {**environment(), "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"), **(environ or {})}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=wide)
        output = done.stdout + done.stderr
        for word in (self.canary, base64.b64encode(self.canary.encode()).decode()[:-4]):
            assert word not in output
        return output

    def backup(self, *arguments: str, **more: Any) -> str:
        return self.play("backup", {"host_keys": False, "paths": [str(self.kept)], "keep": 2}, *arguments, **more)

    def restore(self, *arguments: str, paths: list[str] | None = None, step: str = "files", **more: Any) -> str:
        wanted = [str(self.kept)] if paths is None else paths
        return self.play("restore", {"step": step, "paths": wanted}, *arguments, **more)

    def names(self) -> list[str]:
        return sorted(path.name for path in (self.archives / "edge" / "fw1").glob("*.vault"))

    def clear(self) -> list[str]:
        """Files beside the node's own that have the secret in clear."""
        words = (self.canary.encode(), base64.b64encode(self.canary.encode())[:-4])
        paths = [path for path in self.directory.rglob("*") if path.is_file() and self.kept not in path.parents]
        return [str(path) for path in paths if any(word in path.read_bytes() for word in words)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def ends(output: str, changed: int, failed: int = 0) -> bool:
    """Whether the recap says so."""
    return f"changed={changed} " in output and f"failed={failed} " in output


def test_backup_and_back_again(node: Node) -> None:
    assert ends(node.backup("--check"), 1)
    assert not node.archives.exists()
    output = node.backup()
    assert ends(output, 1), output
    assert f"{node.kept}/deep/key ({len(node.canary)} bytes)" in output
    (name,) = node.names()
    path = node.archives / "edge" / "fw1" / name
    assert path.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert node.clear() == []
    # Nothing new: no second archive.
    assert ends(node.backup(), 0)
    assert node.names() == [name]

    key = node.kept / "deep" / "key"
    key.unlink()
    assert ends(node.restore(step="check"), 0)
    assert ends(node.restore("--check"), 1)
    assert not key.exists()
    output = node.restore()
    assert ends(output, 1), output
    assert (key.read_text(), key.stat().st_mode & 0o777) == (node.canary, 0o400)
    assert ends(node.restore(), 0)
    assert node.clear() == []


def test_what_is_refused(node: Node) -> None:
    assert ends(node.backup(), 1)
    (name,) = node.names()
    path = node.archives / "edge" / "fw1" / name
    whole = path.read_bytes()
    (node.kept / "deep" / "key").unlink()

    def refused(output: str, reason: str) -> None:
        assert "failed=1 " in output, output
        assert reason in " ".join(output.split()), output
        assert not (node.kept / "deep" / "key").exists()

    # Both are hexadecimal digits, and never the one that stands there.
    path.write_bytes(whole[:-200] + (b"1" if whole[-200:-199] == b"0" else b"0") + whole[-199:])
    refused(node.restore(), "is damaged, its checksum is another one")
    path.with_name(f"{name}.sha256").unlink()
    refused(node.restore(), "it is damaged, or was encrypted with another vault password")
    path.write_bytes(whole)
    node.password("wrong")
    refused(node.restore(), "it is damaged, or was encrypted with another vault password")
    node.password("right")
    # Of another node: in its place, and named by hand.
    other = node.archives / "core" / "fw1"
    other.mkdir(parents=True)
    (other / name).write_bytes(whole)
    refused(node.restore(plan={"cluster": "core"}), "the archive is of 'edge', this is 'core'")
    refused(node.restore(plan={"cluster": "empty"}), "there is no archive of this node")
    # What the node named, and the inventory does not.
    reason = f"'{node.kept}/deep/key' (part 'keys') is none of the paths that are wanted of this node"
    refused(node.restore(paths=[]), reason)
    refused(node.restore(step="check", paths=[str(node.directory / "other")]), "a file of yours belongs into")
    # Ways of Ansible to write secrets down.
    refused(node.restore(variables={"ansible_pipelining": False}), "Set ansible_pipelining: true")
    refused(node.restore(environ={"ANSIBLE_KEEP_REMOTE_FILES": "1"}), "ANSIBLE_KEEP_REMOTE_FILES")
    assert ends(node.restore(), 1)
    assert "ANSIBLE_DEBUG prints" in " ".join(node.backup(environ={"ANSIBLE_DEBUG": "1"}).split())


def test_news_retention_and_a_broken_last_archive(node: Node) -> None:
    place = node.archives / "edge" / "fw1"
    place.mkdir(parents=True)
    for name in ("20200101T000000Z.vault", "20200102T000000Z.vault", "notes.txt"):
        (place / name).write_text("not an archive")
    output = node.backup()
    assert ends(output, 1), output
    assert "the last archive counts for nothing" in " ".join(output.split())
    names = node.names()
    assert names[0] == "20200102T000000Z.vault"
    assert len(names) == 2
    assert (place / "notes.txt").exists()


def test_without_a_password_nothing_is_written(node: Node) -> None:
    assert ends(node.backup("--check"), 1)
    argv = ["ansible-playbook", "-i", str(node.directory / "hosts.yml"), str(node.directory / "play.yml")]
    without = {key: value for key, value in environment().items() if not key.startswith("ANSIBLE_VAULT")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=without)
    assert done.returncode == 2
    assert "this run has no password" in " ".join(done.stdout.split())


def test_a_node_that_names_what_it_was_not_asked_for_is_not_believed(node: Node) -> None:
    assert ends(node.backup(), 1)
    names = node.names()
    # Its Python is in other hands.
    liar = node.directory / "python"
    liar.write_text(f"#!/bin/sh\n{sys.executable} \"$@\" | sed 's#{node.kept}/deep/key#/root/.ssh/authorized_keys#g'\n")
    liar.chmod(0o700)
    for arguments in ((), ("--check",)):
        output = " ".join(node.backup(*arguments, variables={"ansible_python_interpreter": str(liar)}).split())
        assert ends(output, 0, failed=1), output
        assert "not asked for: '/root/.ssh/authorized_keys' (part 'keys') is none of the paths" in output
    assert node.names() == names


def test_what_reaches_out_of_its_place_is_left_out_and_told(node: Node) -> None:
    (node.kept / "link").symlink_to("/etc/passwd")
    output = " ".join(node.backup().split())
    assert ends(output, 1), output
    assert f"{node.kept}/link: a link to '/etc/passwd', which is not in {node.kept}" in output
    (node.kept / "link").unlink()
    assert ends(node.restore(), 0)
    assert not (node.kept / "link").is_symlink()
