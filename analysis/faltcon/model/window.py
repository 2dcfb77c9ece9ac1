"""Windows of the keeping policy (section 3.1.1): connections counted, requests at their peak."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faltcon.model.policy import WindowKind

if TYPE_CHECKING:
    from faltcon.model.policy import Policy

__all__ = ["Window"]


@dataclass(slots=True)
class Window:
    """The current window of one node, and what is remembered of the one before.

    count: connections counted in the current window.
    peak_now, peak_last: maximum of concurrent requests in it and in the one before.
    """

    policy: Policy
    start: int
    count: int = 0
    peak_now: int = 0
    peak_last: int = 0
    times: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        if self.policy.window_kind is WindowKind.GRID:
            self.start -= self.start % self.policy.window_ns

    def roll(self, now: int, requests: int) -> None:
        """Begin a new window if the current one is over; `requests` are alive now.

        A window is over when its length has passed: it holds its first instant
        and not its last. Peaks tumble also where connections are counted in
        sliding windows.
        """
        length = self.policy.window_ns
        start = now
        if self.policy.window_kind is WindowKind.GRID:
            start -= now % length
        elapsed = start - self.start
        if elapsed < length:
            return
        # Whoever slept through a whole window had no more than these requests in it.
        self.peak_last = self.peak_now if elapsed < 2 * length else requests
        self.peak_now = requests
        self.count = 0
        self.start = start

    def add(self, now: int) -> None:
        """Count one connection."""
        if self.policy.window_kind is not WindowKind.SLIDING:
            self.count += 1
            return
        self.times.append(now)
        while now - self.times[0] > self.policy.window_ns:
            self.times.popleft()
        # More than k_t + 1 times decide nothing.
        if len(self.times) > self.policy.k_t + 1:
            self.times.popleft()
        self.count = len(self.times)

    def observe(self, requests: int) -> None:
        """Note how many requests are alive now."""
        self.peak_now = max(self.peak_now, requests)

    @property
    def objects(self) -> int:
        """How many objects of each kind are worth keeping (end of section 3.1.1)."""
        return max(self.peak_last, self.peak_now)
