from __future__ import annotations

import itertools
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from faltcon.errors import InterruptedRunError
from faltcon.lab.interrupts import SIGNALS, guarded, held

if TYPE_CHECKING:
    from contextlib import ExitStack


def strike(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)
    # Python runs the handler at one of the next bytecodes.
    time.sleep(0.001)


def test_guarded_returns_what_the_work_returns_and_then_cleans_up() -> None:
    undone: list[str] = []

    def work(stack: ExitStack) -> int:
        stack.callback(undone.append, "a")
        stack.callback(undone.append, "b")
        assert not undone
        return 7

    assert guarded(work) == 7
    assert undone == ["b", "a"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_work_cleans_up_and_raises(number: int) -> None:
    undone: list[str] = []

    def work(stack: ExitStack) -> None:
        stack.callback(undone.append, "a")
        strike(number)
        undone.append("not reached")

    with pytest.raises(InterruptedRunError, match=signal.Signals(number).name):
        guarded(work)
    assert undone == ["a"]


def test_a_signal_during_the_cleanup_waits_for_its_end() -> None:
    undone: list[str] = []

    def undo(name: str) -> None:
        strike()
        undone.append(name)

    def work(stack: ExitStack) -> None:
        stack.callback(undo, "a")
        stack.callback(undo, "b")

    with pytest.raises(InterruptedRunError):
        guarded(work)
    assert undone == ["b", "a"]


def test_a_second_signal_does_not_strike_the_cleanup_of_the_first() -> None:
    undone: list[str] = []

    def undo() -> None:
        strike(signal.SIGINT)
        undone.append("whole")

    def work(stack: ExitStack) -> None:
        stack.callback(undo)
        strike()

    with pytest.raises(InterruptedRunError):
        guarded(work)
    assert undone == ["whole"]


def test_held_puts_a_signal_off_to_the_end_of_the_block() -> None:
    steps: list[str] = []

    def work(stack: ExitStack) -> None:
        del stack
        with held():
            strike()
            steps.append("made")
            steps.append("registered")
        steps.append("not reached")

    with pytest.raises(InterruptedRunError):
        guarded(work)
    assert steps == ["made", "registered"]


def test_an_error_of_the_work_comes_through_after_the_cleanup() -> None:
    undone: list[str] = []

    def work(stack: ExitStack) -> None:
        stack.callback(undone.append, "a")
        raise ValueError("the work's own")

    with pytest.raises(ValueError, match="the work's own"):
        guarded(work)
    assert undone == ["a"]


def test_a_cleanup_that_fails_does_not_keep_the_others_from_running() -> None:
    undone: list[str] = []

    def fail() -> None:
        raise RuntimeError("cannot")

    def work(stack: ExitStack) -> None:
        stack.callback(undone.append, "a")
        stack.callback(fail)

    with pytest.raises(RuntimeError, match="cannot"):
        guarded(work)
    assert undone == ["a"]


def test_the_handlers_from_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    guarded(lambda _stack: None)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_signals_at_random_moments_never_skip_the_cleanup() -> None:
    # A timer strikes somewhere in a busy loop of making and registering, many times over.
    previous = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        for attempt in range(200):
            made: set[int] = set()

            def work(
                stack: ExitStack, made: set[int] = made, delay: float = 1e-4 + attempt * 1e-5
            ) -> None:
                signal.setitimer(signal.ITIMER_REAL, delay)
                for number in itertools.count():
                    with held():
                        made.add(number)
                        stack.callback(made.discard, number)

            with pytest.raises(InterruptedRunError):
                guarded(work)
            assert not made
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
