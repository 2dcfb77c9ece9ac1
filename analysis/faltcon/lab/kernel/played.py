"""Sequences of events that kernel and model both play: what each must count after each step.

Time is in jiffies since FALTCON was switched on, for the kernel's windows and
timer are. Events as in `kernel/policy.md`; three more concern only the
connection that a handshake has become, so FALTCON must not notice them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from faltcon.model import SHARED, FKey, Policy, Segment, Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from faltcon.model import Request

__all__ = [
    "JIFFY_MS",
    "MAX_JIFFIES",
    "MAX_TIMER",
    "Difference",
    "Event",
    "Play",
    "Setting",
    "Step",
    "compare",
    "expected",
    "repaired",
]

JIFFY_MS = 4
# Nothing is half-open for a second: then the kernel would send its SYNACK again by itself.
MAX_JIFFIES = 240
# The kernel's timers are never early: up to 63 jiffies ahead they fire in the jiffy after the one
# that was asked for, and beyond that they are rounded up further.
MAX_TIMER = 60
LATE_JIFFIES = 1


class Event(StrEnum):
    """What can happen; the letters are those of `kernel/tests/player.c`."""

    SYN = "S"
    SENT = "T"
    ACK = "A"
    RELEASE = "R"
    ABORT = "X"
    """The client resets a half-open request, which releases it."""
    CLIENT_FIN = "F"
    SERVER_CLOSE = "C"
    CLIENT_RST = "Z"
    NOTHING = "N"
    """Time passes."""


@dataclass(frozen=True, slots=True)
class Step:
    """An event at a jiffy, of a request of an f-key, on a CPU. All count from 0."""

    at: int
    event: Event
    request: int = 0
    key: int = 0
    cpu: int = 0

    def __str__(self) -> str:
        return f"{self.at:4} {self.event.name} request {self.request} key {self.key} @{self.cpu}"


@dataclass(frozen=True, slots=True)
class Setting:
    """The policy's parameters, times in jiffies; level is the sysctl tcp_faltcon."""

    level: int = 2
    k_t: int = 1
    window: int = 25
    timer: int = 50
    max_pairs: int = 64
    max_objects: int = 64

    @property
    def policy(self) -> Policy:
        """The model's. Its times have no unit of their own."""
        return Policy(
            k_t=self.k_t,
            window_ns=self.window,
            timer_ns=self.timer,
            max_pairs=self.max_pairs,
            max_objects=self.max_objects,
        )


@dataclass(frozen=True, slots=True)
class Play:
    """One sequence: a setting and steps in order of time, all of which can happen."""

    setting: Setting
    steps: tuple[Step, ...]

    def lines(self) -> Iterator[str]:
        """As the guest's player reads it."""
        s = self.setting
        yield (
            f"B {s.level} {s.k_t} {s.window * JIFFY_MS} {s.timer * JIFFY_MS} "
            f"{s.max_pairs} {s.max_objects}"
        )
        for step in self.steps:
            yield f"S {step.at} {step.event} {step.request} {step.key} {step.cpu}"
        yield "."

    def __str__(self) -> str:
        return "\n".join([str(self.setting), *map(str, self.steps)])


class _Requests:
    """Which requests are where; decides whether an event can happen."""

    def __init__(self) -> None:
        self.in_device: list[int] = []
        self.answered: set[int] = set()
        self.to_accept: dict[int, list[int]] = {}
        self.open: set[int] = set()
        self.cpu: dict[int, int] = {}
        self.key: dict[int, int] = {}

    def possible(self, step: Step) -> bool:
        """Whether the kernel can be made to do this next.

        The device gives SYNACKs back in their order, and a listener's children
        are accepted in theirs. A request stays on one CPU.
        """
        one = step.request
        if step.event is Event.NOTHING:
            return True
        if step.event is Event.SYN:
            return one not in self.key
        if self.key.get(one) != step.key or self.cpu.get(one) != step.cpu:
            return False
        return {
            Event.SENT: self.in_device[:1] == [one],
            Event.ACK: one in self.answered,
            Event.ABORT: one in self.answered,
            Event.RELEASE: self.to_accept.get(step.key, [])[:1] == [one],
        }.get(step.event, one in self.open)

    def take(self, step: Step) -> None:
        """Let it happen."""
        one = step.request
        if step.event is Event.SYN:
            self.in_device.append(one)
            self.cpu[one], self.key[one] = step.cpu, step.key
        elif step.event is Event.SENT:
            self.in_device.remove(one)
            self.answered.add(one)
        elif step.event in {Event.ACK, Event.ABORT}:
            self.answered.remove(one)
            if step.event is Event.ACK:
                self.to_accept.setdefault(step.key, []).append(one)
        elif step.event is Event.RELEASE:
            self.to_accept[step.key].remove(one)
            self.open.add(one)
        elif step.event in {Event.SERVER_CLOSE, Event.CLIENT_RST}:
            self.open.remove(one)


def repaired(play: Play) -> Play:
    """The same without the steps that cannot happen: any subset of steps becomes a sequence."""
    requests, kept = _Requests(), []
    last = 0
    for step in play.steps:
        now = max(last, min(step.at, MAX_JIFFIES))
        step = replace(step, at=now)  # noqa: PLW2901  the same step at a possible time
        if requests.possible(step):
            requests.take(step)
            kept.append(step)
            last = now
    return replace(play, steps=tuple(kept))


def expected(play: Play, cpus: int = 1, server: Server | None = None) -> list[Mapping[str, int]]:
    """The model's shared counters after each step.

    The timer fires LATE_JIFFIES after its interval, again and again, before the
    steps of that jiffy. `server` stands for the model in tests. Raises UsageError for steps
    that cannot happen.
    """
    server = server if server is not None else Server(play.setting.policy, cpus)
    requests: dict[int, Request] = {}
    interval = play.setting.timer + LATE_JIFFIES
    firing = interval
    found: list[Mapping[str, int]] = []
    for step in play.steps:
        while firing <= step.at:
            server.timer(firing)
            firing += interval
        _happen(server, requests, step)
        counters = server.counters.as_dict()
        found.append({name: counters[name] for name in SHARED})
    return found


def _happen(server: Server, requests: dict[int, Request], step: Step) -> None:
    now, cpu = step.at, step.cpu
    if step.event is Event.SYN:
        key = FKey("tcp", "client", "server", step.key)
        requests[step.request] = server.syn(now, key, cpu, Segment())
    elif step.event is Event.SENT:
        server.synack_sent(now, requests[step.request], cpu)
    elif step.event is Event.ACK:
        server.established(now, requests[step.request], cpu)
    elif step.event in {Event.RELEASE, Event.ABORT}:
        server.release(now, requests[step.request], cpu)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step after which the kernel's counters are not the model's."""

    number: int
    step: Step
    counters: Mapping[str, tuple[int, int]]
    """Name to what the model and what the kernel says."""

    def __str__(self) -> str:
        said = ", ".join(
            f"{name}: model {model}, kernel {kernel}"
            for name, (model, kernel) in self.counters.items()
        )
        return f"after step {self.number + 1} ({str(self.step).strip()}): {said}"


def compare(
    play: Play, model: Sequence[Mapping[str, int]], kernel: Sequence[Mapping[str, int]]
) -> Difference | None:
    """Where the two part, or None."""
    for number, (step, one, other) in enumerate(zip(play.steps, model, kernel, strict=True)):
        if one != other:
            unequal = {n: (one[n], other[n]) for n in SHARED if one[n] != other[n]}
            return Difference(number, step, unequal)
    return None
