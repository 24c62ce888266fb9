# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A firewall that boots again and again under fire.

Each boot is a network namespace of its own, as empty as a kernel that has just started, with the loader started as its
unit starts it. Forbidden packets are on the wire all the time, from before the firewall's interfaces are up.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from lab.monitors.frames import checksum, ethernet, ip, pseudo_header
from lab.netns import Namespace

ROLE = Path(__file__).parents[2] / "roles" / "iptables"

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS = 3, 263, 6
FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
MARK = b"linuxha-boot"
FIREWALL_MAC, SERVER_MAC, OTHER_MAC = "020000000001", "020000000002", "020000000003"
# As systemd gives it to a unit.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}
BURST_S = 0.001
#: What a load takes until one has been seen. Links come up before, during and after it.
LOAD_S = 0.5
CALM_S = 0.03

POLICY = {
    "zones": {
        "wan": {"interfaces": ["wan"]},
        "lan": {"interfaces": ["lan"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
    },
    "addresses": {"web": ["198.51.100.80", "198.51.100.82", "2001:db8:2::80", "2001:db8:2::82"]},
    "rules": [{"name": "web", "from": "wan", "to": "lan", "destination": "web", "protocol": "tcp", "ports": [8080]}],
}
LINKS = {
    "wan": "link set wan up\naddress add 192.0.2.1/24 dev wan\naddress add 2001:db8:1::1/64 dev wan nodad\n",
    "lan": (
        "link set lan up\naddress add 198.51.100.1/24 dev lan\naddress add 2001:db8:2::1/64 dev lan nodad\n"
        "neighbour replace 198.51.100.80 lladdr 02:00:00:00:00:02 dev lan nud permanent\n"
        "neighbour replace 2001:db8:2::80 lladdr 02:00:00:00:00:02 dev lan nud permanent\n"
    ),
}
ENDS = {4: ("192.0.2.9", "198.51.100.80"), 6: ("2001:db8:1::9", "2001:db8:2::80")}


# --- namespaces ------------------------------------------------------------------------------------------------------


def forwarding(network: Namespace) -> tuple[str, ...]:
    return network.call(lambda: tuple(Path(path).read_text().strip() for path in FORWARDING))


def forward(network: Namespace, value: str) -> None:
    network.call(lambda: [Path(path).write_text(value) for path in FORWARDING])


def received(network: Namespace, device: str) -> int:
    text = network.call(lambda: Path("/proc/thread-self/net/dev").read_text())
    found = re.search(rf"^\s*{device}:\s*\d+\s+(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


# --- packets ---------------------------------------------------------------------------------------------------------


def frame(family: int, protocol: int, head: Callable[[int], bytes], payload: bytes) -> bytes:
    """`head` makes the header of the protocol with a checksum."""
    source, target = (ip_address(text).packed for text in ENDS[family])
    size = len(head(0)) + len(payload)
    pseudo = b"" if (family, protocol) == (4, 1) else pseudo_header(source, target, protocol, size)
    body = head(checksum(pseudo + head(0) + payload)) + payload
    return ethernet(bytes.fromhex(FIREWALL_MAC), bytes.fromhex(OTHER_MAC), ip(source, target, protocol, body))


def tcp(source: int, port: int, flags: int) -> Callable[[int], bytes]:
    return lambda total: struct.pack("!HHIIBBHHH", source, port, 1, 1, 5 << 4, flags, 1024, total, 0)


def udp(port: int, size: int) -> Callable[[int], bytes]:
    return lambda total: struct.pack("!HHHH", 40003, port, 8 + size, total)


def echo(kind: int) -> Callable[[int], bytes]:
    return lambda total: struct.pack("!BBHHH", kind, 0, total, 1, 1)


def payload(boot: int, allowed: bool) -> bytes:
    return MARK + struct.pack("!IH", boot, allowed)


def frames(boot: int) -> tuple[list[bytes], list[bytes]]:
    """What must never pass, and what has to pass once the rules are there."""
    forbidden, allowed = [], []
    for family in (4, 6):
        text = payload(boot, False)
        forbidden += [
            frame(family, 6, tcp(40001, 22, 0x02), text),
            # Of a service that is allowed, but of no connection.
            frame(family, 6, tcp(40002, 8080, 0x10), text),
            frame(family, 17, udp(5000, len(text)), text),
            frame(family, 1 if family == 4 else 58, echo(8 if family == 4 else 128), text),
        ]
        allowed.append(frame(family, 6, tcp(40000, 8080, 0x02), payload(boot, True)))
    return forbidden, allowed


class Wire:
    """The hosts outside and inside: one sends without a pause, the other counts by boot what arrives."""

    def __init__(self) -> None:
        self.wan, self.lan = Namespace(), Namespace()
        self.arrived: Counter[tuple[int, bool, int]] = Counter()
        self.dropped = 0
        self._port = ""
        self._frames: tuple[Sequence[bytes], Sequence[bytes]] = ((), ())
        self._ended = threading.Event()
        self._out = self.wan.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)
        self._in = self.lan.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._in.settimeout(0.2)
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def aim(self, boot: int, port: str) -> None:
        self._frames, self._port = frames(boot), port

    def _send(self) -> None:
        turn = 0
        while not self._ended.is_set():
            turn += 1
            forbidden, allowed = self._frames
            for data in (*forbidden, *(allowed if turn % 5 == 0 else ())):
                try:
                    self._out.sendto(data, (self._port, 0))
                except OSError:  # no such port yet, or it is down
                    continue
            time.sleep(BURST_S)

    def _receive(self) -> None:
        while not self._ended.is_set():
            try:
                data = self._in.recv(2048)
            except TimeoutError:
                continue
            at = data.find(MARK)
            if at > 0:
                boot, allowed = struct.unpack_from("!IH", data, at + len(MARK))
                self.arrived[boot, bool(allowed), 4 if data[12:14] == b"\x08\x00" else 6] += 1

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        # struct tpacket_stats: packets, and those for which the buffer had no room.
        self.dropped = struct.unpack("II", self._in.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        for item in (self._out, self._in, self.wan, self.lan):
            item.close()


# --- the firewall's disk and its faults ------------------------------------------------------------------------------


class Disk:
    """What survives a reboot, in a mount namespace where everything is in its real place."""

    def __init__(self, directory: Path, edit: Callable[[str], str] = str) -> None:
        self.directory = directory
        self.rules, self.run = directory / "etc" / "linuxha" / "rules", directory / "run"
        self.files = render(parse(POLICY)[0])
        for path in (self.rules.parent, self.run):
            path.mkdir(parents=True)
        # The programs are found through these.
        shutil.copytree("/etc/alternatives", directory / "etc" / "alternatives", symlinks=True)
        for name in ("ld.so.cache", "nsswitch.conf", "passwd", "group", "protocols", "services"):
            if (Path("/etc") / name).exists():
                shutil.copy(Path("/etc") / name, directory / "etc")
        program = directory / "local" / "sbin" / "linuxha-rules"
        program.parent.mkdir(parents=True)
        # Without the line about the template itself.
        program.write_text((ROLE / "templates" / "linuxha-rules.j2").read_text().split("\n", 1)[1])
        program.chmod(0o755)
        shutil.copytree(ROLE / "files", directory / "local" / "libexec" / "linuxha")
        loader = directory / "local" / "libexec" / "linuxha" / "linuxha_rules.py"
        loader.write_text(edit(loader.read_text()))
        binds = [f"mount --bind {directory / name} {place}" for name, place in PLACES.items()]
        script = "\n".join([*binds, "echo ready", "exec sleep infinity"])
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--", "sh", "-ec", script],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout is not None
        assert self.holder.stdout.readline() == "ready\n"

    def reboot(self) -> None:
        """What was in memory is gone, and the files are whole."""
        for path in self.run.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self.rules.is_symlink():
            self.rules.unlink()
        shutil.rmtree(self.rules, ignore_errors=True)
        self.rules.mkdir()
        self.write(self.files)

    def write(self, files: dict[str, str]) -> None:
        for name, text in {**files, "SHA256SUMS": manifest(files)}.items():
            (self.rules / name).write_text(text)

    def start(self, network: Namespace) -> subprocess.Popen[str]:
        """The loader as the unit has it: program, umask, capabilities."""
        unit = dict(
            line.split("=", 1)
            for line in (ROLE / "files" / "linuxha-rules.service").read_text().splitlines()
            if "=" in line and not line.startswith("#")
        )
        kept = "".join(f",+{name.removeprefix('CAP_').lower()}" for name in unit["CapabilityBoundingSet"].split())
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--net={network.path}", "--"]
        limit = ["setpriv", "--no-new-privs", "--bounding-set", f"-all{kept}", "--"]
        (self.run / unit["RuntimeDirectory"]).mkdir(mode=int(unit["RuntimeDirectoryMode"], 8))
        return subprocess.Popen(
            [*enter, *limit, *unit["ExecStart"].split()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            umask=int(unit["UMask"], 8),
            start_new_session=True,
        )

    def close(self) -> None:
        self.holder.kill()
        self.holder.communicate()


PLACES = {"etc": "/etc", "local": "/usr/local", "run": "/run"}


@dataclass
class Fault:
    """What is wrong with a boot, and what the loader has to say about it; nothing where it has to load all the same."""

    name: str
    reason: str = ""
    spoil: Callable[[Disk, random.Random], object] = lambda disk, chance: None
    #: In the network namespace, before any of the firewall's programs.
    meet: Callable[[Namespace, Disk], object] = lambda network, disk: None
    #: Seconds for which somebody holds the xtables lock.
    lock_s: float = 0
    killed: bool = False


def truncate(disk: Disk, chance: random.Random) -> None:
    path = chance.choice(sorted(disk.rules.iterdir()))
    # The last line break of the sums is no loss.
    os.truncate(path, chance.randrange(path.stat().st_size - 1))


def change_a_byte(disk: Disk, chance: random.Random) -> None:
    path = disk.rules / chance.choice(sorted(disk.files))
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))


def directory_instead(disk: Disk, chance: random.Random) -> None:
    path = chance.choice(sorted(disk.rules.iterdir()))
    path.unlink()
    path.mkdir()


def loop_instead(disk: Disk, _chance: random.Random) -> None:
    shutil.rmtree(disk.rules)
    disk.rules.symlink_to("rules")


def unloadable(disk: Disk, chance: random.Random) -> None:
    name = chance.choice(["rules.v4", "rules.v6"])
    line = "-A FORWARD -m set --match-set missing src -j ACCEPT\n"
    filters, commit, rest = disk.files[name].rpartition("COMMIT\n")
    disk.write({**disk.files, name: filters + line + commit + rest})


def foreign_set(network: Namespace, disk: Disk) -> None:
    name = next(line.split()[1] for line in disk.files["ipsets"].splitlines() if line.startswith("create lh4-"))
    network.run("ipset", "create", name, "hash:ip,port")


UNREADABLE = "cannot read the rules|checksum differs"
FAULTS = (
    Fault("none"),
    Fault("killed", killed=True),
    Fault("truncated", UNREADABLE, truncate),
    Fault("none"),
    Fault("missing", UNREADABLE, lambda disk, _chance: shutil.rmtree(disk.rules)),
    Fault("killed", killed=True),
    Fault("a byte changed", UNREADABLE, change_a_byte),
    Fault("none"),
    Fault("no sets", UNREADABLE, lambda disk, _chance: (disk.rules / "ipsets").unlink()),
    Fault("unreadable file", UNREADABLE, directory_instead),
    Fault("none"),
    Fault("unreadable directory", UNREADABLE, loop_instead),
    Fault("killed", killed=True),
    Fault("refused by the kernel", "the test load failed", unloadable),
    Fault("none"),
    Fault("set of another type", "ipset", meet=foreign_set),
    # With nf_tables nobody waits for it; with the legacy backend the load does.
    Fault("lock held", lock_s=0.4),
)


# --- boots -----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What came of some boots."""

    boots: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    #: Packets that reached the firewall, forbidden ones that came through, and boots whose allowed ones did.
    reached: int = 0
    leaked: int = 0
    proved: int = 0
    #: Packets that the counter had no room for.
    dropped: int = 0
    #: The last load that was not killed, in seconds.
    load_s: float = LOAD_S

    def add(self, other: Tally) -> None:
        self.boots += other.boots
        self.problems += other.problems
        self.reached += other.reached
        self.leaked += other.leaked
        self.proved += other.proved
        self.dropped += other.dropped

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.boots.items()))
        return (
            f"{self.boots.total()} boots ({kinds}): {self.reached} packets reached the firewall, {self.leaked} leaked; "
            f"the way was open after {self.proved}"
        )


