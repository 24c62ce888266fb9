# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Asks for a run as soon as something changes at a declared path. See inotify(7).

A path unit cannot do it: whatever happens in a directory above has systemd make the watches of the unit anew, and what
waits in the old ones is lost (decision 0031). Here new watches stand before a run is asked for, which looks at whatever
came before them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import posixpath
import select
import socket
import struct
import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Set

from .layout import Layout, SyncError
from .settings import Entry, Settings

IN_ATTRIB, IN_CLOSE_WRITE = 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
IN_ONLYDIR, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_ISDIR = 0x0100_0000, 0x0200_0000, 0x0400_0000, 0x4000_0000
COMES_OR_GOES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
WANTED = COMES_OR_GOES | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF
LOST = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED
# What comes together is told together. The kernel keeps it meanwhile.
PAUSE_S = 0.05
READS = 64
_EVENT = struct.Struct("iIII")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    watch: int
    mask: int
    name: str


class Watches:
    """What is watched, as it was when this was made.

    Each declared directory, what is below it, and on the way to each declared path the one name that leads there.
    """

    def __init__(self, settings: Settings, root: str = ""):
        self.handle = _LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.handle < 0:
            raise _error("inotify_init1")
        self.root = root
        # By descriptor the names that matter in the directory; None: all of them.
        self.names: Dict[int, Optional[Set[str]]] = {}
        #: The first directory for which there was no room, or nothing.
        self.full = ""
        for entry in settings.entries:
            self._way(entry.path)
            if entry.kind != "file":
                self._tree(entry)

    def _way(self, path: str) -> None:
        while path != "/":
            path, name = posixpath.split(path)
            self._add(path, name)

    def _tree(self, entry: Entry) -> None:
        waiting = [entry.path]
        while waiting:
            path = waiting.pop()
            # First the watch, then the look: what comes between them is an event at least.
            if not self._add(path):
                continue
            try:
                items = list(os.scandir(self.root + path))
            except OSError:
                continue  # gone, or not to be read: the scan of the run says so
            below = [f"{path}/{item.name}" for item in items if item.is_dir(follow_symlinks=False)]
            waiting += [inner for inner in below if not entry.excluded(inner[len(entry.path) + 1 :])]

    def _add(self, path: str, name: Optional[str] = None) -> bool:
        place = os.fsencode(self.root + path)
        found = _LIBC.inotify_add_watch(self.handle, place, WANTED | IN_ONLYDIR | IN_EXCL_UNLINK | self._follow(name))
        if found < 0:
            if ctypes.get_errno() == errno.ENOSPC:
                self.full = self.full or path
            return False
        known = self.names.setdefault(found, set())
        if name is None or known is None:
            self.names[found] = None
        else:
            known.add(name)
        return True

    @staticmethod
    def _follow(name: Optional[str]) -> int:
        """On the way to a declared path links are followed, as by the scan; below it they are not."""
        return IN_DONT_FOLLOW if name is None else 0

    def events(self) -> Iterator[Event]:
        """What waits, and no more than the kernel keeps: what comes as fast as it is read is for the next time."""
        for _number in range(READS):
            try:
                data = os.read(self.handle, 65536)
            except BlockingIOError:
                return
            place = 0
            while place < len(data):
                watch, mask, _cookie, length = _EVENT.unpack_from(data, place)
                place += _EVENT.size + length
                yield Event(watch, mask, os.fsdecode(data[place - length : place].rstrip(b"\0")))

    def outdated(self, event: Event) -> bool:
        """Whether other directories have to be watched after it: on the way to a declared path a link leads to one."""
        moves = event.mask & COMES_OR_GOES and (event.mask & IN_ISDIR or self.names.get(event.watch) is not None)
        return bool(event.mask & LOST or moves)

    def matters(self, event: Event) -> bool:
        names = self.names.get(event.watch, set())
        return bool(event.mask & LOST) or names is None or event.name in names

    def close(self) -> None:
        os.close(self.handle)


class Watcher:
    def __init__(self, layout: Layout, settings: Settings):
        self.layout, self.settings = layout, settings
        # Its being replaced is no event of the directory: something is mounted, or no more. See proc_pid_mountinfo(5).
        self.mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self.watches = self.anew()

    def anew(self) -> Watches:
        found = Watches(self.settings, self.layout.root)
        if found.full:
            print(
                f"linuxha-sync: {found.full} and perhaps more is not watched, and waits for the timer: "
                "the kernel has no room. Raise fs.inotify.max_user_watches",
                flush=True,
            )
        return found

    def ask(self) -> None:
        """Ask for a run; it begins after all that has led to this."""
        try:
            (self.layout.wanted / "local").touch()
        except OSError as error:
            raise SyncError(f"{self.layout.wanted}: {error.strerror}") from error

    def wait(self, timeout_s: Optional[float] = None) -> bool:
        """Wait for changes, and ask for a run if they matter. False: nothing happened in time."""
        ready = select.poll()
        ready.register(self.watches.handle, select.POLLIN)
        ready.register(self.mounts, select.POLLPRI)
        found = ready.poll(None if timeout_s is None else timeout_s * 1000)
        if not found:
            return False
        time.sleep(PAUSE_S)
        new = any(handle == self.mounts for handle, _what in found)
        if new:
            os.pread(self.mounts, 1, 0)
        matter: List[Event] = [event for event in self.watches.events() if self.watches.matters(event)]
        if new or any(self.watches.outdated(event) for event in matter):
            # First the old ones go: twice as many may be more than the kernel allows.
            self.watches.close()
            self.watches = self.anew()
        if new or matter:
            self.ask()
        return True

    def close(self) -> None:
        self.watches.close()
        os.close(self.mounts)


def watch(layout: Layout, settings: Settings) -> None:
    """Without an end."""
    watcher = Watcher(layout, settings)
    # What has changed while nobody watched.
    watcher.ask()
    _tell_ready()
    while True:
        watcher.wait()


def _tell_ready() -> None:
    """See sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
