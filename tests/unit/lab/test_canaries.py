# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A secret is found in every form in which a program could write it, and nowhere else."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import canaries
from lab.pair import wait

CANARY = "canaryTest0123456789abcdef"
WANTED = {"test": canaries.forms(CANARY)}

WRITERS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: text.encode(),
    "JSON": lambda text: json.dumps({"a": text, "b": '"\u00e4'}).encode(),
    "URL": lambda text: urllib.parse.quote(text, safe="").encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"a": text}).encode()),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "a slurped file in JSON": lambda text: json.dumps({"content": base64.b64encode(text.encode()).decode()}).encode(),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("before", ["", "x", '"?', "&%\n"])
def test_found_in_every_form(name: str, before: str) -> None:
    assert canaries.seen(WRITERS[name](before + CANARY + "!"), WANTED) == {"test"}
    assert canaries.seen(WRITERS[name](before + CANARY[:16] + "!"), WANTED) == set()


def test_bytes_that_are_no_text_are_found_in_base64_and_hex() -> None:
    data = bytes(range(200, 232))
    wanted = {"key": canaries.forms(data)}
    assert canaries.seen(b"x" + data, wanted) == {"key"}
    assert canaries.seen(base64.b64encode(b"12" + data), wanted) == {"key"}
    assert all(form.isprintable() for form in canaries.patterns(data))
    assert data.hex() in canaries.patterns(data)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        canaries.forms("short")


def test_what_is_secret_in_a_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    text = file.read_text()
    secret = canaries.seed(text)
    assert len(secret) == 32
    # It stands in the file, in one of its lines, and not in the public half.
    assert canaries.seen(text.encode(), {"key": canaries.forms(secret)}) == {"key"}
    assert canaries.seen(file.with_suffix(".pub").read_bytes(), {"key": canaries.forms(secret)}) == set()
    with pytest.raises(ValueError, match="no ed25519 key"):
        canaries.seed(file.with_suffix(".pub").read_text().split()[1])


SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def one_look(watch: canaries.Watch) -> None:
    """A whole one, begun after this call."""
    before = watch.looks
    wait(lambda: watch.looks >= before + 2, 30)


def seen_by(watch: canaries.Watch, argv: list[str], env: dict[str, str] | None = None) -> None:
    with subprocess.Popen(argv, env=env) as child:
        try:
            one_look(watch)
        finally:
            child.kill()


def test_the_watch_sees_arguments_and_environments_also_of_what_it_looks_for_later() -> None:
    watch = canaries.Watch()
    watch.start()
    try:
        seen_by(watch, [*SLEEP, CANARY])
        seen_by(watch, SLEEP, {"HIDDEN": CANARY[::-1]})
    finally:
        watch.stop()
    assert {line.partition(":")[0] for line in watch.found(WANTED)} == {"test in cmdline"}
    backwards = watch.found({"backwards": canaries.forms(CANARY[::-1])})
    assert {line.partition(":")[0] for line in backwards} == {"backwards in environ"}


def test_only_the_agents_of_one_resource_are_given_its_parameters() -> None:
    watch = canaries.Watch()
    watch.start()
    try:
        seen_by(watch, SLEEP, {"OCF_RESOURCE_INSTANCE": "mine", "OCF_RESKEY_password": CANARY})
    finally:
        watch.stop()
    assert watch.found(WANTED, agents_of="mine") == set()
    for other in ("", "min", "theirs"):
        assert {line.partition(":")[0] for line in watch.found(WANTED, agents_of=other)} == {"test in environ"}


def test_the_watch_sees_files_that_are_there_for_a_moment(tmp_path: Path) -> None:
    watch = canaries.Watch([tmp_path, tmp_path / "away"])
    watch.start()
    try:
        file = tmp_path / "sub" / "module.py"
        file.parent.mkdir()
        file.write_text(CANARY)
        one_look(watch)
        file.unlink()
    finally:
        watch.stop()
    assert {line.partition(":")[0] for line in watch.found(WANTED)} == {"test in module.py"}
