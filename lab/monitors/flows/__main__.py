# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The worker: client or server of all flows of one network."""

from __future__ import annotations

import gc
import resource
from typing import Any

from lab.monitors.flows.client import Client
from lab.monitors.flows.server import Server
from lab.monitors.wire import Control

SPARE_FILES = 64


def files(need: int) -> str | None:
    """Allow as many open sockets as are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = need + SPARE_FILES
    if soft >= want:
        return None
    if hard != resource.RLIM_INFINITY and hard < want:
        return f"{need} flows need {want} open files, the hard limit is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    return None


def main() -> None:
    control = Control()
    config: dict[str, Any] = control.first()
    gc.disable()
    worker: Client | Server
    try:
        if problem := files(config["files"]):
            raise OSError(problem)
        worker = Client(control, config["flows"]) if config["role"] == "client" else Server(control, config["listen"])
    except OSError as error:
        control.answer({"error": str(error)})
        raise SystemExit(1) from error
    control.answer({"ready": True})
    worker.run()


if __name__ == "__main__":
    main()
