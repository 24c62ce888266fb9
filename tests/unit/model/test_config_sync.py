# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Config sync: what a cluster says of it, what the role is given, and what stands in the settings of a node."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.filter.config_sync_settings import FilterModule
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._model import parse_sync
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import ruleset

RESOLVER: dict[str, Any] = {"name": "resolver", "path": "/etc/resolv.conf"}
HOOKS: dict[str, Any] = {
    "name": "hooks",
    "path": "/etc/firewall.d",
    "kind": "directory",
    "delete": True,
    "exclude": ["*.swp"],
    "check": ["/bin/sh", "-n", "{file}"],
    "action": ["systemctl", "reload", "hooks.service"],
}
SYNC: dict[str, Any] = {"entries": [RESOLVER, HOOKS]}
VARIABLES: dict[str, Any] = {
    "node": "fw1",
    "nodes": [
        {"name": "fw1", "addresses": ["203.0.113.65", "2001:db8:5::1"]},
        {"name": "fw2", "addresses": ["203.0.113.66", "2001:db8:5::2"]},
    ],
    "user": "linuxha-sync",
    **SYNC,
}

Changed = Callable[..., model.Loaded]


def config_sync_settings(**changes: object) -> dict[str, Any]:
    found = FilterModule().filters()["config_sync_settings"]({**copy.deepcopy(VARIABLES), **changes})
    assert isinstance(found, dict)
    return found


def entry(**changes: object) -> dict[str, object]:
    return {"entries": [{**RESOLVER, **changes}]}


def directory(**changes: object) -> dict[str, object]:
    return {"entries": [{**HOOKS, **changes}]}


def third(name: str, addresses: list[str]) -> dict[str, object]:
    return {"nodes": [*VARIABLES["nodes"], {"name": name, "addresses": addresses}]}


# (code, config_sync, path behind firewall_cluster[edge].config_sync, words of the reason or remedy)
WRONG: list[tuple[str, object, str, str]] = [
    ("missing", {"conflict": "newest"}, ".entries", "same on all nodes"),
    ("unknown-key", {**SYNC, "entrys": []}, ".entrys", "entries"),
    ("choice", {**SYNC, "conflict": "oldest"}, ".conflict", "newest"),
    ("choice", {**SYNC, "primary": "fw3"}, ".primary", "fw"),
    ("range", {**SYNC, "keep_days": 0}, ".keep_days", "days"),
    ("range", {**SYNC, "interval_s": 1}, ".interval_s", "5"),
    ("port", {**SYNC, "port": 70_000}, ".port", "65535"),
    ("port", {**SYNC, "port": 22}, ".port", "ssh"),
    ("unknown-key", entry(owner="root"), ".entries[0].owner", "owners"),
    ("missing", {"entries": [{"path": "/etc/resolv.conf"}]}, ".entries[0].name", "1 to 31"),
    ("name", entry(name="Resolver!"), ".entries[0].name", "a-z"),
    ("missing", {"entries": [{"name": "x"}]}, ".entries[0].path", "absolute"),
    ("path", entry(path="etc/resolv.conf"), ".entries[0].path", "absolute"),
    ("path", entry(path="/etc/../etc/shadow"), ".entries[0].path", ".."),
    ("path", entry(path="/etc/"), ".entries[0].path", "slash"),
    ("path", entry(path="/etc//resolv.conf"), ".entries[0].path", "absolute"),
    ("path", entry(path="/etc/a b"), ".entries[0].path", "letters"),
    ("path", entry(path="/etc/%i"), ".entries[0].path", "letters"),
    ("path", entry(path="/etc/a\nb"), ".entries[0].path", "letters"),
    ("choice", entry(kind="link"), ".entries[0].kind", "file"),
    ("type", entry(delete="maybe"), ".entries[0].delete", "boolean"),
    ("choice", entry(conflict="both"), ".entries[0].conflict", "refuse"),
    ("exclude", entry(exclude=["*"]), ".entries[0].exclude", "directory"),
    ("type", entry(check="sshd -t -f {file}"), ".entries[0].check", "list"),
    ("type", entry(action=["systemctl", 5]), ".entries[0].action[1]", "quote"),
    ("type", entry(owners=["Root"]), ".entries[0].owners[0]", "account"),
    ("type", entry(groups=["www data"]), ".entries[0].groups[0]", "group"),
    ("type", entry(modes=[420]), ".entries[0].modes[0]", "quotes"),
    ("type", entry(modes=["4755"]), ".entries[0].modes[0]", "0640"),
    ("placeholder", entry(check=["/bin/true"]), ".entries[0].check", "{file}"),
    ("placeholder", entry(check=["/bin/sh", "-n", "{path}", "{file}"]), ".entries[0].check", "{path}"),
    ("placeholder", entry(check=["/bin/ls", "{file}", "{directory}"]), ".entries[0].check", "{directory}"),
    ("placeholder", directory(check=["/bin/true"]), ".entries[0].check", "{directory}"),
    ("duplicate", {"entries": [RESOLVER, {**HOOKS, "name": "resolver"}]}, ".entries[1].name", "entry 0"),
    ("overlap", {"entries": [RESOLVER, {**RESOLVER, "name": "again"}]}, ".entries[1].path", "same path"),
    ("overlap", {"entries": [HOOKS, entry(path="/etc/firewall.d/a")["entries"][0]]}, ".entries[1].path", "below"),  # type: ignore[index]
    ("overlap", {"entries": [entry(path="/etc/firewall.d/a")["entries"][0], HOOKS]}, ".entries[1].path", "above"),  # type: ignore[index]
    ("managed", entry(path="/etc/keepalived/keepalived.conf"), ".entries[0].path", "roles"),
    ("managed", entry(path="/etc/linuxha/rules/rules.v4"), ".entries[0].path", "roles"),
    ("managed", directory(path="/etc/keepalived"), ".entries[0].path", "Exclude keepalived.conf"),
    ("managed", directory(path="/etc/sysctl.d"), ".entries[0].path", "60-linuxha.conf"),
    ("managed", entry(path="/etc/hostname"), ".entries[0].path", "one node"),
    ("managed", entry(path="/etc/ssh/ssh_host_ed25519_key"), ".entries[0].path", "one node"),
    ("managed", directory(path="/run/x"), ".entries[0].path", "one node"),
]


