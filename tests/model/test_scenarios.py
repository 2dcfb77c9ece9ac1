from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from faltcon.errors import FormatError, InputError, UsageError
from faltcon.model import c_header, scenarios, script
from faltcon.model.counters import SHARED

if TYPE_CHECKING:
    from pathlib import Path

SCENARIOS = script.load()
GOOD = {"name": "a__b", "shows": "it", "script": "0 CONNECT A 1 | nodes=1"}
DEFAULTS = {
    "cpus": 1,
    "k_t": 2,
    "window_ms": 5000,
    "timer_ms": 30000,
    "max_pairs": 64,
    "max_objects": 64,
}


def parse(**changes: object) -> list[script.Scenario]:
    return script.parse({"defaults": DEFAULTS, "scenario": [{**GOOD, **changes}]})


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario__holds_in_the_model(scenario: script.Scenario) -> None:
    mismatches = [m for outcome in scenarios.play(scenario) for m in outcome.mismatches]
    assert mismatches == []
    assert any(step.expected for step in scenario.steps), "a scenario that expects nothing"


def test_scenarios__cover_every_event_and_counter() -> None:
    steps = [step for scenario in SCENARIOS for step in scenario.steps]
    assert len(SCENARIOS) >= 25
    assert {step.event for step in steps} == set(script.Event)
    assert {name for step in steps for name in step.expected} >= set(SHARED)


def test_play__a_wrong_expectation_is_a_mismatch() -> None:
    (scenario,) = parse(script="0 CONNECT A 1 | nodes=1 f_pairs=1 kept.A@0=7")
    mismatches = [m for outcome in scenarios.play(scenario) for m in outcome.mismatches]
    assert mismatches == [
        "line 1, RELEASE: f_pairs is 0, not 1",
        "line 1, RELEASE: kept.A@0 is 0, not 7",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SYN A 1", "not <ms>"),
        ("0 SYN A", "takes an f-key"),
        ("0 SYN AB 1", "takes an f-key"),
        ("0 SYN A 1\n1 SYN B 1", "has had its SYN"),
        ("0 ACK 1", "has had no SYN"),
        ("0 ACK", "takes a request"),
        ("0 TIMER 1", "TIMER takes nothing"),
        ("0 SYN A 1\n0 NOPE 1", "no event NOPE"),
        ("0 TIMER | nope=1", "no expectation"),
        ("0 TIMER | nodes", "no expectation"),
    ],
)
def test_parse__names_the_bad_line(text: str, problem: str) -> None:
    with pytest.raises(FormatError, match=problem) as caught:
        parse(script=text)
    assert f"line {len(text.splitlines())} of its script" in caught.value.place


@pytest.mark.parametrize(
    "changes",
    [{"k_t": "2"}, {"unknown": 1}, {"name": "Not a name"}, {"shows": 'a "quote"'}],
    ids=str,
)
def test_parse__refuses_bad_tables(changes: dict[str, object]) -> None:
    with pytest.raises(FormatError, match=r"scenarios\.toml"):
        parse(**changes)


def test_parse__refuses_doubles_and_nothing() -> None:
    with pytest.raises(FormatError, match="two scenarios"):
        script.parse({"defaults": DEFAULTS, "scenario": [GOOD, GOOD]})
    with pytest.raises(FormatError, match="holds no"):
        script.parse({})


def test_load__names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        script.load(tmp_path / "absent")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(FormatError, match="is not TOML"):
        script.load(tmp_path / "bad.toml")


def test_play__names_an_impossible_event() -> None:
    (scenario,) = parse(script="1 CONNECT A 1\n2 RELEASE 1")
    with pytest.raises(UsageError, match="a__b, line 2: this request has been released"):
        list(scenarios.play(scenario))


def test_main__checks_prints_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.main([]) == 0
    assert capsys.readouterr().out == f"{len(SCENARIOS)} scenarios, no mismatch\n"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        script.DEFAULT_FILE.read_text("utf-8").replace("f_pairs_made=1\n", "f_pairs_made=9\n", 1)
    )
    assert scenarios.main([str(wrong), "--c-header"]) == 1
    captured = capsys.readouterr()
    assert "is 1, not 9" in captured.err
    assert not captured.out
    assert scenarios.main([str(tmp_path / "absent")]) == InputError.exit_code
    assert "absent" in capsys.readouterr().err


def test_header__run_as_a_module_is_deterministic() -> None:
    command = [sys.executable, "-m", "faltcon.model.scenarios", "--c-header"]
    first, second = (subprocess.run(command, check=True, capture_output=True) for _ in "12")
    assert first.stdout == second.stdout
    played = [(scenario, list(scenarios.play(scenario))) for scenario in SCENARIOS]
    assert first.stdout.decode() == c_header.header(played)


PROGRAM = r"""
#include <stdio.h>
#include "scenarios.h"
static void print(const struct faltcon_scenario *sc)
{
  printf("%s|%s|%u %u %u ", sc->name, sc->shows, sc->cpus, sc->k_t, sc->window_ms);
  printf("%u %u %u\n", sc->timer_ms, sc->max_pairs, sc->max_objects);
  for (unsigned int j = 0; j < sc->nr_steps; j++) {
    const struct faltcon_scenario_step *st = &sc->steps[j];

    printf("%u %u %u %u ", st->at_ms, st->line, st->request, st->event);
    printf("%u %u", st->key, st->cpu);
    for (int k = 0; k < FALTCON_SCENARIO_NR_COUNTERS; k++)
      printf(" %s=%u", faltcon_scenario_counter_names[k], st->counters[k]);
    printf("\n");
  }
}
int main(void)
{
  for (unsigned int i = 0; i < sizeof(faltcon_scenarios) / sizeof(*faltcon_scenarios); i++)
    print(&faltcon_scenarios[i]);
  return 0;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the header with")
def test_header__compiles_and_says_what_the_model_says(tmp_path: Path) -> None:
    played = [(scenario, list(scenarios.play(scenario))) for scenario in SCENARIOS]
    (tmp_path / "scenarios.h").write_text(c_header.header(played))
    (tmp_path / "print.c").write_text(PROGRAM)
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "print.c", "-o", "print"], check=True, cwd=tmp_path)
    printed = subprocess.run([tmp_path / "print"], check=True, capture_output=True, text=True)
    expected = []
    for scenario, outcomes in played:
        numbers = " ".join(str(scenario.parameters[name]) for name in script.PARAMETERS)
        expected.append(f"{scenario.name}|{scenario.shows}|{numbers}")
        for outcome in outcomes:
            step = outcome.step
            counters = " ".join(f"{name}={outcome.counters[name]}" for name in SHARED)
            place = f"{step.at_ms} {step.line} {step.request} {step.event.value}"
            expected.append(f"{place} {step.key} {step.cpu} {counters}")
    assert printed.stdout.splitlines() == expected
