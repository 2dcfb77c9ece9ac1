"""Statistics of repeated measurements: medians with intervals, effects with their size.

SciPy computes; this module fixes the choices (statistic, resamples, seed), so
that every figure of the book makes the same ones.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Estimate", "median_interval"]

RESAMPLES = 9999
SEED = 20210824


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % interval, in the unit of the values it came from."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """As a table shows it."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}], n = {self.n}"


def median_interval(values: Sequence[float] | NDArray[np.float64]) -> Estimate:
    """Median and 95 % bootstrap interval (BCa; percentile where BCa is undefined).

    values: shape (n,), one value a repetition. With n = 1 there is no spread to
    resample and the interval is not a number. Raises UsageError for no values
    or values that are not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise UsageError("a median needs one dimension and at least one value")
    if not np.isfinite(sample).all():
        raise UsageError("a median needs finite values; drop or mend the others first")
    value = float(np.median(sample))
    if sample.size == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    if np.ptp(sample) == 0:
        return Estimate(value, value, value, sample.size)
    interval = _bootstrap(sample, "BCa")
    if not np.isfinite(interval).all():
        # BCa's acceleration is undefined when leaving any one value out changes nothing.
        interval = _bootstrap(sample, "percentile")
    return Estimate(value, interval[0], interval[1], sample.size)


def _bootstrap(sample: NDArray[np.float64], method: str) -> tuple[float, float]:
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (sample,),
            np.median,
            confidence_level=0.95,
            n_resamples=RESAMPLES,
            method=method,
            rng=np.random.default_rng(SEED),
            vectorized=True,
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
