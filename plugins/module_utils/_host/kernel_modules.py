# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the kernel_modules module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result, Runner
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import read_text, write_text


def render(names: Iterable[str]) -> str:
    return "# Written by Ansible (linuxha.firewall).\n" + "".join(f"{name}\n" for name in names)


def present(name: str, root: Path = Path("/"), release: Optional[str] = None) -> bool:
    """Loaded, or built in. A built-in module without parameters shows only in modules.builtin."""
    plain = name.replace("-", "_")
    if (root / "sys/module" / plain).is_dir():
        return True
    if any(line.split(" ", 1)[0] == plain for line in read_text(root / "proc/modules").splitlines()):
        return True
    builtin = read_text(root / "lib/modules" / (release or os.uname().release) / "modules.builtin")
    return any(Path(line).name.split(".")[0].replace("-", "_") == plain for line in builtin.splitlines())


def apply(params: Mapping[str, Any], run: Runner, check_mode: bool, root: Path = Path("/")) -> Result:
    names = list(dict.fromkeys(params["name"]))
    path = Path(params["path"])
    before, after = read_text(path), render(names)
    absent = [name for name in names if not present(name, root)]
    result: Result = {"loaded": [], "unverified": []}
    if not (root / "lib/modules" / os.uname().release).is_dir():
        result["unverified"], absent = absent, []
    result["changed"] = before != after or bool(absent)
    result["diff"] = {"before": before, "after": after, "before_header": str(path), "after_header": str(path)}
    if check_mode:
        return result
    if before != after:
        write_text(path, after, 0o644)
    failed = []
    for name in absent:
        rc, out, err = run(["modprobe", "--", name])
        if rc == 0:
            result["loaded"].append(name)
        else:
            failed.append(f"{name}: {' '.join((err or out).split())}")
    return {**result, "msg": f"cannot load: {'; '.join(failed)}"} if failed else result