@pytest.mark.parametrize(("code", "config", "path", "words"), WRONG)
def test_each_mistake_is_found_at_its_place(changed: Changed, code: str, config: object, path: str, words: str) -> None:
    found = changed({"cluster.config_sync": config}).errors
    where = f"firewall_cluster[edge].config_sync{path}"
    assert [(p.code, p.path) for p in found] == [(code, where)], [str(p) for p in found]
    assert words in str(found[0])


def test_what_is_no_mapping_has_no_entries_either(changed: Changed) -> None:
    found = changed({"cluster.config_sync": [RESOLVER]}).errors
    assert [(p.code, p.path.partition("].")[2]) for p in found] == [
        ("type", "config_sync"),
        ("missing", "config_sync.entries"),
    ]


@pytest.mark.parametrize(
    "config",
    [
        SYNC,
        {**SYNC, "primary": "fw2", "conflict": "primary", "keep_days": 7, "skew_limit_ms": 500, "port": 8731},
        directory(path="/etc/keepalived", exclude=["keepalived.conf"]),
        directory(path="/etc/sysctl.d", exclude=["*linuxha*"]),
        directory(path="/etc/ssh", exclude=["ssh_host_*"], check=["/bin/sh", "-n", "{directory}/x"]),
        entry(path="/etc/linuxhash", owners=["root", "www-data"], groups=["adm"], modes=["0640", "600"]),
    ],
)  # fmt: skip
def test_sound(changed: Changed, config: object) -> None:
    assert changed({"cluster.config_sync": config}).problems == ()


def test_what_the_role_is_given(changed: Changed) -> None:
    (cluster,) = changed({"cluster.config_sync": SYNC, "fw2.firewall_node.priority": 201}).clusters
    found = model.views.role_variables(cluster, cluster.nodes[0])
    assert found["config_sync_nodes"] == [
        {"name": "fw1", "addresses": ["203.0.113.65", "203.0.113.73"]},
        {"name": "fw2", "addresses": ["203.0.113.66", "203.0.113.74"]},
    ]
    assert found["config_sync_entries"] == [{**RESOLVER, "kind": "file", "delete": False}, HOOKS]
    assert found["config_sync_primary"] == max(cluster.nodes, key=lambda node: node.priority).name
    assert model.views.plan(cluster, cluster.nodes[0])["config_sync"] is True


