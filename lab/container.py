# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A firewall node: an OCI container that boots systemd, in a network namespace made beforehand.

The network namespace exists, with all its links, before the node boots, so that a test can send packets at a node from
the first moment of its life. The OCI runtime is crun (the configuration follows the OCI runtime specification).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .namespace import Holder, inside
from .run import run

# linux/capability.h, in bit order.
_CAPABILITIES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]
# A container that wants to reboot just ends, as one that wants to be off. What systemd would do with the power is told
# in this file on the node's disk, as the last thing of its life.
POWER_ORDER = "lab-power"
# A node must not change the clock, the kernel or the power state of the machine that carries the lab.
_WITHHELD = {"SYS_TIME", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO"}


def capabilities() -> list[str]:
    """What this machine can give a node: the bounding set of this process without what could harm the machine."""
    status = Path("/proc/self/status").read_text()
    bounding = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)
    names = [name for bit, name in enumerate(_CAPABILITIES) if bounding >> bit & 1 and name not in _WITHHELD]
    return [f"CAP_{name}" for name in names]


def oci_config(hostname: str, root: Path, netns: Path, cgroup: str) -> dict[str, Any]:
    """The OCI runtime configuration of a node."""
    granted = capabilities()
    plain = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "root": {"path": str(root), "readonly": False},
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "cwd": "/",
            "args": ["/lib/systemd/systemd", "--log-target=journal"],
            "env": ["container=oci", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), granted),
            "noNewPrivileges": False,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": plain},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            },
            # corosync and pacemaker keep about 48 MB of buffers here; the usual 64 MB is too close.
            {
                "destination": "/dev/shm",
                "type": "tmpfs",
                "source": "shm",
                "options": [*plain, "mode=1777", "size=256m"],
            },
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": plain},
            # Read-only, as systemd expects of a container: it then does not wait for udev.
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*plain, "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [*plain, "rw"]},
            {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        ],
        "linux": {
            "namespaces": [
                *({"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")),
                {"type": "network", "path": str(netns)},
            ],
            "cgroupsPath": cgroup,
            "resources": {"devices": [{"allow": True, "access": "rwm"}]},
        },
    }


class Container:
    """One node's container. All commands run inside the lab's namespaces."""

    def __init__(self, holder: Holder, name: str, image: Path, disk: Path, runtime: Path, cgroup: str) -> None:
        self._holder = holder
        self.name = name
        self._image = image
        self._disk = disk
        self._runtime = runtime
        self._cgroup = cgroup
        self.root = disk / "root"
        self._order = self.disk(POWER_ORDER)
        self.lock = runtime / f"power-{name}.lock"

    def _crun(self, *argv: str, check: bool = True) -> str:
        return inside(self._holder, ["crun", f"--root={self._runtime / 'crun'}", *argv], check=check)

    def prepare(self) -> None:
        """Mount a fresh disk: an empty overlay on the image."""
        if self._disk.exists():
            shutil.rmtree(self._disk)
        for part in ("upper", "work", "root"):
            (self._disk / part).mkdir(parents=True)
        layers = f"lowerdir={self._image},upperdir={self._disk / 'upper'},workdir={self._disk / 'work'}"
        inside(self._holder, ["mount", "-t", "overlay", "-o", layers, f"node-{self.name}", str(self.root)])

    def unmount(self) -> None:
        """Take the disk out; prepare() puts an empty one in."""
        inside(self._holder, ["umount", str(self.root)])

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the node's disk (before it boots)."""
        target = self.root / path.lstrip("/")
        script = 'umask 077; mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'
        inside(self._holder, ["sh", "-c", script, "sh", str(target), f"{mode:o}"], stdin=text)

    def disk(self, path: str) -> Path:
        """A file that the node has written itself, as this machine sees it."""
        return self._disk / "upper" / path.lstrip("/")

    def power_order(self) -> str:
        """What a node that shut down wants of its power, as systemd-shutdown(8) names it: `reboot`, `poweroff`."""
        try:
            return self._order.read_text().strip()
        except OSError:
            return ""

    def boot(self, netns: str) -> None:
        """Start systemd in the given network namespace."""
        inside(self._holder, ["rm", "-f", str(self.root / POWER_ORDER)])
        bundle = self._runtime / "bundles" / self.name
        bundle.mkdir(parents=True, exist_ok=True)
        config = oci_config(self.name, self.root, Path("/run/netns") / netns, f"{self._cgroup}/{self.name}")
        (bundle / "config.json").write_text(json.dumps(config, indent=1))
        log = bundle / "console.log"
        script = 'exec crun --root="$1" run --detach --bundle="$2" "$3" >"$4" 2>&1 </dev/null'
        done = run(
            [
                *self._holder.prefix(),
                "sh",
                "-c",
                script,
                "sh",
                str(self._runtime / "crun"),
                str(bundle),
                self.name,
                str(log),
            ],
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"node {self.name} does not start: {log.read_text()[-1000:]}")

    def pause(self) -> None:
        """Freeze every process of the node (cgroup v2 freezer)."""
        self._crun("pause", self.name)

    def resume(self) -> None:
        """Thaw."""
        self._crun("resume", self.name)

    def signal(self, name: str) -> None:
        """Send a signal to the node's init (systemd(1) lists what they mean to it)."""
        self._crun("kill", self.name, name)

    def status(self) -> str:
        """`running`, `paused`, `stopped`, or an empty string when the node was never started or is gone."""
        state = self._crun("state", self.name, check=False)
        return str(json.loads(state)["status"]) if state.strip() else ""

    def running(self) -> bool:
        """True while the node's init lives."""
        return self.status() in ("running", "paused")

    def destroy(self) -> None:
        """Kill every process of the node at once; its disk stays."""
        self._crun("delete", "--force", self.name)

    def exec(self, argv: Sequence[str], check: bool = True, stdin: str | None = None) -> str:
        """Run a program on the node, without SSH, and return its standard output."""
        prefix = [*self._holder.prefix(), "crun", f"--root={self._runtime / 'crun'}", "exec"]
        return run([*prefix, self.name, *argv], check=check, stdin=stdin).stdout
