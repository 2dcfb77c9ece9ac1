"""The choices of section 3: what the paper fixes, what it leaves open, each with a name.

`kernel/policy.md` decides each open choice once for kernel and model; the
defaults here are those decisions, the other values are what else the paper's
words allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from faltcon.errors import UsageError

__all__ = ["UNLIMITED", "Counted", "Eliminate", "Policy", "Scope", "WindowKind"]

SECOND_NS = 1_000_000_000
UNLIMITED = 2**62


class WindowKind(StrEnum):
    """What "a fixed length of a time (window)" of section 3.1.1 means."""

    TUMBLING = "tumbling"
    """Windows follow each other, a node's first one starting with the node."""
    GRID = "grid"
    """Windows follow each other at multiples of their length, the same for all nodes."""
    SLIDING = "sliding"
    """Each window ends now; two connections exactly one length apart share it."""


class Scope(StrEnum):
    """Where connections are counted against `k_t`: section 3.3 makes the archive per-core."""

    CPU = "cpu"
    GLOBAL = "global"


class Counted(StrEnum):
    """What section 3.1.1 counts; it says "established", and "monitors incoming connections"."""

    ESTABLISHED = "established"
    SYN = "syn"


class Eliminate(StrEnum):
    """Whom section 3.1.2 eliminates; it says "more than one" and "no connection"."""

    NONE = "none"
    """F-pairs that had no connection in the timer's interval."""
    AT_MOST_ONE = "at-most-one"
    """F-pairs that had no more than one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Parameters of the keepers. Times in nanoseconds. Raises UsageError for nonsense.

    k_t: more than so many connections in one window make a pair an f-pair (3.1.1).
    window_ns, timer_ns: length of the window (3.1.1) and of the timer's interval (3.1.2).
    max_pairs: nodes, all CPUs together; max_objects: kept objects of each kind.
    f_state_keeper: whether kept objects keep their reusable state (3.2).
    """

    k_t: int = 3
    window_ns: int = 5 * SECOND_NS
    timer_ns: int = 30 * SECOND_NS
    max_pairs: int = UNLIMITED
    max_objects: int = UNLIMITED
    window_kind: WindowKind = WindowKind.TUMBLING
    scope: Scope = Scope.CPU
    counted: Counted = Counted.ESTABLISHED
    eliminate: Eliminate = Eliminate.NONE
    f_state_keeper: bool = True

    def __post_init__(self) -> None:
        for name in ("k_t", "max_pairs", "max_objects"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it cannot be negative")
        for name in ("window_ns", "timer_ns"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be positive")
