#!/usr/bin/env python3
"""Play the same events into a kernel with the series and into the model, and compare all counters.

    tools/test_kernel_model.py [--base 6.1] [--sequences 180] [--captures 40] [--seed 0]

Sequences are drawn by hypothesis, and cut from this project's captures. They are played into a
guest: QEMU counts its instructions, so that time passes only with what the guest does. That takes
one CPU; what is for several is left to the scenarios that KUnit plays. After every step the
kernel's counters must be the model's. Where they are not, the least such sequence is looked for in
the same guest and printed.

The last line is `N passed, N failed`, of sequences; the exit code is 0 when none failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from faltcon import paths
from faltcon.errors import FaltconError, ToolFailedError
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build, Variant
from faltcon.lab.kernel.played import (
    JIFFY_MS,
    MAX_JIFFIES,
    MAX_TIMER,
    Difference,
    Event,
    Play,
    Setting,
    Step,
    compare,
    expected,
    repaired,
)
from faltcon.lab.kernel.player import Late, Player, with_player
from faltcon.lab.kernel.shrink import least
from faltcon.lab.kernel.steps import Steps
from faltcon.playground.traces import read

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = ("h1close-clients", "h1close-curl", "h1close-ab", "h1close-chromium", "h1close-wrk")
CONNECTIONS = 14
# More do not fit into the guest's jiffy.
STEPS_A_JIFFY = 4
TRIES = 5
# What one move may take of the last jiffies.
ROOM = 40
UNLIMITED = 64
TOLD_EVERY = 20
# A whole handshake at once, or one event of one that is under way.
CONNECT = None
MOVES: tuple[Event | None, ...] = (
    CONNECT, CONNECT, CONNECT, Event.SYN, Event.SYN, Event.SENT, Event.SENT, Event.ACK, Event.ACK,
    Event.RELEASE, Event.RELEASE, Event.ABORT, Event.CLIENT_FIN, Event.SERVER_CLOSE,
    Event.CLIENT_RST, Event.NOTHING,
)  # fmt: skip
WAITS = (0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 5, 8, 13, 34)
BUSY_KEYS = (0, 0, 0, 0, 1, 1, 2, 3)


class Composer:
    """Steps in order of time; the kernel's queues say which request an event is of."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.at = 0
        self.in_device: list[Step] = []
        self.answered: list[Step] = []
        self.to_accept: list[Step] = []
        self.open: list[Step] = []
        self.requests = 0

    def add(self, event: Event, at: int, key: int, pick: int = 0) -> None:
        """Add an event if there is a request that it can happen to."""
        self.at = max(self.at, at)
        if [step.at for step in self.steps[-STEPS_A_JIFFY:]] == [self.at] * STEPS_A_JIFFY:
            self.at += 1
        if event is Event.SYN:
            one = Step(self.at, event, self.requests, key)
            self.requests += 1
            self.in_device.append(one)
        elif event is Event.NOTHING:
            one = Step(self.at, event)
        else:
            waiting = self._waiting(event, key)
            if not waiting:
                return
            queued = event in {Event.SENT, Event.RELEASE}
            of = waiting[0 if queued else pick % len(waiting)]
            self._move(event, of)
            one = Step(self.at, event, of.request, of.key)
        self.steps.append(one)

    def connect(self, at: int, key: int) -> None:
        """Add a whole handshake, and what must come before it in the queues."""
        self.add(Event.SYN, at, key)
        one = self.in_device[-1]
        while one in self.in_device:
            self.add(Event.SENT, at, key)
        self.add(Event.ACK, at, key, pick=self.answered.index(one))
        while one in self.to_accept:
            self.add(Event.RELEASE, at, key)

    def _waiting(self, event: Event, key: int) -> list[Step]:
        if event is Event.SENT:
            return self.in_device
        if event in {Event.ACK, Event.ABORT}:
            return self.answered
        if event is Event.RELEASE:
            # A listener's children are accepted in their order; another listener's may go first.
            same = [step for step in self.to_accept if step.key == key]
            return same or self.to_accept
        return self.open

    def _move(self, event: Event, of: Step) -> None:
        if event is Event.SENT:
            self.in_device.remove(of)
            self.answered.append(of)
        elif event in {Event.ACK, Event.ABORT}:
            self.answered.remove(of)
            if event is Event.ACK:
                self.to_accept.append(of)
        elif event is Event.RELEASE:
            self.to_accept.remove(of)
            self.open.append(of)
        elif event is not Event.CLIENT_FIN:
            self.open.remove(of)


# Parameters small enough that every rule is met within a second of the guest's time.
SETTINGS = st.builds(
    Setting,
    level=st.sampled_from([1, 2, 3]),
    k_t=st.sampled_from([0, 1, 1, 2, 3]),
    window=st.integers(3, 40),
    timer=st.integers(5, MAX_TIMER),
    max_pairs=st.sampled_from([1, 2, UNLIMITED, UNLIMITED]),
    max_objects=st.sampled_from([0, 1, 2, 3, UNLIMITED, UNLIMITED]),
)
MOVE = st.tuples(
    st.sampled_from(MOVES), st.sampled_from(WAITS), st.sampled_from(BUSY_KEYS), st.integers(0, 7)
)


