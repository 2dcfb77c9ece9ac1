"""Each vectorised figure against one that is counted the slow and plain way."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.traffic import analytics

events = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=25)


def arrays(pairs):
    times = np.array([time for time, _ in pairs], dtype=np.int64)
    return times, np.array([key for _, key in pairs], dtype=np.int64)


def in_order(pairs):
    return sorted(range(len(pairs)), key=lambda place: (pairs[place][0], place))


@given(events)
def test_gaps(pairs):
    expected = []
    for key in range(4):
        times = sorted(time for time, k in pairs if k == key)
        expected += [b - a for a, b in itertools.pairwise(times)]
    assert sorted(analytics.inter_arrivals_ns(*arrays(pairs)).tolist()) == sorted(expected)


@given(events)
def test_reuse_distances(pairs):
    stack, expected = [], []
    for place in in_order(pairs):
        key = pairs[place][1]
        if key in stack:
            expected.append(stack.index(key))
            stack.remove(key)
        stack.insert(0, key)
    assert analytics.reuse_distances(*arrays(pairs)).tolist() == expected


@given(events, st.integers(0, 3), st.integers(1, 20), st.integers(1, 30), st.integers(-9, 0))
def test_served(pairs, k_t, window, timer, start):
    """A plain run of the policy: nodes with their times, and a timer that fires."""
    nodes, kept, expected, tick = defaultdict(list), set(), {}, start
    for place in in_order(pairs):
        time, key = pairs[place]
        while tick + timer <= time:
            tick += timer
            for idle in [k for k, times in nodes.items() if times[-1] <= tick - timer]:
                del nodes[idle]
                kept.discard(idle)
        expected[place] = key in kept
        nodes[key].append(time)
        if sum(time - window <= one for one in nodes[key]) > k_t:
            kept.add(key)
    found = analytics.served(
        *arrays(pairs), k_t=k_t, window_ns=window, timer_ns=timer, start_ns=start
    )
    assert found.tolist() == [expected[place] for place in range(len(pairs))]


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 15), st.integers(0, 2)), max_size=15)


@given(spans, st.integers(1, 9), st.integers(-5, 0))
def test_peaks(handshakes, window, start):
    starts = np.array([one for one, _, _ in handshakes], dtype=np.int64)
    ends = starts + np.array([length for _, length, _ in handshakes], dtype=np.int64)
    keys = np.array([key for _, _, key in handshakes], dtype=np.int64)
    found = analytics.peaks(starts, ends, keys, window_ns=window, start_ns=start)
    for row in found.itertuples():
        instants = range(row.window * window + start, (row.window + 1) * window + start)
        expected = max(
            sum(
                key == row.f_key and begin <= instant < max(begin + length, begin + 1)
                for begin, length, key in handshakes
            )
            for instant in instants
        )
        assert row.peak == expected
    touched = {(key, (begin - start) // window) for begin, _, key in handshakes}
    assert touched <= set(zip(found["f_key"], found["window"], strict=True))


def test_lorenz():
    curve = analytics.lorenz(np.array([0, 1, 1, 1, 2]))
    assert curve["f_keys_share"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert curve["connections_share"].tolist() == pytest.approx([0, 0.2, 0.4, 1])
    assert analytics.lorenz(np.zeros(0, dtype=np.int64))["connections_share"].tolist() == [0]


def test_shares_of_a_capture(wire, mined):
    frames = []
    for number in range(6):
        one = wire(client_port=40000 + number, time_ns=10**18 + number * 10**9)
        frames += one.open().say(b"x" * 100, up=True).close().frames
    result = mined(frames)
    found = analytics.arrivals(result.tables.connections, established=True)
    assert analytics.inter_arrivals_ns(found.times_ns, found.keys).tolist() == [10**9] * 5
    table = analytics.served_shares(
        found,
        thresholds=[0, 2, 9],
        windows_ns=[5 * 10**9],
        timers_ns=[60 * 10**9],
        start_ns=result.first_tcp_ns,
    )
    assert table["connections_share"].tolist() == pytest.approx([5 / 6, 3 / 6, 0])
    assert table["bytes_share"].tolist() == pytest.approx([5 / 6, 3 / 6, 0])
    empty = analytics.arrivals(result.tables.connections.slice(0, 0), established=True)
    assert len(empty.keys) == 0
