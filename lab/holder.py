# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""PID 1 of a lab: prepares the namespaces, then reaps orphans until it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def _call(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def _mounts() -> None:
    _call("mount", "-t", "proc", "proc", "/proc")
    # Container runtimes refuse the hybrid layout (v1 controllers and v2 side by side). A pure version 2 tree, seen by
    # the lab alone, satisfies them; on a host that is pure already nothing changes.
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        _call("umount", "--recursive", "--lazy", "/sys/fs/cgroup")
        _call("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    Path("/run/netns").mkdir(exist_ok=True)
    _call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run/netns")


def _network() -> None:
    _call("ip", "link", "set", "lo", "up")
    # Frames that cross a bridge must not pass the lab's own netfilter hooks: they would be tracked twice.
    for name in ("iptables", "ip6tables", "arptables"):
        knob = Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}")
        if knob.exists():
            knob.write_text("0")
    # The switches and the controller's port share this namespace. A bridge that answered ARP for the controller would
    # give nodes its own MAC address, which changes with its ports: they could not reach the controller any more.
    Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1")


def main() -> None:
    """Prepare, report `ready` through the inherited descriptor, then wait for ever."""
    report = int(sys.argv[2])
    _mounts()
    _network()
    os.write(report, b"ready\n")
    os.close(report)
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(0))
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigtimedwait({signal.SIGCHLD}, 3600)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    main()
