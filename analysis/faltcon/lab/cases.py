"""Which bottleneck recordings there are to make, and in which order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BOOK_SET", "VARIANTS", "Case", "plan", "shuffled"]

VARIANTS = ("napi", "veth", "loopback")


@dataclass(frozen=True, order=True)
class Case:
    """One recording: variant, size of the response's body, and which repetition."""

    variant: str
    response_bytes: int
    repetition: int

    @property
    def run(self) -> str:
        """Name of its folder."""
        return f"{self.variant}-{self.response_bytes}b-r{self.repetition:02d}"


# What the book's chapter reads; `--set book` records it in one shuffled order.
BOOK_SET = tuple(
    [Case("napi", 64, number) for number in range(1, 11)]
    + [Case(variant, 64, number) for variant in ("veth", "loopback") for number in range(1, 4)]
    + [Case("napi", size, number) for size in (1024, 4096, 16384, 102400) for number in range(1, 4)]
)


def plan(variants: Iterable[str], sizes: Iterable[int], repetitions: int, seed: int) -> list[Case]:
    """Every combination, in an order shuffled from the seed.

    Shuffled, so that a drift of the machine falls on all kinds alike.
    """
    sizes = list(sizes)
    cases = [
        Case(variant, size, number)
        for variant in variants
        for size in sizes
        for number in range(1, repetitions + 1)
    ]
    return shuffled(cases, seed)


def shuffled(cases: Iterable[Case], seed: int) -> list[Case]:
    """The cases in an order that the seed decides."""
    ordered = sorted(set(cases))
    random.Random(seed).shuffle(ordered)  # noqa: S311  an order, not a secret
    return ordered
