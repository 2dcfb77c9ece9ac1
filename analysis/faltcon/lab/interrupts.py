"""Ctrl-C and SIGTERM that never skip a clean-up.

A signal handler that raises may strike between any two bytecodes: after a
process was started but before anyone knows its number, or in the middle of a
clean-up. So inside `guarded` a signal raises once, only while the work runs,
and never inside `held`; from the first line of the clean-up on it is only noted.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from faltcon.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["guarded", "held"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


class _Gate:
    """Whether a signal may raise now."""

    def __init__(self) -> None:
        self.open = False
        self.holds = 0
        self.noted: int | None = None

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.noted = number
        self.raise_if_noted()

    def raise_if_noted(self) -> None:
        if self.noted is not None and self.open and not self.holds:
            self.open = False  # once: the clean-up that follows is not to be struck again
            raise _interruption(self.noted)


_current: _Gate | None = None


def _interruption(number: int) -> InterruptedRunError:
    return InterruptedRunError(
        f"stopped by {signal.Signals(number).name}; nothing half-made was left behind"
    )


def guarded(work: Callable[[ExitStack], T]) -> T:
    """Run `work` with a stack of clean-ups that run to their end, whatever happens.

    `work` registers the undoing of each thing on the stack *before* making it.
    Raises InterruptedRunError after the clean-ups when SIGINT, SIGTERM or SIGHUP
    came; outside the main thread Python delivers no signals and none is handled.
    """
    global _current  # noqa: PLW0603  signal handlers belong to the process, so does their state
    gate = _Gate()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.signal(number, gate.on_signal) for number in SIGNALS}
    stack = ExitStack()
    _current = gate
    try:
        try:
            gate.open = True
            result = work(stack)
        finally:
            # Either this line is reached, or the one signal that may raise has struck here.
            gate.open = False
    finally:
        try:
            stack.close()
        finally:
            _current = None
            for number, handler in previous.items():
                signal.signal(number, handler)
    if gate.noted is not None:
        raise _interruption(gate.noted)
    return result


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Put signals off until the end of this block (short steps that must not be cut)."""
    gate = _current
    if gate is None:
        yield
        return
    gate.holds += 1
    try:
        yield
    finally:
        gate.holds -= 1
    gate.raise_if_noted()
