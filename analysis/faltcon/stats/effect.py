"""How large a difference is, without unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from faltcon.errors import UsageError
from faltcon.stats.estimate import Estimate, bootstrap, sample_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.stats.estimate import Values

__all__ = ["cliffs_delta", "cohens_d", "hedges_g"]


def cohens_d(first: Values, second: Values) -> float:
    """(mean of second - mean of first) / pooled standard deviation.

    Raises UsageError for fewer than two values an arm or arms that do not vary.
    """
    one, two = sample_of(first, least=2), sample_of(second, least=2)
    degrees = one.size + two.size - 2
    pooled = ((one.size - 1) * np.var(one, ddof=1) + (two.size - 1) * np.var(two, ddof=1)) / degrees
    if pooled == 0:
        raise UsageError("neither arm varies: a difference in standard deviations is undefined")
    return float((np.mean(two) - np.mean(one)) / np.sqrt(pooled))


def hedges_g(first: Values, second: Values) -> float:
    """Cohen's d without its bias in small samples (Hedges 1981, the exact factor)."""
    degrees = len(first) + len(second) - 2
    uncorrected = cohens_d(first, second)
    # gammaln, as the gamma function itself overflows from a few hundred values on.
    factor = np.exp(
        special.gammaln(degrees / 2)
        - special.gammaln((degrees - 1) / 2)
        - 0.5 * np.log(degrees / 2)
    )
    return float(uncorrected * factor)


def cliffs_delta(first: Values, second: Values) -> Estimate:
    """P(second > first) - P(second < first) over all pairs, with its 95 % BCa interval.

    Between -1 and 1, and the same for any monotone scale; ties count for neither.
    `n` is the smaller arm's. Raises UsageError.
    """
    one, two = sample_of(first), sample_of(second)
    value = float(_delta(one, two))
    count = min(one.size, two.size)
    if count == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    if abs(value) == 1 or (np.ptp(one) == 0 and np.ptp(two) == 0):
        # Every resample of arms that do not overlap says the same.
        return Estimate(value, value, value, count)
    low, high = bootstrap((one, two), _delta)
    return Estimate(value, low, high, count)


def _delta(
    first: NDArray[np.float64], second: NDArray[np.float64], axis: int = -1
) -> NDArray[np.float64]:
    u = stats.mannwhitneyu(second, first, axis=axis, method="asymptotic").statistic
    delta: NDArray[np.float64] = 2 * u / (first.shape[axis] * second.shape[axis]) - 1
    return delta
