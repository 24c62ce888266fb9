# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The test command and its tools."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import run
from tests.tools import demo_result, reference, sanity

STEPS = run.all_steps()


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "LOGS", tmp_path / "logs")


def step(name: str, code: str, **options: Any) -> run.Step:
    return run.Step(name, "", ((sys.executable, "-c", code),), **options)


def test_the_closing_line_and_the_tail(capsys: pytest.CaptureFixture[str]) -> None:
    lines = "print('\\n'.join(f'line {n}' for n in range(100))); raise SystemExit(3)"
    steps = [step("good", "print('unseen')"), step("bad", lines), step("good:again", "")]
    assert run.run_steps(steps) == 1
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == "2 passed, 1 failed"
    assert "[ 2/3] bad" in output and "FAILED" in output and "exit code 3" in output
    assert "line 99" in output and "line 39" not in output and "unseen" not in output


def test_a_step_that_hangs_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run_steps([step("slow", "import time; time.sleep(60)", limit_s=1)]) == 1
    assert "stopped after 1 s" in capsys.readouterr().out


def test_a_missing_program_fails_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.run_steps([run.Step("x", "", (("no-such-program",),))]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")


def test_a_step_ends_at_its_first_failing_command() -> None:
    commands = ((sys.executable, "-c", "raise SystemExit(1)"), (sys.executable, "-c", "open('made', 'w')"))
    assert run.run_steps([run.Step("x", "", commands)]) == 1
    assert not (run.ROOT / "made").exists()


MEET = """
import pathlib, sys, time
mine, other, code = sys.argv[1:]
pathlib.Path(mine).touch()
while not pathlib.Path(other).exists():
    time.sleep(0.01)
print("this is", mine)
raise SystemExit(int(code))
"""


@pytest.mark.parametrize("codes", [("0", "0"), ("3", "0"), ("0", "3")])
def test_commands_beside_each_other(codes: tuple[str, str]) -> None:
    """Each waits for the other; what failed stands at the end of the log, which is shown."""
    run.LOGS.mkdir()
    meet = [
        (sys.executable, "-c", MEET, mine, other, code) for mine, other, code in zip("ab", "ba", codes, strict=True)
    ]
    step = run.Step("x", "", tuple(meet), limit_s=20, at_once=True)
    assert run.run_step(step) == ("exit code 3" if "3" in codes else "")
    said = [line for line in step.log.read_text().splitlines() if line.startswith("this is")]
    assert said == (["this is b", "this is a"] if codes[0] == "3" else ["this is a", "this is b"])
    assert list(run.LOGS.iterdir()) == [step.log]


def test_all_that_run_beside_each_other_are_stopped_or_fail_alone() -> None:
    run.LOGS.mkdir()
    sleep = (sys.executable, "-c", "import time; time.sleep(60)")
    started = time.monotonic()
    assert run.run_step(run.Step("x", "", (sleep, sleep), limit_s=1, at_once=True)) == "; ".join(
        ["stopped after 1 s"] * 2
    )
    assert time.monotonic() - started < 30
    assert run.run_step(run.Step("x", "", (("no-such-program",),), at_once=True))


def test_parts_are_chosen_in_their_own_order() -> None:
    steps = [step("lint:a", ""), step("lint:b", ""), step("unit", "")]
    assert [chosen.name for chosen in run.choose(steps, ["unit", "lint:b"])] == ["lint:b", "unit"]
    assert [chosen.name for chosen in run.choose(steps, ["lint"])] == ["lint:a", "lint:b"]
    assert len(run.choose(steps, [])) == 3
    with pytest.raises(ValueError, match="unknown part: c;"):
        run.choose(steps, ["c"])


def test_what_is_full_runs_only_when_it_is_asked_for() -> None:
    steps = [step("unit", ""), step("live:a", ""), step("live:b", "", full=True)]
    for wanted, names in (
        ([], ["unit", "live:a"]),
        (["live"], ["live:a"]),
        (["full"], ["live:b"]),
        (["live:b"], ["live:b"]),
        (["full", "live"], ["live:a", "live:b"]),
    ):
        assert [chosen.name for chosen in run.choose(steps, wanted)] == names


def test_every_step_has_its_own_log() -> None:
    assert len({each.log for each in STEPS}) == len(STEPS)


def test_pip_configuration() -> None:
    listing = "global.index-url='https://index.example.org/x'\n:env:.find-links='/a /b'\nfreeze.timeout='10'\n"
    expected = "[global]\nindex-url = https://index.example.org/x\nfind-links = /a\n    /b\n"
    assert sanity.pip_configuration(listing) == expected


def case(name: str, **changes: Any) -> dict[str, Any]:
    figures = {"blackout_ms": 5.0, "lost_packets": 0, "flows_total": 9, "flows_survived": 9, "resets": 0}
    return {"name": name, **figures, "dual_owner_ms": 0, "leaked": 0, "void": False, "void_reason": None, **changes}


def result(*cases: dict[str, Any]) -> dict[str, Any]:
    named = {each["name"]: each for each in [*map(case, demo_result.REQUIRED_CASES), *cases]}
    return {"topology": "keepalived", "profile": "fast", "nodes": {"fw1": {}}, "cases": list(named.values())}


def test_a_sound_demo() -> None:
    assert demo_result.result_problems(result(case("power_cut", lost_packets=300))) == []


def test_a_machine_that_is_too_busy_to_tell_breaks_no_demo() -> None:
    void = case("planned", lost_packets=3, dual_owner_ms=300, void=True, void_reason="a sender stalled")
    assert demo_result.result_problems(result(void)) == []


@pytest.mark.parametrize(
    "broken",
    [
        case("power_cut", flows_survived=8),
        case("power_cut", flows_total=0, flows_survived=0),
        case("power_cut", leaked=1),
        case("return", resets=1),
        case("return", dual_owner_ms=201),
        case("return", void=True),
        case("return", void_reason="a sender stalled"),
        case("return", void=True, void_reason="a sender stalled", leaked=1),
        case("return", void=True, void_reason="a sender stalled", flows_survived=8),
        case("return", blackout_ms=None),
        case("planned", lost_packets=1),
    ],
)
def test_a_broken_demo(broken: dict[str, Any]) -> None:
    assert len(demo_result.result_problems(result(broken))) == 1


def test_an_empty_demo() -> None:
    assert len(demo_result.result_problems({})) == 4 + len(demo_result.REQUIRED_CASES)


def test_a_stale_page_of_the_reference_is_found(tmp_path: Path) -> None:
    written, wanted = tmp_path / "written", tmp_path / "wanted"
    for directory, pages in (
        (written, {"a": "same", "b": "old", "c": "gone"}),
        (wanted, {"a": "same", "b": "new", "d": ""}),
    ):
        directory.mkdir()
        for name, text in pages.items():
            (directory / name).write_text(text)
    assert [line.partition(":")[0] for line in reference.differences(written, wanted)] == ["b", "c", "d"]
    assert reference.differences(wanted, wanted) == []
