# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Cores of the small modules that prepare a node. Programs run through an injected runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: The signature of AnsibleModule.run_command: argv and options in, (rc, stdout, stderr) out.
Runner = Callable[..., "tuple[int, str, str]"]
Result = dict[str, Any]
