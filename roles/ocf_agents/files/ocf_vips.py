# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""ocf:linuxha:vips: all virtual addresses of a virtual cluster as one resource.

One resource per address would start them one after the other, each with programs of its own: hundreds of addresses
would take longer than everything else of a takeover together, and a failure in the middle would divide them.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import namedtuple
from pathlib import Path

import ocf_common as ocf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Set, Tuple

CONFIGURATION = Path("/etc/linuxha/vips")
BROADCAST = b"\xff" * 6
ALL_NODES = "ff02::1"
# As keepalived: once at once, and again a second later for switches that were busy.
REPEAT_AFTER_S = (0.1, 1.0, 3.0)


Vip = namedtuple("Vip", "address prefixlen interface")


def version(vip: Vip) -> int:
    return 6 if ":" in vip.address else 4


def read(text: str) -> List[Vip]:
    """Addresses from lines such as `192.0.2.1/24 eth1`; lines that begin with # are none."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        written, interface = words
        address, _unused, length = written.partition("/")
        # In the spelling of the kernel, with which they are compared.
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        address = socket.inet_ntop(family, socket.inet_pton(family, address))
        found.append(Vip(address, int(length), interface))
    return found


def write(vips: List[Vip]) -> str:
    return "".join(f"{vip.address}/{vip.prefixlen} {vip.interface}\n" for vip in vips)


def configured(group: str) -> List[Vip]:
    path = CONFIGURATION / group
    try:
        return read(path.read_text())
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise ocf.Failed(f"{path}: no such list: deploy the role ocf_agents", ocf.OCF_ERR_INSTALLED) from error
        raise ocf.Failed(f"{path}: {error}", ocf.OCF_ERR_CONFIGURED) from error
    except ValueError as error:
        raise ocf.Failed(f"{path}: no list of addresses: {error}", ocf.OCF_ERR_CONFIGURED) from error


def mark(group: str) -> Path:
    """What the last start or reload has added, and when: a comment makes each one different."""
    return ocf.RUNTIME / f"ocf-vips-{group}"


def started(group: str) -> List[Vip]:
    """What the last start or reload has added; the configuration may name other addresses by now."""
    return read(ocf.remembered(mark(group)) or "")


def held(vips: List[Vip]) -> List[Vip]:
    import json

    code, text = ocf.run(["ip", "-json", "address", "show"])
    if code != 0:
        raise ocf.Failed(f"ip address show: exit {code}: {text}")
    here: Set[Tuple[str, str]] = {
        (str(link.get("ifname")), str(item.get("local")))
        for link in json.loads(text or "[]")
        for item in link.get("addr_info", [])
    }
    return [vip for vip in vips if (vip.interface, vip.address) in here]


def additions(vips: List[Vip]) -> List[str]:
    """Lines for `ip -batch`.

    The kernel delivers to an IPv6 address only when a worker has added its local route; with the route made here
    nothing that arrives in between is lost. No duplicate address detection: an address that is tentative cannot be
    announced.
    """
    lines = []
    for vip in vips:
        if version(vip) == 6:
            lines.append(f"route replace local {vip.address}/128 dev lo table local metric 1")
        flags = " nodad" if version(vip) == 6 else ""
        lines.append(f"address replace {vip.address}/{vip.prefixlen} dev {vip.interface}{flags}")
    return lines


def removals(vips: List[Vip]) -> List[str]:
    lines = []
    for vip in vips:
        lines.append(f"address del {vip.address}/{vip.prefixlen} dev {vip.interface}")
        if version(vip) == 6:
            lines.append(f"route del local {vip.address}/128 dev lo table local metric 1")
    return lines


def batch(lines: List[str]) -> Tuple[int, str]:
    if not lines:
        return 0, ""
    return ocf.run(["ip", "-force", "-batch", "-"], "\n".join(lines) + "\n")


def arp(mac: bytes, address: str) -> bytes:
    """A gratuitous ARP request (RFC 5227, 2.3)."""
    ip = socket.inet_aton(address)
    return BROADCAST + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + ip + b"\0" * 6 + ip


def advertisement(mac: bytes, address: str) -> bytes:
    """An unsolicited neighbour advertisement of a router, which overrides what was known (RFC 4861, 7.2.6)."""
    source, target = socket.inet_pton(socket.AF_INET6, address), socket.inet_pton(socket.AF_INET6, ALL_NODES)
    body = struct.pack("!BBHI", 136, 0, 0, 0xA0000000) + source + b"\x02\x01" + mac
    pseudo = source + target + struct.pack("!II", len(body), 58) + body
    total = sum(word for (word,) in struct.iter_unpack("!H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
    header = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + source + target
    return b"\x33\x33\x00\x00\x00\x01" + mac + struct.pack("!H", 0x86DD) + header + body


def announce(vips: List[Vip]) -> None:
    """Tells all neighbours where the addresses are. An interface that is down is no reason not to tell the others."""
    for interface in sorted({vip.interface for vip in vips}):
        try:
            mac = bytes.fromhex(Path("/sys/class/net", interface, "address").read_text().strip().replace(":", ""))
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
                wire.bind((interface, 0))
                for vip in vips:
                    if vip.interface == interface:
                        wire.send((arp if version(vip) == 4 else advertisement)(mac, vip.address))
        except (OSError, ValueError) as error:
            ocf.say(f"{interface}: addresses were not announced: {error}")


def keep_announcing(group: str, vips: List[Vip]) -> None:
    """Repeats it in the background, as long as this start is the last one."""
    mine = ocf.remembered(mark(group))
    if os.fork():
        return
    # Nobody waits for it: Pacemaker waits until all that hold the agent's output have closed it.
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    began = time.monotonic()
    for after in REPEAT_AFTER_S:
        time.sleep(max(0.0, began + after - time.monotonic()))
        if ocf.remembered(mark(group)) != mine:
            break
        announce(vips)
    os._exit(0)


def _bring_up(group: str, vips: List[Vip]) -> None:
    code, text = batch(additions(vips))
    here = held(vips) if code else vips
    missing = [vip for vip in vips if vip not in here]
    if missing:
        names = ", ".join(f"{vip.address} on {vip.interface}" for vip in missing[:6])
        raise ocf.Failed(f"{len(missing)} addresses could not be added: {names}: {text}")
    ocf.remember(mark(group), f"# {time.monotonic_ns()}\n{write(vips)}")
    announce(vips)
    keep_announcing(group, vips)


def instance(given: Dict[str, str]) -> str:
    """What the takeover worker knows this group as."""
    return "vips-" + given["group"]


def start(given: Dict[str, str]) -> int:
    if given["steer"] == "true":
        # Only here: it imports what a start without it does not need.
        import ocf_worker

        ocf_worker.serve(given, instance(given))
    _bring_up(given["group"], configured(given["group"]))
    return ocf.OCF_SUCCESS


def stop(given: Dict[str, str]) -> int:
    group = given["group"]
    try:
        wanted = configured(group)
    except ocf.Failed:
        wanted = []  # a node that was never deployed, or not any more
    known = list(dict.fromkeys([*started(group), *wanted]))
    batch(removals(known))
    left = held(known)
    if left:
        raise ocf.Failed(f"{len(left)} addresses are still here: {', '.join(vip.address for vip in left[:6])}")
    mark(group).unlink(missing_ok=True)
    if given["steer"] == "true":
        import ocf_worker

        ocf_worker.let_go(given, instance(given), "BACKUP")
    return ocf.OCF_SUCCESS


def monitor(given: Dict[str, str]) -> int:
    # What was started counts: a configuration that was just changed comes into force by a reload.
    group = given["group"]
    wanted = started(group) or configured(group)
    here = held(wanted)
    if not here:
        return ocf.OCF_NOT_RUNNING
    if len(here) < len(wanted):
        missing = [vip.address for vip in wanted if vip not in here]
        raise ocf.Failed(f"{len(missing)} of {len(wanted)} addresses are missing: {', '.join(missing[:6])}")
    if given["steer"] == "true":
        import ocf_worker

        ocf_worker.remind(given, instance(given), "MASTER")
    return ocf.OCF_SUCCESS


def reload_agent(given: Dict[str, str]) -> int:
    """Takes a changed list into force without letting go of the addresses that stay."""
    group = given["group"]
    before, after = started(group), configured(group)
    _bring_up(group, after)
    batch(removals([vip for vip in before if vip not in after]))
    return ocf.OCF_SUCCESS


def validate(given: Dict[str, str]) -> int:
    configured(given["group"])
    return ocf.OCF_SUCCESS


AGENT = ocf.Agent(
    "vips",
    "Virtual addresses of a firewall",
    "All virtual addresses of one group, IPv4 and IPv6, on any number of interfaces, added and removed together and "
    "announced by gratuitous ARP and unsolicited neighbour advertisements. The list stands in "
    f"{CONFIGURATION}/GROUP on each node.",
    (
        ocf.Parameter("group", None, f"Name of the list in {CONFIGURATION}.", unique=True),
        ocf.Parameter(
            "digest", "", "Changes whenever the list changes, so that Pacemaker has it reloaded.", reloadable=True
        ),
        ocf.Parameter(
            "steer",
            "false",
            "Whether these addresses steer the takeover worker: true where each group has a node of its own. Then a "
            "start has the gate opened first, and a node that has no such group any more gives way.",
        ),
        *ocf.WORKER,
    ),
    (
        ("start", 20, 0, ""),
        ("stop", 20, 0, ""),
        ("monitor", 20, 10, ""),
        ("reload-agent", 20, 0, ""),
        ("validate-all", 5, 0, ""),
        ("meta-data", 5, 0, ""),
    ),
    {
        "start": start,
        "stop": stop,
        "monitor": monitor,
        "reload-agent": reload_agent,
        "validate-all": validate,
    },
)


def main(argv: List[str]) -> int:
    return ocf.main(AGENT, argv, os.environ)
