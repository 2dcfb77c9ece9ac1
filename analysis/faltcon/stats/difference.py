"""Two arms of an experiment: how far apart, how sure, how large, or provably alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from faltcon.errors import UsageError
from faltcon.stats.estimate import CONFIDENCE, Estimate, bootstrap, per_cluster, sample_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.stats.estimate import Labels, Values

__all__ = [
    "Equivalence",
    "Welch",
    "equivalence",
    "relative_change",
    "smallest_detectable",
    "welch",
]

POWER = 0.8


def relative_change(
    before: Values,
    after: Values,
    *,
    clusters_before: Labels | None = None,
    clusters_after: Labels | None = None,
    paired: bool = False,
) -> Estimate:
    """median(after) / median(before) - 1 with its 95 % BCa interval.

    before, after: shape (n,) and (m,), positive. Clusters as in `interval`.
    `paired` says that unit i of both arms belongs together (the same layout):
    then both are resampled alike. `n` is the smaller arm's. Raises UsageError.
    """
    first = _units(before, clusters_before)
    second = _units(after, clusters_after)
    if min(first.min(), second.min()) <= 0:
        raise UsageError("a relative change needs positive values")
    if paired and first.size != second.size:
        raise UsageError(f"pairs need arms of one size, not {first.size} and {second.size}")
    value = float(np.median(second) / np.median(first)) - 1
    count = min(first.size, second.size)
    if count == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return Estimate(value, value, value, count)
    low, high = bootstrap((first, second), _ratio, paired=paired)
    return Estimate(value, low, high, count)


def _ratio(
    before: NDArray[np.float64], after: NDArray[np.float64], axis: int = -1
) -> NDArray[np.float64]:
    change: NDArray[np.float64] = np.median(after, axis=axis) / np.median(before, axis=axis) - 1
    return change


def _units(values: Values, clusters: Labels | None) -> NDArray[np.float64]:
    return sample_of(values) if clusters is None else per_cluster(values, clusters)


@dataclass(frozen=True)
class Welch:
    """Welch's t test: difference of means (second minus first) with its 95 % interval."""

    difference: Estimate
    t: float
    df: float
    p: float


def welch(first: Values, second: Values) -> Welch:
    """Test that two means are equal without taking the variances for equal.

    first, second: shapes (n,) and (m,), at least two each. Raises UsageError, also
    where neither arm varies: then there is nothing to test.
    """
    one, two = _varying(first, second)
    result = stats.ttest_ind(two, one, equal_var=False)
    limits = result.confidence_interval(CONFIDENCE)
    value = float(np.mean(two) - np.mean(one))
    estimate = Estimate(value, float(limits.low), float(limits.high), min(one.size, two.size))
    return Welch(estimate, float(result.statistic), float(result.df), float(result.pvalue))


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of the difference of means against a margin.

    `p` is the larger of both; `low` and `high` are the 90 % interval of the
    difference (second minus first), which lies within the margin just when p < 0.05.
    """

    p: float
    low: float
    high: float
    margin: float

    @property
    def equivalent(self) -> bool:
        """Whether "no difference beyond the margin" is shown at the 5 % level."""
        return self.p < 0.05


def equivalence(first: Values, second: Values, margin: float) -> Equivalence:
    """TOST with Welch's variances: the difference of means is within +-margin, or not shown.

    Not finding a difference is no proof of none; this is. `margin` is in the
    values' unit and is to be chosen before looking. Raises UsageError.
    """
    if not margin > 0:
        raise UsageError(f"a margin is positive, not {margin}")
    one, two = _varying(first, second)
    above = stats.ttest_ind(two + margin, one, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(two - margin, one, equal_var=False, alternative="less").pvalue
    limits = stats.ttest_ind(two, one, equal_var=False).confidence_interval(0.9)
    return Equivalence(
        float(max(above, below)), float(limits.low), float(limits.high), float(margin)
    )


def smallest_detectable(first: Values, second: Values, power: float = POWER) -> float:
    """Difference of means that Welch's test at 5 % would have found with this power.

    From the arms' own variances and sizes (noncentral t). A page that says "no
    measurable difference" says this number with it. Raises UsageError.
    """
    if not 0.05 < power < 1:
        raise UsageError(f"a power lies between 0.05 and 1, not {power}")
    one, two = _varying(first, second)
    parts = np.array([np.var(one, ddof=1) / one.size, np.var(two, ddof=1) / two.size])
    error = float(np.sqrt(parts.sum()))
    df = float(parts.sum() ** 2 / np.sum(parts**2 / (np.array([one.size, two.size]) - 1)))
    critical = float(stats.t.ppf(0.975, df))

    def excess(effect: float) -> float:
        # The lower tail by mirroring: the distribution function itself fails far out.
        found = stats.nct.sf(critical, df, effect) + stats.nct.sf(critical, df, -effect)
        return float(found) - power

    # In standard errors: at the critical value plus ten the power is 1 for any df.
    upper = critical + 10.0
    while excess(upper) < 0:
        upper *= 2
    return float(optimize.brentq(excess, 0.0, upper)) * error


def _varying(first: Values, second: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, two = sample_of(first, least=2), sample_of(second, least=2)
    if np.ptp(one) == 0 and np.ptp(two) == 0:
        raise UsageError("neither arm varies: there is no error to test the difference against")
    return one, two
