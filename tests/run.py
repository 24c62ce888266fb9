# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The test command: `./hafw test [PART...]`. Fast checks first, live scenarios after, one line per step.

A part is a group of steps (`lint`) or one of them (`lint:mypy`). Steps of the part `full` run only when
that or their own name is given: before a release. The output of a step goes to .cache/test/<step>.log; when it fails,
the end of it is shown.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.tools.sources import source_files  # noqa: E402 - the line above makes it importable from anywhere

LOGS = ROOT / ".cache" / "test"
TAIL_LINES = 60
FULL = "full"


@dataclass(frozen=True)
class Step:
    name: str
    about: str
    commands: tuple[tuple[str, ...], ...]
    limit_s: int = 300
    environment: dict[str, str] = field(default_factory=dict)
    full: bool = False
    # Its commands beside each other: each is one process that keeps one processor busy.
    at_once: bool = False

    @property
    def part(self) -> str:
        return self.name.partition(":")[0]

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name.replace(':', '-')}.log"


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def unit(*arguments: str) -> tuple[str, ...]:
    """Unit tests. Properties are tried with the same examples each time and at any speed; run by hand they explore."""
    return python("-m", "pytest", "-q", "--hypothesis-profile=ci", *arguments)


def shell_scripts() -> list[str]:
    """Files that a shell reads: by name, or by their first line."""
    found = []
    for path in source_files():
        if path.is_symlink():
            continue
        with path.open("rb") as file:
            first = file.readline()
        if path.suffix == ".sh" or (first.startswith(b"#!") and first.split()[-1].endswith((b"/sh", b"bash"))):
            found.append(str(path.relative_to(ROOT)))
    return found


def typed_packages() -> Iterator[str]:
    collection = "ansible_collections.linuxha.firewall.plugins.module_utils"
    # Every part of it; `__init__.py` and caches are none.
    for path in sorted((ROOT / "plugins" / "module_utils").glob("_[a-z]*")):
        yield from ("-p", f"{collection}.{path.stem}")
    yield from ("-p", "lab", "-p", "tests.tools")


def molecule(
    scenario: str, release: str, full: bool = False, about: str = "check mode, converge, idempotence, verify"
) -> Step:
    return Step(
        f"molecule:{scenario}-{release}",
        f"scenario {scenario} on {release}: {about}",
        (("molecule", "test", "-s", scenario),),
        limit_s=1200,
        environment={"HAFW_RELEASE": release},
        full=full,
    )


def all_steps() -> tuple[Step, ...]:
    demo = LOGS / "demo.json"
    operations = "what operators do, each playbook in check mode and in earnest"
    return (
        Step("lint:ruff", "Python: mistakes", (("ruff", "check", "."),)),
        Step("lint:format", "Python: layout", (("ruff", "format", "--check", "."),)),
        Step("lint:mypy", "Python: types", (python("-m", "mypy", *typed_packages()),)),
        Step("lint:yaml", "YAML", (("yamllint", "--strict", "."),)),
        Step("lint:shell", "shell scripts", (("shellcheck", *shell_scripts()),)),
        Step("lint:rules", "the rules of this repository", (python("-m", "pytest", "-q", "tests/unit/repo"),)),
        Step(
            "lint:reference",
            "docs/reference says what the plugins and roles say",
            (python("-m", "tests.tools.reference", "--check"),),
        ),
        Step("lint:ansible", "ansible-lint, production profile", (("ansible-lint", "--offline", "--nocolor"),)),
        Step(
            "unit",
            "unit tests, in two processes",
            (
                unit("tests/unit/policy"),
                unit("tests/unit", "--ignore=tests/unit/repo", "--ignore=tests/unit/policy"),
            ),
            600,
            at_once=True,
        ),
        Step("sanity", "ansible-test sanity", (python("-m", "tests.tools.sanity"),), 600),
        Step(
            "browser",
            "the page of the playbook status in a headless Chromium (apt install chromium-headless-shell)",
            (python("-m", "pytest", "-q", "tests/browser"),),
            full=True,
        ),
        Step(
            "monitors",
            "the lab's monitors see what they are for",
            (python("-m", "pytest", "-q", "tests/lab_monitors"),),
        ),
        Step(
            "boot",
            "nothing passes a firewall that boots (1 000 boots: pytest -m full tests/boot)",
            (python("-m", "pytest", "-q", "-m", "not full", "tests/boot"),),
        ),
        Step(
            "kernel",
            "the kernel decides as the trace says (the rest: pytest -m full tests/policy_kernel)",
            (python("-m", "pytest", "-q", "-m", "not full", "tests/policy_kernel"),),
        ),
        molecule("keepalived", "debian12"),
        molecule("keepalived", "debian13", full=True),
        molecule("config_sync", "debian12", full=True),
        molecule("config_sync", "debian13", full=True),
        molecule("operations", "debian12", full=True, about=operations),
        molecule("operations", "debian13", full=True, about=operations),
        molecule("pacemaker", "debian12"),
        molecule("pacemaker", "debian13", full=True),
        molecule("pacemaker_qdevice", "debian12", full=True),
        molecule("pacemaker_qdevice", "debian13", full=True),
        Step(
            "failover",
            "a live pair: boot, negative controls, connections (the rest: pytest -m full tests/failover)",
            (python("-m", "pytest", "-q", "-m", "not full", "tests/failover", "--ignore=tests/failover/pacemaker"),),
            1500,
        ),
        Step(
            "failover:pacemaker",
            "a live pair under Pacemaker",
            (python("-m", "pytest", "-q", "-m", "not full", "tests/failover/pacemaker"),),
            1500,
        ),
        Step(
            "cluster",
            "modules and roles on a live cluster of Pacemaker without a firewall",
            (python("-m", "pytest", "-q", "-m", "not full", "tests/cluster"),),
            1500,
        ),
        Step(
            "sync",
            "the config sync of three live nodes",
            (python("-m", "pytest", "-q", "tests/sync"),),
            1800,
            full=True,
        ),
        Step(
            "demo",
            "./hafw demo and its result",
            (
                python("-m", "lab", "demo", "--json", str(demo)),
                python("-m", "tests.tools.demo_result", str(demo)),
            ),
            limit_s=900,
        ),
    )