def drawn(number: int, start: int) -> list[Play]:
    """Sequences by hypothesis; the same ones for the same seed."""
    plays: list[Play] = []

    @seed(start)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(SETTINGS, st.lists(MOVE, min_size=40, max_size=90))
    def collect(setting: Setting, moves: list[tuple[Event | None, int, int, int]]) -> None:
        composer = Composer()
        for event, wait, key, pick in moves:
            at = composer.at + wait
            if at >= MAX_JIFFIES - ROOM:
                continue
            if event is CONNECT:
                composer.connect(at, key)
            else:
                composer.add(event, at, key, pick)
        plays.append(repaired(Play(setting, tuple(composer.steps))))

    collect()
    return plays


def captured(number: int) -> Iterator[Play]:
    """Sequences cut from recordings: real orders and distances, slowed or hastened to fit."""
    levels = (1, 2, 3)
    shares = -(-number // len(RECORDINGS))
    made = 0
    for name in RECORDINGS:
        file = paths.raw_dir() / "traffic" / name / "capture.pcap.zst"
        handshakes = read(str(file)).handshakes
        stride = max(1, (len(handshakes) - CONNECTIONS) // max(1, shares))
        for start in range(0, stride * shares, stride):
            if made == number:
                return
            part = handshakes[start : start + CONNECTIONS]
            keys = {key: place for place, key in enumerate(dict.fromkeys(p.key for p in part))}
            begin = part[0].syn_ns
            events = []
            for one in part:
                events += [(one.syn_ns, Event.SYN), (one.sent_ns, Event.SENT)]
                events += [] if one.ack_ns is None else [(one.ack_ns, Event.ACK)]
                events += [(one.release_ns, Event.ABORT if one.ack_ns is None else Event.RELEASE)]
            order = [Event.SYN, Event.SENT, Event.ACK, Event.RELEASE, Event.ABORT]
            key_at = {one.syn_ns: keys[one.key] for one in part}
            events.sort(key=lambda event: (event[0], order.index(event[1])))
            span = max(1, events[-1][0] - begin)
            jiffies = min(200, span // (JIFFY_MS * 1_000_000) + len(events) // STEPS_A_JIFFY)
            composer = Composer()
            for moment, event in events:
                at = 1 + (moment - begin) * jiffies // span
                composer.add(event, at, key_at.get(moment, 0))
            setting = Setting(
                level=levels[made % 3], k_t=made % 4, window=10 + 5 * (made % 5), timer=40
            )
            yield repaired(Play(setting, tuple(composer.steps)))
            made += 1


class Judge:
    """Plays sequences into both and counts."""

    def __init__(self, player: Player, total: int) -> None:
        self.player = player
        self.total = total
        self.passed = self.events = self.pulls = self.eliminated = 0
        self.failures: list[str] = []
        self.began = time.monotonic()

    def differ(self, play: Play) -> Difference | None:
        """Play a sequence, again if the guest was late."""
        for _ in range(TRIES):
            try:
                kernel = self.player.play(play)
            except Late:
                continue
            return compare(play, expected(play), kernel)
        raise ToolFailedError(["player"], 1, f"the guest was late {TRIES} times\n{play}")

    def take(self, play: Play) -> None:
        """Judge one sequence."""
        found = self.differ(play)
        self.events += len(play.steps)
        last = expected(play)[-1] if play.steps else {}
        self.pulls += last.get("pulls", 0)
        self.eliminated += last.get("f_pairs_eliminated", 0)
        if found is None:
            self.passed += 1
        else:
            shortest, where = least(play, found, self.differ)
            self.failures.append(f"{where}\n{shortest}")
            print(f"kernel and model differ {self.failures[-1]}", flush=True)
        done = self.passed + len(self.failures)
        if not done % TOLD_EVERY or done == self.total:
            pace = (time.monotonic() - self.began) / done
            print(
                f"{done}/{self.total} sequences, {self.events} events; "
                f"about {pace * (self.total - done):.0f} s left",
                flush=True,
            )


def main() -> int:
    """Play them all."""
    parser = argparse.ArgumentParser(description="Compare the kernel with the model.")
    parser.add_argument("--base", default="6.1")
    parser.add_argument("--sequences", type=int, default=180, help="drawn by hypothesis")
    parser.add_argument("--captures", type=int, default=40, help="cut from recordings")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    what = Build(load(chosen.base), Variant.FALTCON)
    plays = [*drawn(chosen.sequences, chosen.seed), *captured(chosen.captures)]
    judges: list[Judge] = []

    def work(player: Player) -> None:
        judges.append(Judge(player, len(plays)))
        for play in plays:
            judges[0].take(play)

    try:
        with_player(what, Steps(what.folder / "logs"), work)
    except FaltconError as error:
        print(f"test_kernel_model: {error}", file=sys.stderr)
        return error.exit_code
    (judge,) = judges
    failed = len(judge.failures)
    print(
        f"{judge.events} events, among them {judge.pulls} f_pulls and "
        f"{judge.eliminated} eliminated f-pairs"
    )
    print(f"{judge.passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
