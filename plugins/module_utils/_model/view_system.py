# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the base role: packages, kernel modules and sysctls that a node needs."""

from __future__ import annotations

from typing import Any

from . import types as t

PACKAGES = ("conntrack", "conntrackd", "ipset", "iptables")
TOPOLOGY_PACKAGES = {"keepalived": ("keepalived",), "pacemaker": ("corosync", "pacemaker", "resource-agents")}
MODULES = (
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_defrag_ipv4",
    "nf_defrag_ipv6",
    "ip_set",
    "ip_set_hash_net",
    "xt_set",
)
# A burst of states must fit in a socket buffer: default buffers lost some without a trace.
SOCKET_BUFFER = 33_554_432
NEIGHBOUR_RETRY_MS = 100


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    return {
        "base_packages": [*PACKAGES, *TOPOLOGY_PACKAGES[cluster.topology]],
        "base_kernel_modules": _modules(cluster),
        "base_sysctls": _sysctls(cluster, node),
    }


def _modules(cluster: t.Cluster) -> list[str]:
    modules = list(MODULES)
    for helper in cluster.conntrackd.expectations:
        if helper in ("ftp", "sip", "tftp", "h323", "irc", "pptp", "sane", "amanda", "snmp"):
            modules.append(f"nf_conntrack_{helper}")
        elif helper == "netbios-ns":
            modules.append("nf_conntrack_netbios_ns")
    if cluster.vrrp.use_vmac:
        modules.append("macvlan")
    return modules


def _sysctls(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    found: dict[str, Any] = {
        # Without it a takeover accepts the middle of a connection, and hides that synchronisation is broken.
        "net.netfilter.nf_conntrack_tcp_loose": 0,
        "net.netfilter.nf_conntrack_max": cluster.conntrackd.table_max,
        # One bucket per entry keeps the chains short, and a takeover finds each state at once.
        "net.netfilter.nf_conntrack_buckets": cluster.conntrackd.table_max,
        # 2 (automatic) misses flows that were born before conntrackd listened.
        "net.netfilter.nf_conntrack_events": 1,
        "net.netfilter.nf_conntrack_acct": 0,
        "net.core.rmem_max": SOCKET_BUFFER,
        "net.core.wmem_max": SOCKET_BUFFER,
        "net.core.netdev_max_backlog": 10_000,
    }
    if len(cluster.vip_groups) > 1:
        # A node that gives one group away and keeps another has old TCP windows of what it gave; when that comes back,
        # it must not drop it for them. Without it only a node that serves nothing asks for newer ones.
        found["net.netfilter.nf_conntrack_tcp_be_liberal"] = 1
    for segment in cluster.segments:
        # A dot in a name would end the key: sysctl writes such names with a slash.
        name = node.interfaces[segment.name].replace(".", "/")
        if isinstance(segment, t.Network):
            # A new master knows no neighbours yet. One lost question, or answer, would hold its traffic for the default
            # second (RetransTimer, RFC 4861). The number of questions keeps the time until a neighbour counts as gone.
            for prefix in segment.prefixes:
                found[f"net.ipv{prefix.version}.neigh.{name}.retrans_time_ms"] = NEIGHBOUR_RETRY_MS
                found[f"net.ipv{prefix.version}.neigh.{name}.mcast_solicit"] = 3000 // NEIGHBOUR_RETRY_MS
        if segment.ipv6 is None:
            continue
        # An address that waits for duplicate detection cannot be announced.
        found[f"net.ipv6.conf.{name}.accept_dad"] = 0
        found[f"net.ipv6.conf.{name}.accept_ra"] = 0
        # Without it a pulled cable that is put back (link down, up) costs the node its IPv6 addresses.
        found[f"net.ipv6.conf.{name}.keep_addr_on_down"] = 1
    return found
