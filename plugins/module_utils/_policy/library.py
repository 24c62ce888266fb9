# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What everybody means by the same name: services, kinds of ICMP messages, helpers of the kernel, special addresses.

Ports are those of the IANA registry of service names; message types those of the ICMP and ICMPv6 registries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional


def _tcp(*ports: object) -> dict[str, Any]:
    return {"protocol": "tcp", "ports": list(ports)}


def _udp(*ports: object) -> dict[str, Any]:
    return {"protocol": "udp", "ports": list(ports)}


def _both(*ports: object) -> list[Any]:
    return [_tcp(*ports), _udp(*ports)]


#: In the language of `services`; a list is a union, a word in it another service.
SERVICES: Mapping[str, Any] = {
    "bgp": _tcp(179),
    "dhcp": _udp(67, 68),
    "dhcpv6": _udp(546, 547),
    "dns": _both(53),
    "dns-tls": _tcp(853),
    "ftp": {**_tcp(21), "helper": "ftp"},
    "ftps": _tcp(990),
    "git": _tcp(9418),
    "http": _tcp(80),
    "http3": _udp(443),
    "https": _tcp(443),
    "ike": _udp(500, 4500),
    "imap": _tcp(143),
    "imaps": _tcp(993),
    "iperf3": _both(5201),
    "ipsec": ["ike", {"protocol": "esp"}, {"protocol": "ah"}],
    "kerberos": _both(88),
    "kpasswd": _both(464),
    "ldap": _both(389),
    "ldaps": _tcp(636),
    "mysql": _tcp(3306),
    "nfs": _tcp(2049),
    "ntp": _udp(123),
    "openvpn": _both(1194),
    "ping": {"protocol": "icmp", "types": ["echo-request"]},
    "pop3": _tcp(110),
    "pop3s": _tcp(995),
    "postgresql": _tcp(5432),
    "pptp": [{**_tcp(1723), "helper": "pptp"}, {"protocol": "gre"}],
    "radius": _udp(1812, 1813),
    "rdp": _both(3389),
    "redis": _tcp(6379),
    "rsync": _tcp(873),
    "sip": [{**_udp(5060), "helper": "sip"}, {**_tcp(5060), "helper": "sip"}],
    "sips": _tcp(5061),
    "smb": _tcp(445),
    "smtp": _tcp(25),
    "smtps": _tcp(465),
    "snmp": _udp(161),
    "snmp-trap": _udp(162),
    "ssh": _tcp(22),
    "submission": _tcp(587),
    "syslog": _udp(514),
    "syslog-tls": _tcp(6514),
    "telnet": _tcp(23),
    "tftp": {**_udp(69), "helper": "tftp"},
    "traceroute": [_udp("33434:33534"), "ping"],
    "vnc": _tcp("5900:5903"),
    "whois": _tcp(43),
    "winrm": _tcp(5985, 5986),
    "wireguard": _udp(51820),
    "zabbix-agent": _tcp(10050),
    "zabbix-server": _tcp(10051),
}

#: (type, code) in ICMP and in ICMPv6; a code of None is every code; None where the family has no such message.
Kind = tuple[int, Optional[int]]
ICMP: Mapping[str, tuple[Optional[Kind], Optional[Kind]]] = {
    "address-unreachable": ((3, 1), (1, 3)),
    "beyond-scope": (None, (1, 2)),
    "communication-prohibited": ((3, 13), (1, 1)),
    "destination-unreachable": ((3, None), (1, None)),
    "echo-reply": ((0, None), (129, None)),
    "echo-request": ((8, None), (128, None)),
    "fragmentation-needed": ((3, 4), None),
    "host-unreachable": ((3, 1), None),
    "neighbour-advertisement": (None, (136, None)),
    "neighbour-solicitation": (None, (135, None)),
    "network-unreachable": ((3, 0), (1, 0)),
    "packet-too-big": ((3, 4), (2, None)),
    "parameter-problem": ((12, None), (4, None)),
    "port-unreachable": ((3, 3), (1, 4)),
    "protocol-unreachable": ((3, 2), None),
    "redirect": ((5, None), (137, None)),
    "router-advertisement": ((9, None), (134, None)),
    "router-solicitation": ((10, None), (133, None)),
    "time-exceeded": ((11, None), (3, None)),
    "timestamp-reply": ((14, None), None),
    "timestamp-request": ((13, None), None),
    "ttl-exceeded": ((11, 0), (3, 0)),
}

#: Helper of nf_conntrack -> (protocols, families) that its module registers.
HELPERS: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "amanda": (("udp",), (4, 6)),
    "ftp": (("tcp",), (4, 6)),
    "irc": (("tcp",), (4,)),
    "netbios-ns": (("udp",), (4,)),
    "pptp": (("tcp",), (4,)),
    "sane": (("tcp",), (4, 6)),
    "sip": (("tcp", "udp"), (4, 6)),
    "snmp": (("udp",), (4,)),
    "tftp": (("udp",), (4, 6)),
}
