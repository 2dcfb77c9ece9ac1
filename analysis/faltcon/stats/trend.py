"""Whether measurements move with the order in which they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from faltcon.errors import UsageError
from faltcon.stats.estimate import CONFIDENCE, Estimate, sample_of

if TYPE_CHECKING:
    from faltcon.stats.estimate import Values

__all__ = ["Drift", "drift"]


@dataclass(frozen=True)
class Drift:
    """A trend over run order.

    `slope`: Theil-Sen, in the values' unit a run, with its 95 % interval;
    `total`: slope over the whole series as a share of the median;
    `tau` and `p`: Kendall's rank correlation with the order.
    """

    slope: Estimate
    total: float
    tau: float
    p: float

    @property
    def found(self) -> bool:
        """Whether there is a trend at the 5 % level."""
        return self.p < 0.05


def drift(values: Values, order: Values | None = None) -> Drift:
    """The trend of values, shape (n,), n at least 4, over `order` (0 to n - 1 if left out).

    Ranks and medians, so that a single disturbed run makes no trend. Raises
    UsageError, also where the order does not vary.
    """
    sample = sample_of(values, least=4)
    place = np.arange(sample.size, dtype=np.float64) if order is None else sample_of(order)
    if place.size != sample.size:
        raise UsageError(f"{sample.size} values but {place.size} places in the order")
    if np.ptp(place) == 0:
        raise UsageError("all values have the same place in the order")
    line = stats.theilslopes(sample, place, alpha=CONFIDENCE)
    slope = Estimate(
        float(line.slope), float(line.low_slope), float(line.high_slope), int(sample.size)
    )
    if np.ptp(sample) == 0:
        return Drift(slope, 0.0, 0.0, 1.0)
    centre = float(np.median(sample))
    total = float(line.slope) * float(np.ptp(place)) / centre if centre else float("nan")
    rank = stats.kendalltau(place, sample)
    return Drift(slope, total, float(rank.statistic), float(rank.pvalue))
