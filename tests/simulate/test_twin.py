from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_strategies import KEYS, cpus_of, policies, traces

from faltcon.errors import UsageError
from faltcon.model import FKey, Policy, WindowKind
from faltcon.simulate import generate, twin
from faltcon.simulate.replay import replay
from faltcon.simulate.trace import Cpus, Trace


@settings(max_examples=1000, deadline=None)
@given(st.data(), traces(), policies, st.sampled_from([0, 1, 7, 30]))
def test_twin__equals_the_plain_model(
    data: st.DataObject, trace: Trace, policy: Policy, sample_ns: int
) -> None:
    cpus = data.draw(cpus_of(trace))
    plain = replay(trace, cpus, policy, sample_ns=sample_ns)
    compiled = twin.run(trace, cpus, policy, sample_ns=sample_ns)
    assert compiled.counters.as_dict() == plain.counters.as_dict()
    assert compiled.lookups_by_cpu.tolist() == plain.lookups_by_cpu.tolist()
    assert compiled.hits_by_cpu.tolist() == plain.hits_by_cpu.tolist()
    assert compiled.series.tolist() == plain.series.tolist()


@pytest.mark.parametrize("kind", WindowKind)
def test_twin__equals_the_plain_model_where_the_archive_grows(kind: WindowKind) -> None:
    trace = generate.zipf(6000, clients=3000, seed=7)
    cpus = trace.steer(8)
    policy = Policy(k_t=1, window_ns=10**9, timer_ns=3 * 10**8, window_kind=kind)
    compiled = twin.run(trace, cpus, policy).counters
    assert compiled.as_dict() == replay(trace, cpus, policy).counters.as_dict()
    assert compiled.hits > 500
    assert compiled.f_pairs_eliminated > 100


def test_twin__the_tie_of_two_pending_events_goes_by_the_order_of_syns() -> None:
    # Both requests end at 10; the first one alone finds room.
    ten = np.array([10, 10, 10], np.int64)
    zero = np.zeros(3, np.int64)
    trace = Trace(zero, zero, zero, ten, zero.astype(np.int32), zero.astype(np.int32), KEYS)
    cpus = Cpus(1, *[np.zeros(3, np.int32)] * 3)
    policy = Policy(k_t=0, max_objects=1)
    assert (
        twin.run(trace, cpus, policy).counters.as_dict()
        == replay(trace, cpus, policy).counters.as_dict()
    )


def test_twin__an_empty_trace_counts_nothing() -> None:
    none = np.zeros(0, np.int64)
    few = none.astype(np.int32)
    trace = Trace(none, none, none, none, few, few, [])
    result = twin.run(trace, trace.steer(2), sample_ns=5)
    assert set(result.counters.as_dict().values()) == {0}


def test_twin__an_age_of_silence_costs_nothing() -> None:
    times = np.array([0, 10**18], np.int64)
    trace = Trace(
        times, times, times, times, np.zeros(2, np.int32), np.zeros(2, np.int32), KEYS[:1]
    )
    cpus = trace.steer(1)
    policy = Policy(k_t=0, timer_ns=1000)
    started = time.process_time()
    compiled = twin.run(trace, cpus, policy).counters
    plain = replay(trace, cpus, policy).counters
    assert compiled.as_dict() == plain.as_dict()
    assert compiled.f_pairs_eliminated == 1
    assert time.process_time() - started < 20


def test_twin__refuses_rings_that_do_not_fit() -> None:
    trace = generate.zipf(10_000, clients=5000, seed=1)
    with pytest.raises(UsageError, match="need too much memory"):
        twin.run(trace, trace.steer(1), Policy(k_t=10**6, window_kind=WindowKind.SLIDING))


def test_twin__is_two_orders_faster_than_the_plain_model() -> None:
    trace = generate.zipf(200_000, clients=5000, seed=3)
    cpus = trace.steer(4)
    few = trace.head(5000)
    twin.run(few, few.steer(4))
    begun = time.process_time()
    twin.run(trace, cpus)
    compiled = len(trace) / (time.process_time() - begun)
    begun = time.process_time()
    replay(few, few.steer(4))
    plain = len(few) / (time.process_time() - begun)
    # Absolute rates are the benchmark's; a slow machine slows both.
    assert compiled > 20 * plain


def test_keys__are_the_models() -> None:
    assert all(isinstance(key, FKey) for key in generate.zipf(10, clients=3).keys)
