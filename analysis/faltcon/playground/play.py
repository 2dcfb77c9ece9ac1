"""Handshakes played into the model, event by event.

The same rules as `faltcon.simulate.replay`, which needs numpy.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.model import Request, Segment, Server, Steering, steer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faltcon.playground.traces import Handshake

__all__ = ["Moment", "play"]

SYN, SENT, ACK, RELEASE = range(4)
STAGES = ("SYN", "SENT", "ACK", "RELEASE")
PACKETS = (0, 0, 1, 2)
"""Which of a connection's steps through the CPUs each stage is, where packets go in turn."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a run: `stage` is one of STAGES or TIMER, `index` its connection's."""

    time_ns: int
    stage: str
    index: int
    cpu: int
    served: bool


class _Run:
    """Handshakes under way: which CPU their packets go to, and what comes next of each."""

    def __init__(self, handshakes: Sequence[Handshake], server: Server, steering: Steering) -> None:
        self.handshakes = handshakes
        self.server = server
        self.steering = steering
        self.requests: dict[int, Request] = {}
        self.cpus: dict[int, list[int]] = {}
        self.pending: list[tuple[int, int, int]] = []

    def cpu(self, index: int, stage: int) -> int:
        """CPU of a stage; hashed once a connection, where all its packets go one way."""
        if index not in self.cpus:
            turns = 3 if self.steering is Steering.ROUND_ROBIN else 1
            self.cpus[index] = [
                steer(self.handshakes[index].flow, self.server.cpus, self.steering, number)
                for number in range(3 * index, 3 * index + turns)
            ]
        found = self.cpus[index]
        return found[PACKETS[stage] % len(found)]

    def apply(self, now: int, index: int, stage: int) -> Moment:
        """Let one event happen, and note when the connection's next one is due."""
        one, cpu = self.handshakes[index], self.cpu(index, stage)
        hits = self.server.counters.hits
        due: tuple[int, int] | None = None
        if stage == SYN:
            segment = Segment(one.flow.client_port)
            self.requests[index] = self.server.syn(now, one.key, cpu, segment)
            due = one.sent_ns, SENT
        elif stage == SENT:
            self.server.synack_sent(now, self.requests[index], cpu)
            due = (one.release_ns, RELEASE) if one.ack_ns is None else (one.ack_ns, ACK)
        elif stage == ACK:
            self.server.established(now, self.requests[index], cpu)
            due = one.release_ns, RELEASE
        else:
            self.server.release(now, self.requests.pop(index), cpu)
            del self.cpus[index]
        if due is not None:
            heapq.heappush(self.pending, (due[0], index, due[1]))
        return Moment(now, STAGES[stage], index, cpu, served=self.server.counters.hits > hits)


def play(
    handshakes: Sequence[Handshake],
    server: Server,
    *,
    end_ns: int,
    steering: Steering = Steering.RSS,
) -> Iterator[Moment]:
    """Play handshakes, sorted by SYN, into a server; yields each event after it happened."""
    run = _Run(handshakes, server, steering)
    interval = server.policy.timer_ns
    origin = handshakes[0].syn_ns if handshakes else 0
    firing, upcoming = origin + interval, 0
    while upcoming < len(handshakes) or run.pending:
        now, index, stage = run.pending[0] if run.pending else (end_ns + 1, -1, SYN)
        if upcoming < len(handshakes) and (index < 0 or handshakes[upcoming].syn_ns < now):
            now, index, stage = handshakes[upcoming].syn_ns, upcoming, SYN
        if now > end_ns:
            return
        if firing <= now and server.counters.nodes:
            server.timer(firing)
            yield Moment(firing, "TIMER", -1, 0, served=False)
            firing += interval
            continue
        if firing <= now:
            firing = origin + ((now - origin) // interval + 1) * interval
        if stage == SYN:
            upcoming += 1
        else:
            heapq.heappop(run.pending)
        yield run.apply(now, index, stage)
