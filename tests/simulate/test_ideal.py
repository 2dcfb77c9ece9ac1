from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_strategies import cpus_of, traces

from faltcon.model import Policy
from faltcon.simulate import generate, ideal, twin
from faltcon.simulate.trace import Trace

UNBOUNDED = 10**9


def best_by_trying_everything(trace: Trace, pairs: list[int], capacity: int) -> int:
    """Most hits over all choices of which released objects to keep until they are used."""
    events = list(ideal._events(trace))  # noqa: SLF001  the order of events is the definition
    best = 0
    for size in range(len(trace) + 1):
        for chosen in combinations(range(len(trace)), size):
            kept: dict[int, int] = {}
            hits = total = 0
            fits = True
            for index, begins in events:
                pair = pairs[index]
                if begins and kept.get(pair):
                    kept[pair] -= 1
                    total -= 1
                    hits += 1
                elif not begins and index in chosen:
                    kept[pair] = kept.get(pair, 0) + 1
                    total += 1
                    fits = fits and total <= capacity
            if fits:
                best = max(best, hits)
    return best


@settings(max_examples=300, deadline=None)
@given(traces(max_size=8), st.integers(0, 4))
def test_clairvoyant__is_the_best_of_all_choices(trace: Trace, capacity: int) -> None:
    pairs = ideal.pairs_of(trace)
    outcome = ideal.clairvoyant(trace, pairs, capacity)
    assert outcome.states_reused == best_by_trying_everything(trace, pairs.tolist(), capacity)
    assert outcome.objects_peak <= capacity


@settings(max_examples=150, deadline=None)
@given(traces(), st.integers(0, 6))
def test_policies__none_beats_the_clairvoyant(trace: Trace, capacity: int) -> None:
    pairs = ideal.pairs_of(trace)
    best = ideal.clairvoyant(trace, pairs, capacity).states_reused
    found = ideal.lru(trace, pairs, capacity)
    assert found.states_reused <= best
    assert found.objects_peak <= capacity
    boundless = ideal.clairvoyant(trace, pairs, UNBOUNDED).states_reused
    assert best <= boundless == ideal.lru(trace, pairs, UNBOUNDED).states_reused
    assert boundless <= ideal.slab(trace).memory_reused


@settings(max_examples=150, deadline=None)
@given(st.data(), traces(), st.integers(0, 2), st.integers(0, 6))
def test_faltcon__never_beats_the_clairvoyant_with_its_memory(
    data: st.DataObject, trace: Trace, k_t: int, max_objects: int
) -> None:
    cpus = data.draw(cpus_of(trace))
    counters = twin.run(trace, cpus, Policy(k_t=k_t, max_objects=max_objects)).counters
    pairs = ideal.pairs_of(trace, cpus)
    best = ideal.clairvoyant(trace, pairs, counters.objects_peak)
    assert counters.hits <= best.states_reused


def test_slab__needs_new_memory_only_for_the_peak() -> None:
    trace = generate.zipf(5000, seed=4)
    alive = np.concatenate([np.ones(len(trace)), -np.ones(len(trace))])
    times = np.concatenate([trace.syn_ns, trace.release_ns])
    peak = int(np.cumsum(alive[np.lexsort((alive, times))]).max())
    assert ideal.slab(trace).memory_reused == len(trace) - peak


def test_lru__the_one_kept_longest_goes() -> None:
    # a, b, c come and go; with room for two, b and c are there when they return.
    begin = np.arange(6, dtype=np.int64) * 10
    key = np.array([0, 1, 2, 1, 2, 0], np.int32)
    trace = Trace(begin, begin, begin, begin + 1, key, key, generate.zipf(60, clients=3).keys)
    outcome = ideal.lru(trace, ideal.pairs_of(trace), 2)
    assert outcome.states_reused == 2
    assert ideal.lru(trace, ideal.pairs_of(trace), 3).states_reused == 3
    assert ideal.lru(trace, ideal.pairs_of(trace), 0).states_reused == 0
