"""Two sets of repeated recordings, frame by frame: whose share differs beyond chance.

A frame's share is that of the samples that have it anywhere in their stack,
in each recording by itself, so that recordings of unequal length weigh the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Difference", "FrameChange", "compare"]

RESAMPLES = 10_000
LEVEL = 0.95
FEWEST = 3  # recordings a set; with fewer there is no spread to speak of
_SMALLEST_SHARE = 0.0005
_POLLING_THREAD = re.compile(r"^(napi/[^;]+)-\d+(?=;|$)")


@dataclass(frozen=True)
class FrameChange:
    """One frame (a function's name) in both sets.

    before, after: mean share (0 to 1). low, high: simultaneous 95 % interval of
    their difference; NaN with too few recordings. p: Welch's, after Holm's
    correction. marked: the interval excludes zero and p is below 0.05.
    """

    frame: str
    before: float
    after: float
    low: float
    high: float
    p: float
    marked: bool

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True)
class Difference:
    """frames: largest change first. stacks, changes: mean shares of whole stacks, and theirs."""

    before: int
    after: int
    frames: list[FrameChange]
    stacks: dict[str, float]
    changes: dict[str, float]

    @property
    def marked(self) -> list[str]:
        """Names of the frames that are marked."""
        return [one.frame for one in self.frames if one.marked]


def compare(
    before: Sequence[Mapping[str, int]], after: Sequence[Mapping[str, int]], *, seed: int = 1
) -> Difference:
    """Compare two sets of folded stacks, one mapping a recording.

    Whole recordings are resampled, since samples of one recording are not
    independent. The interval is simultaneous: its half width is the 95 %
    quantile of the largest studentised deviation of any frame over the
    resamples, so that with frames that do not differ at all the chance of even
    one mark stays at 5 %. A few recordings make the bootstrap's intervals too
    narrow, so a mark asks for Welch's test after Holm's correction as well.
    Raises UsageError for an empty set.
    """
    if not before or not after:
        raise UsageError("a comparison needs recordings on both sides")
    before, after = [_steady(one) for one in before], [_steady(one) for one in after]
    shares = [_frame_shares(stacks) for stacks in (*before, *after)]
    names = sorted({name for one in shares for name in one})
    table = np.array([[one.get(name, 0.0) for name in names] for one in shares])
    table = table.reshape(len(shares), len(names))
    wide = table.max(axis=0, initial=0) >= _SMALLEST_SHARE
    names = [name for name, kept in zip(names, wide.tolist(), strict=True) if kept]
    one, two = table[: len(before), wide], table[len(before) :, wide]
    change = two.mean(axis=0) - one.mean(axis=0)
    low = high = np.full(len(names), np.nan)
    p = np.ones(len(names))
    if min(len(before), len(after)) >= FEWEST and names:
        half = _half_width(one, two, np.random.default_rng(seed))
        low, high = change - half, change + half
        p = _corrected(one, two)
    frames = [
        FrameChange(name, was, now, least, most, chance, (least > 0 or most < 0) and chance < 0.05)
        for name, was, now, least, most, chance in zip(
            names, one.mean(axis=0).tolist(), two.mean(axis=0).tolist(), low.tolist(),
            high.tolist(), p.tolist(), strict=True,
        )
    ]  # fmt: skip
    frames.sort(key=lambda one: (-abs(one.change), one.frame))
    first, second = _mean_shares(before), _mean_shares(after)
    stacks = {stack: (first[stack] + second[stack]) / 2 for stack in first.keys() | second.keys()}
    changes = {stack: second[stack] - first[stack] for stack in stacks}
    return Difference(len(before), len(after), frames, stacks, changes)


def _steady(stacks: Mapping[str, int]) -> Counter[str]:
    """The stacks with the kernel's polling threads named alike in each recording."""
    found: Counter[str] = Counter()
    for stack, weight in stacks.items():
        # The kernel numbers these threads (net/core/dev.c, napi_kthread_create).
        found[_POLLING_THREAD.sub(r"\1", stack)] += weight
    return found


def _frame_shares(stacks: Mapping[str, int]) -> dict[str, float]:
    whole = sum(stacks.values())
    sums: Counter[str] = Counter()
    for stack, weight in stacks.items():
        # A function that calls itself counts once.
        for name in set(stack.split(";")):
            sums[name] += weight
    return {name: weight / whole for name, weight in sums.items()}


def _mean_shares(recordings: Sequence[Mapping[str, int]]) -> defaultdict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for stacks in recordings:
        whole = sum(stacks.values()) * len(recordings)
        for stack, weight in stacks.items():
            found[stack] += weight / whole
    return found


def _half_width(
    one: NDArray[np.float64], two: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    error = np.sqrt(one.var(axis=0, ddof=1) / len(one) + two.var(axis=0, ddof=1) / len(two))
    deviations = np.zeros((RESAMPLES, one.shape[1]))
    for rows in (one, two):
        draws = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLES)
        # Resampling makes the spread too small by this much.
        correction = np.sqrt(len(rows) / (len(rows) - 1))
        deviations += correction * (draws / len(rows)) @ (rows - rows.mean(axis=0))
    varies = error > 0
    largest = np.abs(deviations[:, varies] / error[varies]).max(axis=1, initial=0)
    half: NDArray[np.float64] = float(np.quantile(largest, LEVEL)) * error
    return half


def _corrected(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import stats  # noqa: PLC0415  slow to import

    from faltcon.stats.multiple import adjust  # noqa: PLC0415

    varies = (np.ptp(one, axis=0) > 0) | (np.ptp(two, axis=0) > 0)
    p = np.ones(one.shape[1])
    if varies.any():
        p[varies] = stats.ttest_ind(one[:, varies], two[:, varies], axis=0, equal_var=False).pvalue
    # A share that differs and never varies is as sure as can be.
    p[~varies & (one[0] != two[0])] = 0.0
    return adjust(p)
