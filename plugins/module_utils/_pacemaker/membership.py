# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which nodes a cluster knows, and whether it may forget one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.linuxha.firewall.plugins.module_utils._cib.document import Document
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.ready import Status

_NAME = re.compile(r"nodelist\.node\.\d+\.name")


def refusal(name: str, status: Status, corosync: Mapping[str, str]) -> str:
    """Why a node must not be forgotten now, or an empty text.

    Args:
        name: of the node.
        status: what the cluster says.
        corosync: the keys of the corosync that runs on a node that stays.
    """
    node = status.nodes.get(name)
    if node is not None and node.online:
        return f"{name} is online. Stop Pacemaker and corosync there first."
    if node is not None and node.unclean:
        return (
            f"{name} waits to be fenced: it may still serve. Let the fencing work, or make sure that it is off, "
            f"then: stonith_admin --confirm {name}."
        )
    if name in (value for key, value in corosync.items() if _NAME.fullmatch(key)):
        return f"corosync still lists {name}. Take it out of corosync.conf and reload first."
    return ""


def knows(document: Document, name: str) -> bool:
    """The CIB has an entry of this node, configured or of its state."""
    return any(
        element.get("uname") == name
        for path in ("configuration/nodes/node", "status/node_state")
        for element in document.root.iterfind(path)
    )


def naming(document: Document, name: str) -> list[str]:
    """The constraints that name a node."""
    found = {
        str(element.get("id"))
        for element in document.root.iterfind("configuration/constraints/*")
        if element.get("node") == name
    }
    return sorted(found)
