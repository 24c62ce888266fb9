# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`firewall_cluster`: plain data to types. Values that need other clusters are left at 0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ANY, FIREWALL

from . import parse_pacemaker, parse_sync
from . import types as t
from .net import IPNetwork
from .problems import Problems, nearest
from .reader import Reader, valid_key

NAME = r"[a-z0-9][a-z0-9-]{0,14}"
CLUSTER_KEYS = (
    "name",
    "topology",
    "profile",
    "preempt",
    "failover_budget_ms",
    "management",
    "networks",
    "sync_links",
    "vip_groups",
    "vrrp",
    "pacemaker",
    "conntrackd",
    "damping",
    "config_sync",
    "role_variables",
    "accept_warnings",
)
MANAGEMENT_KEYS = ("interface", "ipv4", "ipv6", "sources", "ssh_port")
NETWORK_KEYS = ("zone", "interface", "ipv4", "ipv6", "vips", "vrid", "track")
SYNC_KEYS = ("name", "interface", "ipv4", "ipv6")
VRRP_KEYS = (
    "mode",
    "vrid",
    "transport",
    "version",
    "advert_interval_ms",
    "down_timer_adverts",
    "use_vmac",
    "track_scripts",
    "garp",
)
SCRIPT_KEYS = ("name", "command", "interval_ms", "timeout_ms", "fall", "rise", "weight")
CONNTRACKD_KEYS = ("mode", "immediate", "transport", "port", "table_max", "expectations", "hash_limit")
ROLE_PREFIXES = (
    "base_",
    "iptables_",
    "conntrackd_",
    "config_sync_",
    "keepalived_",
    "corosync_",
    "pacemaker_",
    "ocf_agents_",
    "takeover_",
)
DAMPING_KEYS = ("moves", "window_s", "wait_s", "hold_s", "alarm_command")
# What only one topology has.
OWN_KEYS = {"keepalived": ("vrrp",), "pacemaker": ("pacemaker", "vip_groups")}
HELPERS = (
    "ftp",
    "sip",
    "tftp",
    "h323",
    "irc",
    "pptp",
    "sane",
    "amanda",
    "snmp",
    "netbios-ns",
    "ras",
    "q.931",
    "rpc",
    "tns",
)


def cluster(raw: object, path: str, node_count: int, problems: Problems) -> t.Cluster:
    """Read one cluster without its nodes and its policy."""
    r = Reader(raw, path, CLUSTER_KEYS, problems)
    if r.raw.get("name") is None:
        r.missing("name", "Give the cluster a name of its own.")
    name = str(r.raw.get("name") or "")
    if name and not re.fullmatch(NAME, name):
        r.error("name", "name", "is not a usable name", "Use 1 to 15 of a-z 0-9 and -.")
    profile = t.PROFILES[r.choice("profile", tuple(t.PROFILES), "fast")]
    topology = r.choice("topology", t.TOPOLOGIES, "keepalived")
    for other, keys in OWN_KEYS.items():
        for key in keys:
            if other != topology and r.has(key):
                r.error("topology", key, f"belongs to topology {other}", f"Remove it, or write topology: {other}.")
    networks = _networks(r, name, problems)
    links = _sync_links(r, problems)
    return t.Cluster(
        name=name,
        topology=topology,
        profile=profile,
        preempt=r.flag("preempt", False),
        networks=networks,
        sync_links=links,
        management=_management(r, problems),
        nodes=(),
        vrrp=_vrrp(r, profile, bool(links), problems),
        conntrackd=_conntrackd(r, node_count, problems),
        policy=t.Policy(),
        vip_groups=parse_pacemaker.vip_groups(r, name, problems),
        pacemaker=parse_pacemaker.pacemaker(r, profile, topology, problems),
        damping=_damping(r, problems),
        config_sync=_config_sync(r, problems),
        budget_limit_ms=r.optional_number("failover_budget_ms", 1, 600_000, unit=" ms"),
        accept_warnings=tuple(str(code) for code in r.items("accept_warnings")),
        role_overrides=_role_variables(r),
    )


def _segment(r: Reader) -> tuple[str, Optional[IPNetwork], Optional[IPNetwork]]:
    interface = r.interface("interface")
    ipv4, ipv6 = r.prefix("ipv4", 4), r.prefix("ipv6", 6)
    if not r.has("ipv4") and not r.has("ipv6"):
        r.missing("ipv4", "Give it a prefix: ipv4, ipv6 or both.")
    return interface, ipv4, ipv6


