# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Runs `ansible-test sanity` on a copy of this checkout.

ansible-test insists on a path that ends in ansible_collections/linuxha/firewall, and takes the files that git knows
there. So the collection is copied to such a place under .cache, with an empty repository around it. Its virtual
environments stay there too and make the next run fast; nothing is written to the user's home.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools.sources import ROOT, source_files

CACHE = ROOT / ".cache" / "sanity"
TREE = CACHE / "ansible_collections" / "linuxha" / "firewall"
HOME = CACHE / "home"


def copy_collection() -> None:
    if TREE.exists():
        shutil.rmtree(TREE)
    for path in source_files():
        target = TREE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", str(TREE)], check=True)


def pip_configuration(listing: str) -> str:
    """Turn the output of `pip config list` into a configuration file, since ansible-test drops the environment."""
    options: dict[str, str] = {}
    for line in listing.splitlines():
        name, separator, value = line.partition("=")
        section, _dot, option = name.rpartition(".")
        if separator and section in ("global", "install", ":env:"):
            options[option] = ast.literal_eval(value)
    # A value of several lines must be indented to stay one value.
    return "[global]\n" + "".join(f"{key} = " + "\n    ".join(text.split()) + "\n" for key, text in options.items())


def prepare_home() -> None:
    pip_cache = HOME / ".ansible" / "test" / "cache"
    pip_cache.mkdir(parents=True, exist_ok=True)
    from ansible_test._internal.python_requirements import get_venv_packages  # type: ignore[import-untyped]

    version = get_venv_packages(type("Python", (), {"version": "3"})())["pip"]
    shutil.copy(Path(__file__).with_name("get_pip.py"), pip_cache / f"get_pip_{version.replace('.', '_')}.py")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listing = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
    configuration = HOME / ".config" / "pip" / "pip.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(pip_configuration(listing), encoding="utf-8")
    configuration.chmod(0o600)


def main(arguments: list[str]) -> int:
    copy_collection()
    prepare_home()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON"))}
    environment["HOME"] = str(HOME)
    # The interpreters of the distribution only: launchers of version managers are found too, and then refuse to start.
    environment["PATH"] = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    command = ["ansible-test", "sanity", "--local", "--python", "default", "--color", "no", *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
