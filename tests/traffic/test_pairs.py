from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import UsageError
from faltcon.traffic.pairs import f_pairs, max_concurrent, parse_duration_ns, repetition

events = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=25)


def arrays(pairs):
    times = np.array([time for time, _ in pairs], dtype=np.int64)
    return times, np.array([key for _, key in pairs], dtype=np.int64)


@given(events, st.integers(0, 5), st.integers(1, 12))
def test_sliding_agrees_with_trying_every_window(pairs, k_t, window) -> None:
    found = {
        key
        for start, _ in pairs
        for key, number in Counter(k for t, k in pairs if start <= t <= start + window).items()
        if number > k_t
    }
    times, keys = arrays(pairs)
    got = f_pairs(times, keys, k_t=k_t, window_ns=window, kind="sliding", start_ns=0)
    assert got == len(found)


@given(events, st.integers(0, 5), st.integers(1, 12), st.integers(-5, 5))
def test_tumbling_agrees_with_counting_each_window(pairs, k_t, window, start) -> None:
    counts = Counter((key, (time - start) // window) for time, key in pairs)
    found = {key for (key, _), number in counts.items() if number > k_t}
    times, keys = arrays(pairs)
    got = f_pairs(times, keys, k_t=k_t, window_ns=window, kind="tumbling", start_ns=start)
    assert got == len(found)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 2)), max_size=20))
def test_most_open_at_once_agrees_with_looking_at_every_instant(spans) -> None:
    best = max(
        (
            sum(
                k == key and start <= instant < max(start + length, start + 1)
                for start, length, k in spans
            )
            for instant in range(32)
            for key in range(3)
        ),
        default=0,
    )
    starts = np.array([start for start, _, _ in spans], dtype=np.int64)
    ends = starts + np.array([length for _, length, _ in spans], dtype=np.int64)
    keys = np.array([key for _, _, key in spans], dtype=np.int64)
    assert max_concurrent(starts, ends, keys) == best


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("5s", 5 * 10**9),
        ("500ms", 5 * 10**8),
        ("2m", 120 * 10**9),
        ("1.5s", 15 * 10**8),
        ("1h", 3600 * 10**9),
        ("250us", 250_000),
        ("7ns", 7),
    ],
)
def test_durations(text, duration) -> None:
    assert parse_duration_ns(text) == duration


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "5 s", "0s", "1.5ns", "5sec", "1e3s", "٣s "])
def test_what_is_no_duration(text) -> None:
    with pytest.raises(UsageError, match="duration"):
        parse_duration_ns(text)


def test_the_two_counts_differ_by_the_handshake(wire, mined) -> None:
    frames = []
    for number in range(4):
        one = wire(client_port=40000 + number, time_ns=10**18 + number * 10**9)
        frames += (one.open() if number % 2 else one.send(up=True, flags=2)).frames
    result = mined(frames)

    def ask(count, window_s, kind="sliding"):
        return repetition(
            result.tables.connections,
            k_t=1,
            window_ns=window_s * 10**9,
            kind=kind,
            count=count,
            start_ns=result.first_tcp_ns,
        )

    assert (ask("syn", 1).f_keys, ask("syn", 1).f_pairs) == (1, 1)
    # The established ones are two seconds apart.
    assert ask("established", 1).f_pairs == 0
    assert ask("established", 2).f_pairs == 1
    assert ask("established", 2, "tumbling").f_pairs == 0
    # Two handshakes are never answered, so they stay open to the end, with one that completes.
    assert ask("syn", 1).max_concurrent_handshakes == 3
    assert ask("established", 1).max_concurrent_handshakes == 1