def test_without_it_nothing_is_derived(sound: model.Cluster) -> None:
    found = model.views.role_variables(sound, sound.nodes[0])
    assert not [key for key in found if key.startswith("config_sync")]
    assert not [rule for rule in found["iptables_cluster_rules"] if "config sync" in rule["name"]]
    assert model.views.plan(sound, sound.nodes[0])["config_sync"] is False


def test_the_derived_rule(changed: Changed) -> None:
    (cluster,) = changed({"cluster.config_sync": {**SYNC, "port": 8731}}).clusters
    rules = model.views.role_variables(cluster, cluster.nodes[0])["iptables_cluster_rules"]
    found = {rule["name"]: rule for rule in rules if rule["name"].startswith("config sync")}
    assert sorted(found) == [f"config sync {link} IPv4 {way}" for link in ("sync0", "sync1") for way in ("in", "out")]
    assert found["config sync sync0 IPv4 in"] == {
        "name": "config sync sync0 IPv4 in",
        "chain": "input",
        "interfaces": ["eth3"],
        "source": ["203.0.113.66"],
        "destination": ["203.0.113.65"],
        "action": "accept",
        "protocol": "tcp",
        "ports": [8731],
    }
    _ruleset, problems = ruleset.parse({"zones": {}, "cluster_rules": list(found.values())})
    assert problems == ()


def test_settings_of_a_node() -> None:
    found = config_sync_settings()
    assert json.loads(json.dumps(found)) == found
    assert found["peers"] == [{"name": "fw2", "addresses": ["203.0.113.66", "2001:db8:5::2"]}]
    assert (found["node"], found["primary"], found["conflict"]) == ("fw1", "fw1", "newest")
    assert (found["skew_limit_s"], found["keep_days"], found["port"]) == (2.0, 30, 8730)
    assert found["entries"] == [{**RESOLVER, "kind": "file", "delete": False}, HOOKS]
    assert "/etc/keepalived/keepalived.conf" in found["managed"]


def test_the_view_gives_what_the_filter_takes(changed: Changed) -> None:
    (cluster,) = changed({"cluster.config_sync": SYNC}).clusters
    found = model.views.role_variables(cluster, cluster.nodes[0])
    given = {key.removeprefix("config_sync_"): value for key, value in found.items() if key.startswith("config_sync_")}
    settings = config_sync_settings(**given)
    assert settings["peers"] == [{"name": "fw2", "addresses": ["203.0.113.66", "203.0.113.74"]}]


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"node": "fw3"}, "config_sync_node", "fw1, fw2"),
        ({"nodes": []}, "config_sync_nodes", "two"),
        (third("fw2", ["203.0.113.67"]), "config_sync_nodes[2].name", "twice"),
        (third("fw3", ["203.0.113.66"]), "config_sync_nodes[2].addresses", "fw2"),
        (third("fw3", []), "config_sync_nodes[2].addresses", "missing"),
        (third("fw3", ["x"]), "config_sync_nodes[2].addresses[0]", "address"),
        ({"primary": "fw3"}, "config_sync_primary", "no node"),
        ({"user": "root"}, "config_sync_user", "root"),
        ({"entries": [{"name": "a", "path": "b"}]}, "config_sync_entries[0].path", "absolute"),
    ],
)  # fmt: skip
def test_mistakes_in_the_variables_of_the_role(changes: dict[str, object], path: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        config_sync_settings(**changes)
    lines = [line for line in str(error.value).splitlines() if line.startswith(f"{path}:")]
    assert lines and words in lines[0], str(error.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(AnsibleFilterError) as error:
        config_sync_settings(node="fw3", user="root", conflict="oldest", port=0)
    assert len(str(error.value).splitlines()) == 5


def test_the_filter_takes_a_mapping() -> None:
    with pytest.raises(AnsibleFilterError):
        FilterModule().filters()["config_sync_settings"]([])


def test_exclude_means_names_and_parts() -> None:
    entry = parse_sync.t.SyncEntry("x", "/etc/x", "directory", exclude=("*.swp", "private", "a/b"))
    shut = [name for name in ("a.swp", "c/d.swp", "private", "private/key", "a/b") if parse_sync.excluded(entry, name)]
    assert shut == ["a.swp", "c/d.swp", "private", "private/key", "a/b"]
    assert not [name for name in ("a", "a/c", "swp") if parse_sync.excluded(entry, name)]
