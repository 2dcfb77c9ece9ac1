"""A trace played into the plain model, event by event: the meaning of a trace.

At equal times the timer fires first, then what earlier SYNs have under way
(in the order of their SYNs), then then the next SYN. The timer fires at multiples of
its interval after the trace's first SYN, until the last event before the trace's end.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from faltcon.model import Counters, Policy, Request, Segment, Server
from faltcon.simulate.trace import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from faltcon.simulate.trace import Cpus, Trace

__all__ = ["SERIES", "Result", "replay", "timer_phase"]

SERIES = ("lookups", "hits", "nodes", "f_pairs", "objects", "synacks")
"""Counters that are sampled over time."""


@dataclass(slots=True)
class Result:
    """What a run counted.

    lookups_by_cpu, hits_by_cpu: shape (cpus,). series: counters (SERIES, the
    columns) before the events at each multiple of the sampling interval after
    the first SYN, shape (m, 6).
    """

    counters: Counters
    lookups_by_cpu: NDArray[np.int64]
    hits_by_cpu: NDArray[np.int64]
    series: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, len(SERIES)), np.int64))


def timer_phase(now: int, origin: int, interval: int) -> int:
    """The first firing after `now`."""
    return origin + ((now - origin) // interval + 1) * interval


class _Replay:
    def __init__(self, trace: Trace, cpus: Cpus, policy: Policy) -> None:
        self.trace = trace
        self.cpus = cpus
        self.server = Server(policy, cpus.count)
        self.requests: dict[int, Request] = {}
        self.pending: list[tuple[int, int, Callable[[int, int], None]]] = []
        self.lookups = np.zeros(cpus.count, np.int64)
        self.hits = np.zeros(cpus.count, np.int64)

    def syn(self, now: int, index: int) -> None:
        cpu = int(self.cpus.syn[index])
        hits = self.server.counters.hits
        key = self.trace.keys[self.trace.key[index]]
        segment = Segment(int(self.trace.client_port[index]))
        self.requests[index] = self.server.syn(now, key, cpu, segment)
        self.lookups[cpu] += 1
        self.hits[cpu] += self.server.counters.hits - hits
        self._then(int(self.trace.sent_ns[index]), index, self.sent)

    def sent(self, now: int, index: int) -> None:
        self.server.synack_sent(now, self.requests[index], int(self.cpus.syn[index]))
        ack = int(self.trace.ack_ns[index])
        if ack == NEVER:
            self._then(int(self.trace.release_ns[index]), index, self.release)
        else:
            self._then(ack, index, self.ack)

    def ack(self, now: int, index: int) -> None:
        self.server.established(now, self.requests[index], int(self.cpus.ack[index]))
        self._then(int(self.trace.release_ns[index]), index, self.release)

    def release(self, now: int, index: int) -> None:
        self.server.release(now, self.requests.pop(index), int(self.cpus.release[index]))

    def _then(self, now: int, index: int, event: Callable[[int, int], None]) -> None:
        heapq.heappush(self.pending, (now, index, event))


def replay(trace: Trace, cpus: Cpus, policy: Policy | None = None, *, sample_ns: int = 0) -> Result:
    """Play a trace into the plain model. `sample_ns`: interval of the series, 0 for none."""
    run = _Replay(trace, cpus, policy if policy is not None else Policy())
    origin = int(trace.syn_ns[0]) if len(trace) else 0
    interval = run.server.policy.timer_ns
    firing, sample, upcoming = origin + interval, origin, 0
    series: list[list[int]] = []
    while upcoming < len(trace) or run.pending:
        syn_next = upcoming < len(trace) and not (
            run.pending and run.pending[0][0] <= trace.syn_ns[upcoming]
        )
        now = int(trace.syn_ns[upcoming]) if syn_next else run.pending[0][0]
        if now > trace.end_ns:
            break
        while sample_ns and sample <= now and sample <= firing:
            counted = run.server.counters.as_dict()
            series.append([counted[name] for name in SERIES])
            sample += sample_ns
        if firing <= now:
            run.server.timer(firing)
            # With nothing in the archive the timer finds nothing until something happens.
            firing += interval
            if not run.server.counters.nodes:
                firing = max(firing, timer_phase(now, origin, interval))
            continue
        if syn_next:
            run.syn(now, upcoming)
            upcoming += 1
        else:
            _, index, event = heapq.heappop(run.pending)
            event(now, index)
    shape = np.array(series, np.int64).reshape(-1, len(SERIES))
    return Result(run.server.counters, run.lookups, run.hits, shape)