def boots(directory: Path, count: int, seed: int, edit: Callable[[str], str] = str, spread: float = 1) -> Tally:
    """Boot so many times, with every fault in turn.

    Args:
        edit: of the loader's text, for a loader that does not protect.
        spread: of the moments at which links come up; at 0 they all do before the loader starts.
    """
    tally, chance = Tally(), random.Random(seed)
    disk, wire = Disk(directory, edit), Wire()
    started = hashlib.sha256(str(seed).encode()).digest()[0]
    try:
        for boot in range(count):
            fault = FAULTS[(boot + started) % len(FAULTS)]
            tally.boots[fault.name] += 1
            problem = _boot(disk, wire, boot, fault, chance, spread, tally)
            if problem:
                tally.problems.append(f"seed {seed}, boot {boot} ({fault.name}): {problem}")
    finally:
        wire.close()
        disk.close()
    tally.leaked = sum(number for (_boot_, allowed, _family), number in wire.arrived.items() if not allowed)
    tally.dropped = wire.dropped
    return tally


def _boot(disk: Disk, wire: Wire, boot: int, fault: Fault, chance: random.Random, spread: float, tally: Tally) -> str:
    disk.reboot()
    fault.spoil(disk, chance)
    firewall = Namespace()
    # As a kernel starts, whatever this machine's own settings are.
    forward(firewall, "0")
    port = f"p{boot}"
    mac = ":".join(re.findall("..", FIREWALL_MAC))
    firewall.ip(
        f"link add wan address {mac} type veth peer name {port} netns {wire.wan.path}",
        f"link add lan type veth peer name {port} netns {wire.lan.path}",
        "link set lo up",
    )
    fault.meet(firewall, disk)
    for host in (wire.wan, wire.lan):
        host.ip(f"link set {port} up")
    wire.aim(boot, port)
    began = chance.uniform(0, 0.15)
    moments: list[tuple[float, Callable[[], object]]] = []
    for lines in LINKS.values():
        moments.append((chance.uniform(0, began + tally.load_s) * spread, partial(firewall.ip, *lines.splitlines())))
    started: list[subprocess.Popen[str]] = []
    moments.append((began, lambda: started.append(disk.start(firewall))))
    if fault.killed:
        moments.append((began + chance.uniform(0, tally.load_s), lambda: _kill(started[0], chance)))
    lock = (disk.run / "xtables.lock").open("w") if fault.lock_s else None
    if lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        moments.append((began + fault.lock_s, lock.close))
    clock = time.monotonic()
    for moment, act in sorted(moments, key=lambda item: item[0]):
        time.sleep(max(0.0, clock + moment - time.monotonic()))
        act()
    _out, said = started[0].communicate(timeout=60)
    if started[0].returncode == 0:
        tally.load_s = max(time.monotonic() - clock - began, LOAD_S / 5)
    problem = _judge(firewall, wire, boot, fault, started[0].returncode, said, tally)
    tally.reached += received(firewall, "wan")
    # A namespace that is taken apart loses its rules before its interfaces; a machine without power loses both at once.
    for host in (wire.wan, wire.lan):
        host.ip(f"link del {port}")
    firewall.close()
    return problem


