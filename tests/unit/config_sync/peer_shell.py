# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""In place of ssh between the nodes of a test: MAP ADDRESS COMMAND... runs the gate of the node at that address."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    places, address, command = json.loads(Path(arguments[0]).read_text()), arguments[1], arguments[2:]
    place = places.get(address)
    if place is None:
        print(f"connect to {address}: No route to host", file=sys.stderr)
        return 255
    sys.path.insert(0, place["files"])
    from linuxha_sync import gate
    from linuxha_sync.layout import Layout

    os.environ["SSH_ORIGINAL_COMMAND"] = " ".join(command)
    return gate.main(Layout(state=Path(place["state"]), run=Path(place["run"])), [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
