"""Reading `kernel/scenarios.toml`: the scenarios that kernel and model both pass.

A scenario is a policy and a script. A line of a script is

    <ms> <event> [<f-key>] [<request>] [@<CPU>] [| <counter>=<value> ...]

An f-key is a capital letter, a request a number that a SYN gives out. Events:

    SYN <f-key> <request>   a SYN arrives; its SYNACK goes to the device
    SENT <request>          the device gives a SYNACK back
    AGAIN <request>         the SYNACK is sent once more
    ACK <request>           the handshake's ACK is accepted
    RELEASE <request>       the last reference to the request is dropped
    TIMER                   the global timer fires
    CONNECT <f-key> <request>  SYN, SENT, ACK and RELEASE at once

After `|` stands what must hold then: any of the shared counters, or
`kept.<f-key>@<CPU>`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon.errors import FormatError, InputError
from faltcon.model.counters import SHARED
from faltcon.model.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["DEFAULT_FILE", "PARAMETERS", "Event", "Scenario", "Step", "load", "parse"]

DEFAULT_FILE = Path(__file__).resolve().parents[3] / "kernel" / "scenarios.toml"
MS = 1_000_000
PARAMETERS = ("cpus", "k_t", "window_ms", "timer_ms", "max_pairs", "max_objects")
# The C compiler and KUnit's report take these as they are.
NAME = re.compile(r"[a-z_]+__[a-z0-9_]+")
SHOWS = re.compile(r"[A-Za-z0-9 ',;:()+=._-]+")
LINE = re.compile(r"(?P<at>\d+)\s+(?P<event>[A-Z]+)(?P<rest>[^@|]*)(?:@(?P<cpu>\d+)\s*)?$")
EXPECTATION = re.compile(r"(?P<name>[a-z_]+|kept\.[A-Z]@\d+)=(?P<value>\d+)")


class Event(Enum):
    """What can happen, in the order of the C enumeration."""

    SYN = 0
    SENT = 1
    AGAIN = 2
    ACK = 3
    RELEASE = 4
    TIMER = 5


CONNECT = (Event.SYN, Event.SENT, Event.ACK, Event.RELEASE)


@dataclass(frozen=True, slots=True)
class Step:
    """One event. `key` and `request` count from 0 and are 0 where the event has none."""

    line: int
    at_ms: int
    event: Event
    key: int
    request: int
    cpu: int
    expected: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named script with its policy's parameters (PARAMETERS)."""

    name: str
    shows: str
    parameters: Mapping[str, int]
    steps: Sequence[Step]

    @property
    def policy(self) -> Policy:
        """The model's policy for this scenario."""
        given = self.parameters
        return Policy(
            k_t=given["k_t"],
            window_ns=given["window_ms"] * MS,
            timer_ns=given["timer_ms"] * MS,
            max_pairs=given["max_pairs"],
            max_objects=given["max_objects"],
        )


def load(file: Path = DEFAULT_FILE) -> list[Scenario]:
    """All scenarios of a file. Raises InputError or FormatError with the scenario and line."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FormatError(file, f"is not TOML ({error})") from error
    return parse(document, file)


def parse(document: Mapping[str, Any], file: Path = DEFAULT_FILE) -> list[Scenario]:
    """All scenarios of a decoded file. Raises FormatError."""
    defaults = document.get("defaults", {})
    scenarios = [_scenario(table, defaults, file) for table in document.get("scenario", [])]
    names = [scenario.name for scenario in scenarios]
    if not names:
        raise FormatError(file, "holds no [[scenario]]")
    for name in names:
        if names.count(name) > 1:
            raise FormatError(file, "two scenarios have this name", place=name)
    return scenarios


def _scenario(table: Mapping[str, Any], defaults: Mapping[str, int], file: Path) -> Scenario:
    name = str(table.get("name", "a scenario without a name"))
    unknown = table.keys() - {"name", "shows", "script", *PARAMETERS}
    missing = {"name", "shows", "script"} - table.keys()
    if unknown or missing:
        raise FormatError(file, f"unknown {sorted(unknown)}, missing {sorted(missing)}", place=name)
    if not NAME.fullmatch(name) or not SHOWS.fullmatch(table["shows"]):
        raise FormatError(file, f"name or shows has signs beyond {SHOWS.pattern}", place=name)
    values = {**defaults, **table}
    parameters = {}
    for parameter in PARAMETERS:
        if not isinstance(values.get(parameter), int):
            raise FormatError(file, f"{parameter} is no whole number", place=name)
        parameters[parameter] = values[parameter]
    keys: dict[int, int] = {}
    steps: list[Step] = []
    for number, text in enumerate(table["script"].splitlines(), start=1):
        content = text.split("#", 1)[0].strip()
        if content:
            try:
                steps += _steps(number, content, keys)
            except ValueError as error:
                place = f"{name}, line {number} of its script: {text.strip()}"
                raise FormatError(file, str(error), place=place) from error
    return Scenario(name, table["shows"], parameters, steps)


def _steps(number: int, content: str, keys: dict[int, int]) -> Iterator[Step]:
    event_text, _, expected_text = content.partition("|")
    match = LINE.match(event_text.strip())
    if match is None:
        raise ValueError("not <ms> <event> [<f-key>] [<request>] [@<CPU>]")
    at_ms, cpu = int(match["at"]), int(match["cpu"] or 0)
    words = match["rest"].split()
    name = match["event"]
    key = request = 0
    if name in {"SYN", "CONNECT"}:
        if len(words) != 2 or not re.fullmatch("[A-Z]", words[0]):
            raise ValueError(f"{name} takes an f-key, a capital letter, and a request")
        key, request = ord(words[0]) - ord("A"), int(words[1]) - 1
        if request in keys:
            raise ValueError(f"request {request + 1} has had its SYN")
        keys[request] = key
    elif name != "TIMER":
        if len(words) != 1:
            raise ValueError(f"{name} takes a request")
        request = int(words[0]) - 1
        if request not in keys:
            raise ValueError(f"request {request + 1} has had no SYN")
        key = keys[request]
    elif words:
        raise ValueError("TIMER takes nothing")
    events = CONNECT if name == "CONNECT" else (_event(name),)
    for event in events[:-1]:
        yield Step(number, at_ms, event, key, request, cpu, {})
    yield Step(number, at_ms, events[-1], key, request, cpu, _expected(expected_text))


def _event(name: str) -> Event:
    if name not in Event.__members__:
        raise ValueError(f"no event {name}; there are CONNECT, {', '.join(Event.__members__)}")
    return Event[name]


def _expected(text: str) -> dict[str, int]:
    expected = {}
    for word in text.split():
        match = EXPECTATION.fullmatch(word)
        if match is None or not (match["name"].startswith("kept.") or match["name"] in SHARED):
            raise ValueError(f"{word} is no expectation; counters: {', '.join(SHARED)}")
        expected[match["name"]] = int(match["value"])
    return expected
