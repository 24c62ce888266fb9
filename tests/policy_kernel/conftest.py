# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
import shutil

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if "policy_kernel" in item.path.parts]
    for item in here:
        item.add_marker(pytest.mark.root)
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root for network namespaces"))
        for program in ("iptables-restore", "ipset", "conntrack"):
            if not shutil.which(program, path="/usr/sbin:/sbin"):
                item.add_marker(pytest.mark.skip(reason=f"needs {program}"))
