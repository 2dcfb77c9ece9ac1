"""The scenarios as a C header for the kernel's KUnit suite: the same events, the same counters.

Layout (also in the header's own comment). `faltcon_scenarios[]` is an array of
`struct faltcon_scenario`: name, what it shows, the policy's parameters, how
many f-keys and requests its events name (both count from 0), and its steps.
Each `struct faltcon_scenario_step` is one event, the line of the script that it
comes from, and every shared counter as the model has it after the event, by
`enum faltcon_scenario_counter`. The header needs nothing but a C compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.model.counters import SHARED
from faltcon.model.script import PARAMETERS, Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faltcon.model.scenarios import Outcome
    from faltcon.model.script import Scenario

__all__ = ["header"]

GUARD = "_FALTCON_SCENARIOS_H"
TOP = f"""\
/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generated from kernel/scenarios.toml by `python -m faltcon.model.scenarios
 * --c-header`; change that file instead.
 *
 * A test sets up an empty archive with a scenario's parameters, applies each
 * step's event at the time at_ms on the named CPU, and compares all counters
 * after it. Event TIMER runs the elimination as the timer would at that time;
 * no other firing happens. Keys and requests count from 0.
 */
#ifndef {GUARD}
#define {GUARD}
"""


def header(played: Sequence[tuple[Scenario, Sequence[Outcome]]]) -> str:
    """The whole header, of scenarios with their outcomes; equal input gives equal bytes."""
    return "\n".join(_lines(played)) + "\n"


def _lines(played: Sequence[tuple[Scenario, Sequence[Outcome]]]) -> Iterator[str]:
    yield TOP
    yield "enum faltcon_scenario_event {"
    for event in Event:
        yield f"\tFALTCON_SCENARIO_{event.name} = {event.value},"
    yield "};\n"
    yield "enum faltcon_scenario_counter {"
    for name in SHARED:
        yield f"\tFALTCON_SCENARIO_{name.upper()},"
    yield "\tFALTCON_SCENARIO_NR_COUNTERS"
    yield "};\n"
    yield "static const char *const faltcon_scenario_counter_names[] = {"
    for name in SHARED:
        yield f'\t"{name}",'
    yield "};\n"
    yield "struct faltcon_scenario_step {"
    yield "\tunsigned int at_ms;"
    yield "\tunsigned short line;\t/* of the scenario's script */"
    yield "\tunsigned short request;"
    yield "\tunsigned char event;\t/* enum faltcon_scenario_event */"
    yield "\tunsigned char key;"
    yield "\tunsigned char cpu;"
    yield "\tunsigned int counters[FALTCON_SCENARIO_NR_COUNTERS];\t/* after the event */"
    yield "};\n"
    yield "struct faltcon_scenario {"
    yield "\tconst char *name;"
    yield "\tconst char *shows;"
    for name in PARAMETERS:
        yield f"\tunsigned int {name};"
    yield "\tunsigned int nr_keys;"
    yield "\tunsigned int nr_requests;"
    yield "\tunsigned int nr_steps;"
    yield "\tconst struct faltcon_scenario_step *steps;"
    yield "};\n"
    for number, (scenario, outcomes) in enumerate(played):
        yield f"/* {scenario.name} */"
        yield f"static const struct faltcon_scenario_step faltcon_scenario_steps_{number}[] = {{"
        for outcome in outcomes:
            yield _step(outcome)
        yield "};\n"
    yield "static const struct faltcon_scenario faltcon_scenarios[] = {"
    for number, (scenario, _) in enumerate(played):
        yield from _entry(number, scenario)
    yield "};\n"
    yield f"#endif /* {GUARD} */"


def _step(outcome: Outcome) -> str:
    step = outcome.step
    counters = ", ".join(str(outcome.counters[name]) for name in SHARED)
    return (
        f"\t{{ {step.at_ms}, {step.line}, {step.request}, "
        f"FALTCON_SCENARIO_{step.event.name}, {step.key}, {step.cpu},\n\t  {{ {counters} }} }},"
    )


def _entry(number: int, scenario: Scenario) -> Iterator[str]:
    keys = 1 + max((step.key for step in scenario.steps), default=-1)
    requests = 1 + max((step.request for step in scenario.steps), default=-1)
    yield "\t{"
    yield f'\t\t.name = "{scenario.name}",'
    # A line of its own: the kernel's style limits lines to 100 columns, but for lone strings.
    yield "\t\t.shows ="
    yield f'\t\t\t"{scenario.shows}",'
    for name in PARAMETERS:
        yield f"\t\t.{name} = {scenario.parameters[name]},"
    yield f"\t\t.nr_keys = {keys},"
    yield f"\t\t.nr_requests = {requests},"
    yield f"\t\t.nr_steps = {len(scenario.steps)},"
    yield f"\t\t.steps = faltcon_scenario_steps_{number},"
    yield "\t},"
