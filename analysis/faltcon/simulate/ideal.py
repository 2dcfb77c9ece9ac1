"""Other ways of keeping request objects, over the same trace: what FALTCON's policy is worth.

A handshake can be served in three ways: by new memory; by memory that was used
before (what a slab cache does for every structure); by an object of the same
pair, whose reusable states are still right (what FALTCON is for). All policies
here see each SYN take an object and each release give it back.

    slab          memory goes back to one pool, states are always set anew
    lru           every object is kept with its pair; beyond the capacity the one kept longest goes
    clairvoyant   knows the future: keeps what will be used soonest (after Belady, 1966)
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from faltcon.simulate.trace import Cpus, Trace

__all__ = ["Outcome", "clairvoyant", "lru", "pairs_of", "slab"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy did for `handshakes` SYNs.

    memory_reused: served by memory that was used before, states included or not.
    states_reused: served by an object of the same pair. objects_peak: most
    objects that were kept at once.
    """

    handshakes: int
    memory_reused: int
    states_reused: int
    objects_peak: int


def pairs_of(trace: Trace, cpus: Cpus | None = None) -> NDArray[np.int64]:
    """Number of each connection's pair: its f-key, on each CPU apart where CPUs are given."""
    key = trace.key.astype(np.int64)
    return key if cpus is None else key * cpus.count + cpus.syn


def _events(trace: Trace) -> Iterator[tuple[int, bool]]:
    """Connection and whether it begins, in the order in which `replay` plays SYN and RELEASE."""
    number = np.arange(len(trace), dtype=np.int64)
    # What was under way comes before the SYNs of the same time; what begins and ends at once,
    # between two of them.
    at_once = trace.release_ns == trace.syn_ns
    times = np.concatenate([trace.syn_ns, trace.release_ns])
    group = np.concatenate([np.ones_like(number), at_once.astype(np.int64)])
    place = np.concatenate([2 * number, np.where(at_once, 2 * number + 1, number)])
    order = np.lexsort((place, group, times))
    order = order[times[order] <= trace.end_ns]
    yield from zip(
        (order % max(len(trace), 1)).tolist(), (order < len(trace)).tolist(), strict=True
    )


def slab(trace: Trace) -> Outcome:
    """A slab cache that never shrinks: memory comes back, states do not."""
    handshakes = free = most_free = reused = 0
    for _, begins in _events(trace):
        if begins:
            handshakes += 1
            reused += free > 0
            free = max(free - 1, 0)
        else:
            free += 1
            most_free = max(most_free, free)
    return Outcome(handshakes, reused, 0, most_free)


def lru(trace: Trace, pairs: NDArray[np.int64], capacity: int) -> Outcome:
    """Keep every object with its pair, at most `capacity`; the one kept longest goes first."""
    pair_of = pairs.tolist()
    order: OrderedDict[int, int] = OrderedDict()  # number of the keeping to its pair
    kept: defaultdict[int, list[int]] = defaultdict(list)
    handshakes = hits = peak = keepings = 0
    for index, begins in _events(trace):
        pair = pair_of[index]
        mine = kept[pair]
        if begins:
            handshakes += 1
            if mine:
                del order[mine.pop()]
                hits += 1
            continue
        if not capacity:
            continue
        if len(order) == capacity:
            _, loser = order.popitem(last=False)
            # A pair's objects were kept one after the other, so that its oldest is its first.
            kept[loser].pop(0)
        order[keepings] = pair
        mine.append(keepings)
        keepings += 1
        peak = max(peak, len(order))
    return Outcome(handshakes, hits, hits, peak)


def clairvoyant(trace: Trace, pairs: NDArray[np.int64], capacity: int) -> Outcome:
    """The most hits that any policy with this capacity could have.

    Each SYN is matched with the last release of its pair that no SYN has taken
    yet: of all ways to match them this one waits least. A match is an interval
    in which an object is kept; of intervals that overlap too often the one that
    ends last goes, which leaves the most of them.
    """
    events = list(_events(trace))
    used_at = _matches(events, pairs.tolist())
    ends: set[int] = set()  # intervals that are kept now, by the place of their SYN
    latest: list[int] = []  # heap of the same, the latest first; ends in the past may linger
    hits = peak = 0
    for place in range(len(events)):
        if place in ends:
            ends.remove(place)
            hits += 1
        end = used_at.get(place)
        if end is None or not capacity:
            continue
        if len(ends) == capacity:
            if -latest[0] <= end:
                continue
            # All that linger end before any that is kept, so that the first is no stale one.
            ends.remove(-heapq.heappop(latest))
        ends.add(end)
        heapq.heappush(latest, -end)
        peak = max(peak, len(ends))
    return Outcome(sum(begins for _, begins in events), hits, hits, peak)


def _matches(events: list[tuple[int, bool]], pair_of: list[int]) -> dict[int, int]:
    """Place of a release to the place of the SYN that it would serve."""
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    used_at: dict[int, int] = {}
    for place, (index, begins) in enumerate(events):
        mine = waiting[pair_of[index]]
        if not begins:
            mine.append(place)
        elif mine:
            used_at[mine.pop()] = place
    return used_at
