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

#: More than nf_conntrack ever adds to a hash size, which it rounds up to whole pages.
ROUNDING = 8192


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


def render_options(options: Mapping[str, Mapping[str, object]]) -> str:
    lines = [
        f"options {name} {' '.join(f'{key}={value}' for key, value in sorted(found.items()))}\n"
        for name, found in sorted(options.items())
        if found
    ]
    return "# Written by Ansible (linuxha.firewall).\n" + "".join(lines)


def live_options(
    options: Mapping[str, Mapping[str, object]], root: Path, check_mode: bool
) -> tuple[list[str], list[str]]:
    """Changes to loaded modules, and what they refuse: some options hold only from the next boot on."""
    changes: list[str] = []
    refused: list[str] = []
    for name, found in sorted(options.items()):
        for key, value in sorted(found.items()):
            path = root / "sys/module" / name.replace("-", "_") / "parameters" / key
            live, wanted = read_text(path).strip(), str(value)
            # The kernel rounds sizes up, so a little more than what was asked for is no difference.
            enough = live.isdigit() and wanted.isdigit() and int(wanted) <= int(live) < int(wanted) + ROUNDING
            if not live or live == wanted or enough:
                continue
            try:
                if not path.stat().st_mode & 0o222:
                    raise PermissionError("read-only")
                if not check_mode:
                    path.write_text(wanted + "\n", encoding="ascii")
            except OSError as error:
                refused.append(f"{name}.{key} ({error.strerror or error})")
            else:
                changes.append(f"{name}.{key}: {live} -> {wanted}")
    return changes, refused


def own_kernel(root: Path = Path("/")) -> bool:
    """In a container the modules belong to the machine around it, which sets their options."""
    return not any((root / name).exists() for name in ("run/.containerenv", ".dockerenv", "run/systemd/container"))


def apply(params: Mapping[str, Any], run: Runner, check_mode: bool, root: Path = Path("/")) -> Result:
    names = list(dict.fromkeys(params["name"]))
    options = params["options"]
    files = {Path(params["path"]): render(names)}
    if options or Path(params["options_path"]).exists():
        files[Path(params["options_path"])] = render_options(options)
    stale = {path: (read_text(path), text) for path, text in files.items() if read_text(path) != text}
    absent = [name for name in names if not present(name, root)]
    result: Result = {"loaded": [], "unverified": []}
    if not (root / "lib/modules" / os.uname().release).is_dir():
        result["unverified"], absent = absent, []
    failed = []
    if not check_mode:
        # The options first: they are read when the module is loaded.
        for path, (_before, after) in stale.items():
            write_text(path, after, 0o644)
        for name in absent:
            rc, out, err = run(["modprobe", "--", name])
            if rc == 0:
                result["loaded"].append(name)
            else:
                failed.append(f"{name}: {' '.join((err or out).split())}")
    result["changes"], result["refused"] = live_options(options, root, check_mode) if own_kernel(root) else ([], [])
    result["changed"] = bool(stale or absent or result["changes"])
    result["diff"] = [
        {"before": before, "after": after, "before_header": str(path), "after_header": str(path)}
        for path, (before, after) in stale.items()
    ]
    return {**result, "msg": f"cannot load: {'; '.join(failed)}"} if failed else result
