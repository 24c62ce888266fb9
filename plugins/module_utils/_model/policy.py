# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`firewall_policy`: read with the parser of the rules themselves, given the cluster's zones and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import review, ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address

from . import types as t
from .problems import ERROR, WARNING, Problem, Problems
from .reader import Reader

#: A zone of the cluster's networks takes these; everything else about it is known.
ZONE_OPTIONS = ("antispoof", "bogons")
#: What becomes of connections that changed rules forbid.
FLUSH = ("never", "forbidden")


def read(raw: object, path: str, cluster: t.Cluster, problems: Problems) -> t.Policy:
    r = Reader(raw, path, (*ruleset.POLICY_KEYS, *review.KEYS, "flush"), problems)
    content: dict[str, Any] = {key: r.raw.get(key) for key in ruleset.POLICY_KEYS if r.raw.get(key) is not None}
    interfaces: dict[str, str] = {}
    for network in cluster.networks:
        # One that is unusable or used twice has its problem already; the rules do not need another one about it.
        usable = network.interface and network.interface not in interfaces.values()
        interfaces[network.name] = network.interface if usable else network.name
    own = content.get("zones")
    if own is not None and not isinstance(own, Mapping):
        r.error("type", "zones", "is not a mapping", "Write zone: {interfaces: [...]}.")
        own = content["zones"] = {}
    _options_only(r, own or {}, cluster)
    output = cluster.role_overrides.get("iptables_output")
    found, mistakes = ruleset.parse(
        {
            **content,
            # What the analysis has to know of what the role is told directly.
            **({"output": output} if output in ("accept", "drop") else {}),
            "zones": zones(cluster, interfaces, own or {}),
            "vips": [str(v.address) for v in cluster.vips],
        },
        f"{path}.",
        addresses(cluster),
    )
    problems.policy(mistakes)
    plain = {
        "rules": [entry.as_dict() for entry in found.rules],
        "nat": [entry.as_dict() for entry in found.nat],
        "defaults": [entry.as_dict() for entry in found.defaults],
        "untracked": [entry.as_dict() for entry in found.untracked],
    }
    plain = {key: entries for key, entries in plain.items() if entries}
    if r.has("flush"):
        content["flush"] = r.choice("flush", FLUSH, FLUSH[0])
    judged = review.Review() if mistakes else _review(found, r.raw, path, cluster, problems)
    return t.Policy({**content, **plain}, found.flat, judged)


def _review(
    found: ruleset.Ruleset, raw: Mapping[Any, Any], path: str, cluster: t.Cluster, problems: Problems
) -> review.Review:
    own = [address for node in cluster.nodes for address in node.all_addresses]
    judged, mistakes = review.review(
        found, raw, path, plain_addresses(own), plain_addresses(v.address for v in cluster.vips)
    )
    problems.policy(mistakes)
    return judged


def findings(cluster: t.Cluster) -> Iterator[Problem]:
    """What the analysis found and nobody has accepted, but for what is only for those who look."""
    for each in cluster.policy.review.findings:
        if each.severity in (ERROR, WARNING) and not each.accepted:
            shown = f" (packet: {each.packet})" if each.packet else ""
            yield Problem(
                each.rules[0].path, None, each.text + shown, each.remedy, each.severity, f"policy-{each.kind}"
            )


def plain_addresses(found: Iterable[object]) -> list[Address]:
    """As the policy package has them, which has to do without netaddr."""
    return [ipaddress.ip_address(str(address)) for address in found]


def zones(cluster: t.Cluster, interfaces: Mapping[str, str], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """The zones of the networks with their options, and those that the policy adds."""
    found: dict[Any, Any] = {}
    for network in cluster.networks:
        zone = found.setdefault(network.zone, {"interfaces": [], "networks": []})
        zone["interfaces"].append(interfaces[network.name])
        zone["networks"] += [str(p) for p in network.prefixes]
    for name, body in own.items():
        if name in found and isinstance(body, Mapping):
            found[name].update({key: body[key] for key in ZONE_OPTIONS if key in body})
        elif name not in found:
            found[name] = body
    return found


def addresses(cluster: t.Cluster) -> dict[str, list[str]]:
    """What the cluster names by itself: vips, vips.<group>, node.<name>, node.<name>.<network>, net.<network>."""
    found: dict[str, list[str]] = {"vips": [str(v.address) for v in cluster.vips]}
    for vip in cluster.vips:
        found.setdefault(f"vips.{vip.group}", []).append(str(vip.address))
    for network in cluster.segments:
        found[f"net.{network.name}"] = [str(p) for p in network.prefixes]
    for node in cluster.nodes:
        found[f"node.{node.name}"] = [str(a) for a in node.all_addresses]
        for key, own in node.addresses.items():
            found[f"node.{node.name}.{key}"] = [str(a) for a in own]
    return {name: list(dict.fromkeys(items)) for name, items in found.items() if items}


def _options_only(r: Reader, own: Mapping[Any, Any], cluster: t.Cluster) -> None:
    known = {n.zone for n in cluster.networks}
    for name, body in own.items():
        if name not in known:
            continue
        path = f"{r.at('zones')}.{name}"
        if not isinstance(body, Mapping):
            r.problems.error("type", path, body, "is not a mapping", "Write {antispoof: loose, bogons: true}.")
            continue
        for key in body:
            if key not in ZONE_OPTIONS:
                remedy = f"The networks of the cluster make this zone; here it takes {' and '.join(ZONE_OPTIONS)}."
                r.problems.error("unknown-key", f"{path}.{key}", body[key], "is not an option of this zone", remedy)
