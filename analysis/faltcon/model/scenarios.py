"""The scenarios of `kernel/scenarios.toml`, played into the model.

python -m faltcon.model.scenarios              check them
python -m faltcon.model.scenarios --c-header   print them as C, for KUnit
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import FaltconError, UsageError
from faltcon.model import c_header, script
from faltcon.model.counters import SHARED
from faltcon.model.script import MS, Event, Scenario, Step
from faltcon.model.server import Request, Server
from faltcon.model.state import FKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Outcome", "fkey", "main", "play"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The shared counters after a step, and where they are not as expected."""

    step: Step
    counters: Mapping[str, int]
    mismatches: Sequence[str]


def fkey(index: int) -> FKey:
    """The f-key of letter number `index`: one client after the other, one server."""
    return FKey("tcp", f"10.0.0.{index + 1}", "10.0.1.1", 80)


def play(scenario: Scenario) -> Iterator[Outcome]:
    """Play a scenario into the model, step by step. Raises UsageError for impossible events."""
    server = Server(scenario.policy, scenario.parameters["cpus"])
    requests: dict[int, Request] = {}
    for step in scenario.steps:
        try:
            _apply(server, requests, step)
        except UsageError as error:
            where = f"{scenario.name}, line {step.line}"
            raise UsageError(f"{where}: {error}") from error
        counters = server.counters.as_dict()
        shared = {name: counters[name] for name in SHARED}
        mismatches = []
        for name, value in step.expected.items():
            found = shared[name] if name in shared else _kept(server, name)
            if found != value:
                mismatches.append(
                    f"line {step.line}, {step.event.name}: {name} is {found}, not {value}"
                )
        yield Outcome(step, shared, mismatches)


def _apply(server: Server, requests: dict[int, Request], step: Step) -> None:
    now = step.at_ms * MS
    if step.event is Event.SYN:
        requests[step.request] = server.syn(now, fkey(step.key), step.cpu)
    elif step.event is Event.TIMER:
        server.timer(now)
    else:
        methods: dict[Event, Callable[[int, Request, int], None]] = {
            Event.SENT: server.synack_sent,
            Event.AGAIN: server.synack_again,
            Event.ACK: server.established,
            Event.RELEASE: server.release,
        }
        methods[step.event](now, requests[step.request], step.cpu)


def _kept(server: Server, name: str) -> int:
    key, cpu = ord(name[5]) - ord("A"), int(name[7:])
    return server.kept(fkey(key))[cpu]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the scenarios against the model, or print them as a C header."""
    parser = argparse.ArgumentParser(prog="python -m faltcon.model.scenarios", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=script.DEFAULT_FILE)
    parser.add_argument("--c-header", action="store_true", help="print the C header for KUnit")
    options = parser.parse_args(arguments)
    try:
        played = [(scenario, list(play(scenario))) for scenario in script.load(options.file)]
    except FaltconError as error:
        sys.stderr.write(f"scenarios: {error}\n")
        return error.exit_code
    mismatches = [
        f"{scenario.name}: {mismatch}\n"
        for scenario, outcomes in played
        for outcome in outcomes
        for mismatch in outcome.mismatches
    ]
    if mismatches:
        # A header with wrong counters would blame the kernel for it.
        sys.stderr.write("".join(mismatches))
        return 1
    if options.c_header:
        sys.stdout.write(c_header.header(played))
    else:
        sys.stdout.write(f"{len(played)} scenarios, no mismatch\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
