"""What is compared with the kernel, and that a kernel which differs is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import UsageError
from faltcon.lab.kernel.played import (
    MAX_JIFFIES,
    Event,
    Play,
    Setting,
    Step,
    compare,
    expected,
    repaired,
)
from faltcon.lab.kernel.shrink import least
from faltcon.model import Server

STEPS = st.lists(
    st.builds(
        Step,
        at=st.integers(0, 400),
        event=st.sampled_from(list(Event)),
        request=st.integers(0, 5),
        key=st.integers(0, 1),
        cpu=st.integers(0, 1),
    ),
    max_size=60,
)


def handshake(at: int, request: int, key: int = 0) -> list[Step]:
    events = (Event.SYN, Event.SENT, Event.ACK, Event.RELEASE)
    return [Step(at, event, request, key) for event in events]


def of(*parts: list[Step], **parameters: int) -> Play:
    return Play(Setting(**parameters), tuple(step for part in parts for step in part))


def test_expected__an_f_pair_serves_and_is_forgotten_by_the_timer() -> None:
    play = of(
        handshake(1, 0),
        handshake(2, 1),
        handshake(3, 2),
        [Step(21, Event.NOTHING), Step(22, Event.NOTHING), Step(33, Event.NOTHING)],
        k_t=1,
        timer=10,
    )
    found = expected(play)
    assert found[4 * 3 - 1]["pulls"] == 1
    # The timer fires at 11, when the last establishment is 8 jiffies old, and at 22.
    assert [one["nodes"] for one in found[-3:]] == [1, 0, 0]
    assert found[-1]["f_pairs_eliminated"] == 1


def test_expected__what_happens_to_the_connection_itself_counts_nothing() -> None:
    play = of(handshake(1, 0), [Step(2, Event.CLIENT_FIN), Step(3, Event.SERVER_CLOSE)])
    before, *after = expected(play)[3:]
    assert after == [before, before]


def test_lines__are_what_the_player_reads() -> None:
    play = of(handshake(7, 3, key=2)[:1], level=3, k_t=0, window=5, timer=6)
    assert list(play.lines()) == ["B 3 0 20 24 64 64", "S 7 S 3 2 0", "."]


@given(STEPS)
def test_repaired__any_steps_become_a_sequence_that_can_be_played(steps: list[Step]) -> None:
    play = repaired(Play(Setting(), tuple(steps)))
    times = [step.at for step in play.steps]
    assert times == sorted(times)
    assert all(time <= MAX_JIFFIES for time in times)
    assert len(expected(play, cpus=2)) == len(play.steps)
    assert repaired(play) == play


def test_expected__a_step_that_cannot_happen_is_refused() -> None:
    with pytest.raises(UsageError):
        expected(of([*handshake(1, 0), Step(2, Event.ACK)]))


def test_compare__names_the_step_and_the_counters() -> None:
    play = of(handshake(1, 0))
    model = expected(play)
    kernel = [dict(one) for one in model]
    assert compare(play, model, kernel) is None
    kernel[2]["nodes"] = 7
    found = compare(play, model, kernel)
    assert found is not None
    assert (found.number, found.step.event) == (2, Event.ACK)
    assert found.counters == {"nodes": (1, 7)}
    assert "after step 3" in str(found)


@given(STEPS, st.integers(0, 2))
def test_least__finds_the_smallest_sequence_for_a_planted_fault(
    steps: list[Step], k_t: int
) -> None:
    """A kernel that keeps one connection too late: k_t + 2 handshakes of one key show it."""
    noise = [replace(step, key=1) for step in steps]
    busy = [one for n in range(k_t + 2) for one in handshake(0, 100 + n)]
    play = repaired(of(busy, noise, k_t=k_t))

    def differ(one: Play):
        late = replace(one.setting, k_t=one.setting.k_t + 1).policy
        return compare(one, expected(one, 2), expected(one, 2, Server(late, 2)))

    found = differ(play)
    assert found is not None
    shortest, where = least(play, found, differ)
    assert where.counters["f_pairs_made"] == (1, 0)
    # SYN, SENT and ACK of each connection but the stranger's RELEASE.
    assert len(shortest.steps) == 3 * (k_t + 1)
    assert {step.event for step in shortest.steps} == {Event.SYN, Event.SENT, Event.ACK}
