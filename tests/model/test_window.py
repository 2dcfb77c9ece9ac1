from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from faltcon.model import Policy, WindowKind
from faltcon.model.window import Window

LENGTH = 10
times = st.lists(st.integers(0, 100), min_size=1, max_size=60).map(sorted)


def counts(kind: WindowKind, moments: list[int], k_t: int = 100) -> list[int]:
    window = Window(Policy(k_t=k_t, window_ns=LENGTH, window_kind=kind), moments[0])
    found = []
    for now in moments:
        window.roll(now, 0)
        window.add(now)
        found.append(window.count)
    return found


@given(times)
def test_sliding__counts_what_is_at_most_one_length_old(moments: list[int]) -> None:
    for index, count in enumerate(counts(WindowKind.SLIDING, moments)):
        now = moments[index]
        assert count == sum(now - LENGTH <= t for t in moments[: index + 1])


@given(times, st.integers(0, 5))
def test_sliding__remembers_no_more_than_k_t_asks_for(moments: list[int], k_t: int) -> None:
    some = counts(WindowKind.SLIDING, moments, k_t)
    every = counts(WindowKind.SLIDING, moments)
    assert [count > k_t for count in some] == [count > k_t for count in every]


@given(times)
def test_grid__counts_what_shares_its_cell(moments: list[int]) -> None:
    for index, count in enumerate(counts(WindowKind.GRID, moments)):
        cell = moments[index] // LENGTH
        assert count == sum(t // LENGTH == cell for t in moments[: index + 1])


@given(times)
def test_tumbling__windows_begin_with_the_first_event_after_the_last_one(
    moments: list[int],
) -> None:
    start, count, expected = moments[0], 0, []
    for now in moments:
        if now >= start + LENGTH:
            start, count = now, 0
        count += 1
        expected.append(count)
    assert counts(WindowKind.TUMBLING, moments) == expected


def test_roll__peaks_of_this_window_and_the_last() -> None:
    window = Window(Policy(window_ns=LENGTH), 0)
    window.observe(4)
    window.observe(2)
    assert (window.peak_now, window.peak_last, window.objects) == (4, 0, 4)
    window.roll(LENGTH, 1)
    assert (window.peak_now, window.peak_last, window.objects) == (1, 4, 4)
    window.roll(3 * LENGTH, 0)
    assert (window.peak_now, window.peak_last, window.objects) == (0, 0, 0)


def test_roll__grid_knows_the_neighbouring_cell() -> None:
    window = Window(Policy(window_ns=LENGTH, window_kind=WindowKind.GRID), 7)
    window.observe(3)
    window.roll(19, 1)
    assert (window.start, window.peak_last, window.peak_now) == (10, 3, 1)
    window.roll(35, 2)
    assert (window.start, window.peak_last, window.peak_now) == (30, 2, 2)