def _networks(top: Reader, cluster_name: str, problems: Problems) -> tuple[t.Network, ...]:
    raw = top.raw.get("networks")
    if not isinstance(raw, Mapping) or not raw:
        top.error("missing", "networks", "names no network", "Write networks: {wan: {...}, lan: {...}}.")
        return ()
    found = []
    for key, body in raw.items():
        path = f"{top.at('networks')}.{key}"
        if not valid_key(key) or key == t.MANAGEMENT:
            problems.error(
                "name", path, key, "is not a usable name of a network", "Use 1 to 15 of a-z 0-9 _ -, and not mgmt."
            )
            continue
        r = Reader(body if body is not None else {}, path, NETWORK_KEYS, problems)
        interface, ipv4, ipv6 = _segment(r)
        zone = (
            r.name("zone", r"[a-z][a-z0-9_-]{0,14}", "1 to 15 of a-z 0-9 _ -, a letter first")
            if r.has("zone")
            else str(key)
        )
        if zone in (ANY, FIREWALL):
            r.error("name", "zone", "is a reserved word", "Use another name for the zone.", value=zone)
        prefixes = tuple(p for p in (ipv4, ipv6) if p is not None)
        vrid = r.number("vrid", 1, 255, 0, code="vrid")
        found.append(
            t.Network(
                str(key),
                interface,
                ipv4,
                ipv6,
                zone,
                _vips(r, prefixes, cluster_name, problems),
                vrid,
                r.flag("track", True),
            )
        )
    return tuple(found)


def _vips(top: Reader, prefixes: tuple[IPNetwork, ...], cluster_name: str, problems: Problems) -> tuple[t.Vip, ...]:
    lengths = {p.version: int(p.prefixlen) for p in prefixes}
    found = []
    for number, item in enumerate(top.items("vips")):
        path = f"{top.at('vips')}[{number}]"
        body = item if isinstance(item, Mapping) else {"address": item}
        r = Reader(body, path, ("address", "label", "group"), problems)
        if isinstance(item, Mapping) and not r.has("address"):
            r.missing("address", "Write the shared address.")
        address = r.address("address")
        label = (
            r.name("label", r"[A-Za-z0-9_.:-]{1,15}", "1 to 15 letters, digits and _ . : -") if r.has("label") else None
        )
        group = str(r.raw.get("group") or cluster_name)
        if address is not None:
            length = lengths.get(address.version, 32 if address.version == 4 else 128)
            found.append(t.Vip(address, length, label, group))
    return tuple(found)


def _sync_links(top: Reader, problems: Problems) -> tuple[t.SyncLink, ...]:
    found = []
    for number, body in enumerate(top.items("sync_links")):
        r = Reader(body, f"{top.at('sync_links')}[{number}]", SYNC_KEYS, problems)
        name = r.name("name", r"[a-z0-9][a-z0-9_-]{0,14}", "1 to 15 of a-z 0-9 _ -, and not mgmt")
        if name == t.MANAGEMENT:
            r.error("name", "name", "is a reserved word", "Use another name for the link.")
        interface, ipv4, ipv6 = _segment(r)
        found.append(t.SyncLink(name or f"#{number}", interface, ipv4, ipv6))
    return tuple(found)


def _management(top: Reader, problems: Problems) -> Optional[t.Management]:
    if not top.has("management"):
        return None
    r = Reader(top.raw["management"], top.at("management"), MANAGEMENT_KEYS, problems)
    interface, ipv4, ipv6 = _segment(r)
    own = tuple(p for p in (ipv4, ipv6) if p is not None)
    sources = r.prefixes("sources") if r.has("sources") else own
    return t.Management(t.MANAGEMENT, interface, ipv4, ipv6, sources, r.number("ssh_port", 1, 65535, 22, code="port"))


def _vrrp(top: Reader, profile: t.Profile, linked: bool, problems: Problems) -> t.Vrrp:
    r = Reader(top.raw.get("vrrp"), top.at("vrrp"), VRRP_KEYS, problems)
    mode = r.choice("mode", ("shared", "per_network"), "shared" if linked else "per_network")
    advert = r.number("advert_interval_ms", 10, 40_950, profile.advert_ms, unit=" ms")
    if advert % 10:
        r.error("range", "advert_interval_ms", "is not a multiple of 10", "VRRPv3 counts in hundredths of a second.")
    garp = r.raw.get("garp")
    if garp is not None and not isinstance(garp, Mapping):
        r.error("type", "garp", "is not a mapping", "Write it as key: value pairs.")
    version = r.number("version", 2, 3, 3, code="vrrp-version")
    return t.Vrrp(
        mode=mode,
        vrid=r.number("vrid", 1, 255, 0, code="vrid"),
        transport=r.choice("transport", ("unicast", "multicast"), "multicast"),
        version=version,
        advert_interval_ms=advert,
        down_timer_adverts=r.number("down_timer_adverts", 1, 100, profile.down_timer_adverts),
        use_vmac=r.flag("use_vmac", False),
        track_scripts=_scripts(r, profile, problems),
        garp={str(k): v for k, v in garp.items()} if isinstance(garp, Mapping) else {},
    )