def _kill(loader: subprocess.Popen[str], chance: random.Random) -> None:
    """The whole unit, or its main process alone, as the kernel does when memory runs out."""
    if loader.poll() is None:
        (os.killpg if chance.random() < 0.5 else os.kill)(loader.pid, signal.SIGKILL)


def _judge(firewall: Namespace, wire: Wire, boot: int, fault: Fault, code: int, said: str, tally: Tally) -> str:
    """What was wrong, in words."""
    switches = forwarding(firewall)
    # One that was killed when all was done has done it.
    opened = code == 0 or (fault.killed and switches == ("1", "1"))
    killed = fault.killed and code == -signal.SIGKILL
    if fault.reason:
        told = bool(re.search(fault.reason, said)) and "closed: nothing is forwarded" in said
    else:
        told = code == 0 or killed
    if not told or (bool(fault.reason) and code == 0):
        return f"exit status {code}, said {said!r}"
    if opened:
        limit = time.monotonic() + 5
        while not all(wire.arrived[boot, True, family] for family in (4, 6)):
            if time.monotonic() > limit:
                return "the allowed packets do not arrive"
            time.sleep(0.002)
        tally.proved += 1
    time.sleep(CALM_S)
    leaked = {family: wire.arrived[boot, False, family] for family in (4, 6)}
    if any(leaked.values()):
        return f"leaked {leaked}"
    if not opened and not killed and switches != ("0", "0"):
        return f"forwarding is {switches}"
    for family, value in zip((4, 6), switches, strict=True):
        if value == "0" and wire.arrived[boot, True, family]:
            return f"allowed packets of IPv{family} passed without all rules"
    return ""
