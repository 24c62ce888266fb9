# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Root file systems for the nodes, with the packages that the roles install as a local repository inside."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

from . import paths
from .progress import say, step
from .run import LabError, run

RELEASES = {"debian12": "bookworm", "debian13": "trixie"}

KEEP_S = 7 * 86_400

# What an installed Debian server has before any role touches it.
SYSTEM = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,iproute2,ifupdown,iputils-ping,"
    "procps,kmod,apt-utils,ca-certificates,less"
)
# What the roles install: only downloaded here, so that their apt tasks really install.
PACKAGES = (
    "iptables ipset conntrack conntrackd keepalived tcpdump rsync "
    "corosync corosync-qdevice corosync-qnetd pacemaker pacemaker-cli-utils resource-agents"
)
# What no role installs: other tools for the same purpose, which tests and the benchmarks put beside this collection.
BESIDE = "pcs crmsh ferm shorewall shorewall6"

# The repository inside the image has no signature: it comes from signed archives, and only this machine reads it.
_SETUP = r"""
set -eu
root="$1"
chroot "$root" apt-get install --yes --download-only --no-install-recommends $PACKAGES
mkdir -p "$root/srv/packages"
mv "$root"/var/cache/apt/archives/*.deb "$root/srv/packages/"
chroot "$root" sh -c 'cd /srv/packages && apt-ftparchive packages . > Packages'
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/packages ./' > "$root/etc/apt/sources.list.d/packages.list"
# Units that need a kernel of their own, or hardware, fail in a container and would hide real failures.
for unit in systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service \
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-logind.service systemd-timesyncd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    getty.target console-getty.service systemd-firstboot.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
printf 'UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n' \
  > "$root/etc/ssh/sshd_config.d/lab.conf"
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
mkdir -p "$root/root/.ssh"; chmod 700 "$root/root/.ssh"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\n' > "$root/etc/systemd/journald.conf.d.lab"
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/var/log/journal"
mv "$root/etc/systemd/journald.conf.d.lab" "$root/etc/systemd/journald.conf.d/lab.conf"
"""


def _recipe(release: str) -> str:
    text = "\n".join((release, SYSTEM, PACKAGES, BESIDE, _SETUP, os.environ.get("HAFW_MIRROR", "")))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def path(release: str) -> Path:
    """The directory of the image of this release; the name changes with the recipe."""
    if release not in RELEASES:
        raise LabError(f"release {release!r} is unknown; known: {', '.join(RELEASES)}")
    return paths.CACHE / "images" / f"{release}-{_recipe(release)}"


def build(release: str) -> Path:
    """Build the image unless it is there; two builders wait for each other."""
    target = path(release)
    if target.is_dir():
        os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        with step(f"image {release}: mmdebstrap {RELEASES[release]}"):
            _bootstrap(release, target)
        _prune(target.parent)
    return target


def _prune(directory: Path) -> None:
    """Remove images of earlier recipes; a running lab, perhaps of another checkout, may still stand on a recent one."""
    for image in directory.iterdir():
        if image.is_dir() and time.time() - image.stat().st_mtime > KEEP_S:
            shutil.rmtree(image)


def _bootstrap(release: str, target: Path) -> None:
    work = target.with_name(f"{release}.work")
    if work.exists():
        shutil.rmtree(work)
    hook = work.with_suffix(".hook")
    hook.write_text("#!/bin/sh\nPACKAGES='" + PACKAGES + " " + BESIDE + "'\n" + _SETUP)
    hook.chmod(0o700)
    # In a mount namespace of its own: a killed build leaves no /proc mounted where a later clean-up would delete.
    argv = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    argv += ["mmdebstrap", "--variant=minbase", f"--include={SYSTEM}", f"--customize-hook={hook}"]
    argv += [RELEASES[release], str(work)]
    if mirror := os.environ.get("HAFW_MIRROR"):
        argv.append(mirror)
    run(argv, timeout=1200)
    hook.unlink()
    work.rename(target)


def build_all(releases: set[str]) -> None:
    """Build every image in parallel: downloading one overlaps with unpacking the other."""
    failures: list[Exception] = []

    def work(release: str) -> None:
        try:
            build(release)
        except (LabError, OSError) as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(release,)) for release in sorted(releases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for problem in failures:
        say(str(problem))
    if failures:
        raise LabError("an image could not be built; see above")
