# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Network namespaces without a name: each lives as long as its handle, and ends with this process at the latest."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .run import run

CLONE_NEWNET = 0x40000000
T = TypeVar("T")


def enter(handle: int) -> None:
    """Put this thread into a network namespace; sockets stay where they were made."""
    _system_call("setns", handle, CLONE_NEWNET)


def aside(call: Callable[[], T]) -> T:
    """In a thread that ends with it, since a thread changes its namespace alone."""
    found: list[T] = []
    problem: list[BaseException] = []

    def target() -> None:
        try:
            found.append(call())
        except BaseException as error:
            problem.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if problem:
        raise problem[0]
    return found[0]


class Namespace:
    """An empty network namespace, and what runs in it."""

    def __init__(self) -> None:
        def make() -> int:
            _system_call("unshare", CLONE_NEWNET)
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self.handle = aside(make)
        #: For programs of other namespaces, while this process lives.
        self.path = f"/proc/{os.getpid()}/fd/{self.handle}"

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns when it is called inside."""

        def inside() -> T:
            enter(self.handle)
            return function(*arguments)

        return aside(inside)

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a program inside and return its standard output.

        Raises:
            LabError: it failed.
        """
        environment = {**os.environ, "PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}", "LC_ALL": "C"}
        done: subprocess.CompletedProcess[str] = self.call(lambda: run(argv, stdin=stdin, env=environment))
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Run lines of `ip -batch`."""
        self.run("ip", "-batch", "-", stdin="".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        os.close(self.handle)


def _system_call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