def _scripts(top: Reader, profile: t.Profile, problems: Problems) -> tuple[t.TrackScript, ...]:
    found: list[t.TrackScript] = []
    for number, body in enumerate(top.items("track_scripts")):
        r = Reader(body, f"{top.at('track_scripts')}[{number}]", SCRIPT_KEYS, problems)
        name = r.name("name", r"[A-Za-z0-9_-]{1,30}", "1 to 30 letters, digits, _ and -")
        if name and any(s.name == name for s in found):
            r.error("duplicate", "name", "is used twice", "Give each script a name of its own.")
        command = r.raw.get("command")
        if not isinstance(command, str) or not command.startswith("/"):
            r.error(
                "type", "command", "is not a command with an absolute path", "Write /path/to/program and its arguments."
            )
            command = ""
        interval = r.number("interval_ms", 10, 3_600_000, profile.track_interval_ms, unit=" ms")
        weight = r.number("weight", -253, 253, 0)
        timeout = r.number("timeout_ms", 1, 3_600_000, interval, unit=" ms")
        found.append(
            t.TrackScript(
                name, command, interval, timeout, r.number("fall", 1, 100, 1), r.number("rise", 1, 100, 1), weight
            )
        )
    return tuple(found)


def _conntrackd(top: Reader, node_count: int, problems: Problems) -> t.Conntrackd:
    r = Reader(top.raw.get("conntrackd"), top.at("conntrackd"), CONNTRACKD_KEYS, problems)
    # One sequence counter for all peers: FTFW with three nodes loses states without counting them.
    mode = r.choice("mode", ("ftfw", "notrack", "alarm"), "ftfw" if node_count <= 2 else "notrack")
    immediate = r.flag("immediate", mode != "alarm")
    if immediate and mode == "alarm":
        r.error(
            "alarm-immediate",
            "immediate",
            "conntrackd refuses it in alarm mode",
            "Use mode ftfw or notrack, or immediate: false.",
        )
    expectations: list[str] = []
    for number, item in enumerate(r.items("expectations")):
        if item == "all" or item in HELPERS:
            expectations.append(str(item))
        else:
            hint = nearest(item, (*HELPERS, "all"))
            problems.error("choice", f"{r.at('expectations')}[{number}]", item, "unknown helper", hint)
    return t.Conntrackd(
        mode=mode,
        immediate=immediate,
        transport=r.choice("transport", ("udp", "multicast", "tcp"), "udp" if node_count <= 2 else "multicast"),
        port=r.number("port", 1, 65535, 3780, code="port"),
        table_max=r.number("table_max", 1024, 67_108_864, 262_144),
        expectations=tuple(expectations),
        hash_limit=r.optional_number("hash_limit", 1, 2**31 - 1),
    )


def _damping(top: Reader, problems: Problems) -> t.Damping:
    r = Reader(top.raw.get("damping"), top.at("damping"), DAMPING_KEYS, problems)
    normal = t.Damping()
    found = t.Damping(
        moves=r.number("moves", 0, 100, normal.moves),
        window_s=r.number("window_s", 10, 86_400, normal.window_s, unit=" s"),
        wait_s=r.number("wait_s", 1, 86_400, normal.wait_s, unit=" s"),
        hold_s=r.number("hold_s", 10, 604_800, normal.hold_s, unit=" s"),
        alarm_command=tuple(str(item) for item in r.items("alarm_command")),
    )
    if found.hold_s < found.wait_s:
        remedy = f"Hold for {found.wait_s} s or more, or wait for less."
        r.error("damping", "hold_s", "is less than wait_s, of which it is the aggravation", remedy, value=found.hold_s)
    if found.alarm_command and not found.alarm_command[0].startswith("/"):
        remedy = "Write [/path/to/program, argument, ...]."
        r.error("type", "alarm_command", "does not begin with an absolute path", remedy)
    return found


def _config_sync(top: Reader, problems: Problems) -> Optional[t.ConfigSync]:
    if not top.has("config_sync"):
        return None
    return parse_sync.read(Reader(top.raw["config_sync"], top.at("config_sync"), parse_sync.KEYS, problems), problems)


def _role_variables(top: Reader) -> Mapping[str, Any]:
    raw = top.raw.get("role_variables")
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        top.error("type", "role_variables", "is not a mapping", "Write name: value pairs.")
        return {}
    for key in raw:
        if not str(key).startswith(ROLE_PREFIXES):
            path = f"{top.at('role_variables')}.{key}"
            remedy = f"Names begin with {', '.join(ROLE_PREFIXES)}."
            top.problems.error("role-variable", path, raw[key], "is not a variable of a known role", remedy)
    return {str(k): v for k, v in raw.items()}