def start(command: Sequence[str], step: Step, path: Path) -> subprocess.Popen[bytes] | str:
    """Start a command whose output goes to this file; returns why that failed if it did."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So it is in the background of a script, and would be in the command, which could not be ended politely then.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with path.open("ab") as log:
        log.write(f"$ {' '.join(command)}\n".encode())
        log.flush()
        environment = {**os.environ, **step.environment, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"}
        try:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return str(error)


def finish(process: subprocess.Popen[bytes] | str, step: Step, deadline: float) -> str:
    """Wait for a command; returns why it failed, or nothing."""
    if isinstance(process, str):
        return process
    try:
        code = process.wait(timeout=max(deadline - time.monotonic(), 1))
    except BaseException as error:
        stop_group(process)
        if isinstance(error, subprocess.TimeoutExpired):
            return f"stopped after {step.limit_s} s"
        raise
    return f"exit code {code}" if code else ""


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the command with all it started: politely first, so that it can take its lab down."""
    for number, patience_s in ((signal.SIGINT, 30), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def run_step(step: Step) -> str:
    step.log.unlink(missing_ok=True)
    deadline = time.monotonic() + step.limit_s
    if step.at_once:
        return run_at_once(step, deadline)
    for command in step.commands:
        problem = finish(start(command, step, step.log), step, deadline)
        if problem:
            return problem
    return ""


def run_at_once(step: Step, deadline: float) -> str:
    """All commands beside each other; in the log they stand one after the other, and one that failed last."""
    logs = [step.log.with_suffix(f".{number}.log") for number, _command in enumerate(step.commands, 1)]
    for log in logs:
        log.unlink(missing_ok=True)
    running = [start(command, step, log) for command, log in zip(step.commands, logs, strict=True)]
    try:
        problems = [finish(process, step, deadline) for process in running]
    except BaseException:
        for process in running:
            if not isinstance(process, str):
                stop_group(process)
        raise
    for _problem, log in sorted(zip(problems, logs, strict=True), key=lambda each: bool(each[0])):
        with step.log.open("ab") as whole:
            whole.write(log.read_bytes())
        log.unlink()
    return "; ".join(filter(None, problems))


def show_tail(step: Step) -> None:
    lines = step.log.read_text(encoding="utf-8", errors="replace").splitlines() if step.log.exists() else []
    print(f"--- {step.log.relative_to(ROOT)}, the last {min(TAIL_LINES, len(lines))} of {len(lines)} lines")
    print("\n".join(lines[-TAIL_LINES:]))
    print("---", flush=True)


def choose(steps: Sequence[Step], wanted: Sequence[str]) -> tuple[Step, ...]:
    """The steps of the wanted parts, in their own order; an unknown part is an error."""
    known = {FULL} | {step.part for step in steps} | {step.name for step in steps}
    unknown = [part for part in wanted if part not in known]
    if unknown:
        raise ValueError(f"unknown part: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return tuple(
        step
        for step in steps
        if step.name in wanted or (FULL in wanted if step.full else not wanted or step.part in wanted)
    )


def run_steps(steps: Sequence[Step]) -> int:
    """Run all steps, whatever becomes of each; returns how many failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    width = max(len(step.name) for step in steps) + 4
    failed = 0
    for number, step in enumerate(steps, start=1):
        print(f"[{number:2}/{len(steps)}] {step.name + ' ':.<{width}} ", end="", flush=True)
        start = time.monotonic()
        problem = run_step(step)
        took = f"{time.monotonic() - start:.1f} s"
        print(f"FAILED ({took}): {problem}" if problem else f"ok ({took})", flush=True)
        if problem:
            failed += 1
            show_tail(step)
    print(f"{len(steps) - failed} passed, {failed} failed", flush=True)
    return failed


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./hafw test", description="Run the checks and tests, fast ones first.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help="a group (lint, full) or a step (lint:mypy); default: all but full"
    )
    parser.add_argument("--list", action="store_true", help="list the parts and end")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    steps = all_steps()
    if options.list:
        for step in steps:
            print(f"{step.name:<34} {step.about}{' (full)' if step.full else ''}")
        return 0
    try:
        chosen = choose(steps, options.parts)
    except ValueError as error:
        print(f"hafw test: {error}", file=sys.stderr)
        return 2
    return 1 if run_steps(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
