# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`firewall_cluster.pacemaker` and `firewall_cluster.vip_groups`: plain data to types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from .._cib import effects
from . import types as t
from .problems import Problems, nearest
from .reader import Reader, valid_key

PACEMAKER_KEYS = ("fencing", "stickiness", "ping_groups", "quorum_device", "properties", "allow")
FENCING_KEYS = ("none", "devices", "priority_delay_s")
DEVICE_KEYS = ("name", "agent", "nodes", "parameters", "delay_s", "level")
PING_KEYS = ("hosts", "interval_ms")
NAME = r"[A-Za-z][A-Za-z0-9_-]{0,30}"
NAME_TEXT = "1 to 31 letters, digits, _ and -, a letter first"
# What the collection decides itself, from words of the model.
OWN_PROPERTIES = {
    "stonith-enabled": "Write fencing.",
    "fencing-enabled": "Write fencing.",
    "priority-fencing-delay": "Write fencing.priority_delay_s.",
}


def vip_groups(top: Reader, cluster_name: str, problems: Problems) -> tuple[t.VipGroup, ...]:
    """Groups as they are written, or one for all addresses."""
    raw = top.raw.get("vip_groups")
    if raw is None:
        return (t.VipGroup(cluster_name),)
    if not isinstance(raw, Mapping) or not raw:
        top.error("type", "vip_groups", "is not a mapping", "Write vip_groups: {blue: {primary: fw1}, ...}.")
        return (t.VipGroup(cluster_name),)
    found = []
    for key, body in raw.items():
        path = f"{top.at('vip_groups')}.{key}"
        if not valid_key(key):
            problems.error("name", path, key, "is not a usable name of a group", "Use 1 to 15 of a-z 0-9 _ -.")
            continue
        r = Reader(body if body is not None else {}, path, ("primary",), problems)
        found.append(t.VipGroup(str(key), str(r.raw.get("primary") or "")))
    return tuple(found)


def pacemaker(top: Reader, profile: t.Profile, topology: str, problems: Problems) -> t.Pacemaker:
    if topology != "pacemaker":
        return t.Pacemaker()
    r = Reader(top.raw.get("pacemaker"), top.at("pacemaker"), PACEMAKER_KEYS, problems)
    return t.Pacemaker(
        fencing=_fencing(r, problems),
        stickiness=r.number("stickiness", 0, 1000, 200),
        ping_groups=_ping_groups(r, profile, problems),
        quorum_device=_device(r, problems),
        properties=_properties(r),
        allow=_allow(r),
    )


def _fencing(top: Reader, problems: Problems) -> t.Fencing:
    r = Reader(top.raw.get("fencing"), top.at("fencing"), FENCING_KEYS, problems)
    devices = tuple(_fence_devices(r, problems))
    reason = str(r.raw.get("none") or "").strip()
    if bool(devices) == bool(reason) and not (top.has("fencing") and r.has("devices") and not devices):
        remedy = (
            "Write fencing: {devices: [...]}, or fencing: {none: why two nodes that lose each other may both serve}."
        )
        what = "names devices and a reason to do without" if devices else "is a choice that has to be made"
        top.error("fencing", "fencing", what, remedy)
    return t.Fencing(reason, devices, r.number("priority_delay_s", 0, 600, 0, unit=" s"))


def _fence_devices(top: Reader, problems: Problems) -> list[t.FenceDevice]:
    found: list[t.FenceDevice] = []
    for number, body in enumerate(top.items("devices")):
        r = Reader(body, f"{top.at('devices')}[{number}]", DEVICE_KEYS, problems)
        name = r.name("name", NAME, NAME_TEXT)
        if name and any(item.name == name for item in found):
            r.error("duplicate", "name", "is used twice", "Give each device a name of its own.")
        agent = r.name("agent", r"(stonith:)?[a-z][a-z0-9_/-]*", "the name of a fence agent such as fence_ipmilan")
        nodes = tuple(str(item) for item in r.items("nodes"))
        if not nodes:
            r.missing("nodes", "Name the nodes that it can cut off.")
        parameters = _mapping(r, "parameters")
        delay = r.number("delay_s", 0, 600, 0, unit=" s")
        found.append(
            t.FenceDevice(
                name, agent.partition("stonith:")[2] or agent, nodes, parameters, delay, r.number("level", 1, 9, 1)
            )
        )
    return found


def _ping_groups(top: Reader, profile: t.Profile, problems: Problems) -> tuple[t.PingGroup, ...]:
    found = []
    for key, body in _mapping(top, "ping_groups").items():
        path = f"{top.at('ping_groups')}.{key}"
        if not valid_key(key):
            problems.error("name", path, key, "is not a usable name of a group", "Use 1 to 15 of a-z 0-9 _ -.")
            continue
        r = Reader(body if body is not None else {}, path, PING_KEYS, problems)
        hosts = tuple(address for _number, address in r.addresses("hosts"))
        if not r.items("hosts"):
            r.missing("hosts", "Name hosts of which one always answers, such as routers.")
        interval = r.number("interval_ms", 200, 60_000, max(1000, profile.track_interval_ms), unit=" ms")
        found.append(t.PingGroup(str(key), hosts, interval))
    return tuple(found)


def _device(top: Reader, problems: Problems) -> Optional[t.QuorumDevice]:
    if not top.has("quorum_device"):
        return None
    keys = ("host", "name", "algorithm", "timeout_ms")
    r = Reader(top.raw["quorum_device"], top.at("quorum_device"), keys, problems)
    host = r.address("host")
    if not r.has("host"):
        r.missing("host", "Write the address of the host that runs corosync-qnetd.")
    algorithm = r.choice("algorithm", ("ffsplit", "lms"), "ffsplit")
    timeout = r.number("timeout_ms", 500, 120_000, 2000, unit=" ms")
    return t.QuorumDevice(host, algorithm, str(r.raw.get("name") or ""), timeout) if host is not None else None


def _allow(top: Reader) -> tuple[str, ...]:
    found = tuple(str(item) for item in top.items("allow"))
    for number, pattern in enumerate(found):
        if (action := effects.unknown_action(pattern)) is not None:
            path = f"{top.at('allow')}[{number}]"
            remedy = nearest(action, effects.DISRUPTIVE)
            top.problems.error("allow", path, pattern, "names no action that exists", remedy)
    return found


def _properties(top: Reader) -> dict[str, Any]:
    found = _mapping(top, "properties")
    for name in found:
        if name in OWN_PROPERTIES:
            path = f"{top.at('properties')}.{name}"
            top.problems.error("property", path, found[name], "is set by this collection", OWN_PROPERTIES[name])
    return found


def _mapping(top: Reader, key: str) -> dict[str, Any]:
    raw = top.raw.get(key)
    if raw is not None and not isinstance(raw, Mapping):
        top.error("type", key, "is not a mapping", "Write it as key: value pairs.")
        return {}
    return {str(name): value for name, value in (raw or {}).items()}
