"""A statistic of repeated measurements with its 95 % interval."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Values = Sequence[float] | NDArray[np.float64]
    Labels = Sequence[object] | NDArray[np.generic]

__all__ = [
    "Estimate",
    "bootstrap",
    "interval",
    "median_interval",
    "per_cluster",
    "sample_of",
    "variation",
]

RESAMPLES = 9999
SEED = 20210824
CONFIDENCE = 0.95

STATISTICS: dict[str, Callable[..., NDArray[np.float64]]] = {"median": np.median, "mean": np.mean}


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % interval, in the unit of the values it came from.

    `n` counts the independent units: repetitions, or clusters where values
    belong to clusters.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """As a table shows it."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}], n = {self.n}"

    def excludes(self, reference: float) -> bool:
        """Whether the interval lies wholly on one side of the reference."""
        return self.low > reference or self.high < reference


def sample_of(values: Values, least: int = 1) -> NDArray[np.float64]:
    """The values as an array of shape (n,).

    Raises UsageError for fewer than `least`, for more than one dimension, or for
    values that are not finite: a missing value is to be dropped in the open.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size < least:
        raise UsageError(
            f"a statistic needs one dimension and at least {least} values, not shape {sample.shape}"
        )
    if not np.isfinite(sample).all():
        raise UsageError("a statistic needs finite values; drop or mend the others first")
    return sample


def per_cluster(values: Values, clusters: Labels) -> NDArray[np.float64]:
    """The median of each cluster, shape (number of clusters,), in order of first appearance.

    values, clusters: shape (n,). Repetitions of one kernel layout tell nothing
    about other layouts: the layout is the unit, and its repetitions one value.
    """
    sample = sample_of(values)
    labels = list(clusters)
    if len(labels) != sample.size:
        raise UsageError(f"{sample.size} values but {len(labels)} cluster labels")
    rows: dict[object, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return np.array([np.median(sample[members]) for members in rows.values()])


def interval(
    values: Values,
    statistic: Literal["median", "mean"] = "median",
    clusters: Labels | None = None,
) -> Estimate:
    """Statistic and 95 % bootstrap interval (BCa; percentile where BCa is undefined).

    values: shape (n,). With `clusters` (shape (n,)), whole clusters are resampled:
    the statistic is taken over the clusters' medians. With one unit there is no
    spread to resample and the interval is not a number. Raises UsageError.
    """
    function = STATISTICS.get(statistic)
    if function is None:
        raise UsageError(f"no statistic {statistic!r}; there are {', '.join(STATISTICS)}")
    sample = sample_of(values) if clusters is None else per_cluster(values, clusters)
    value = float(function(sample))
    if sample.size == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    if np.ptp(sample) == 0:
        return Estimate(value, value, value, sample.size)
    low, high = bootstrap((sample,), function)
    return Estimate(value, low, high, sample.size)


def median_interval(values: Values) -> Estimate:
    """Median and 95 % interval of one value a repetition; see `interval`."""
    return interval(values, "median")


def variation(values: Values) -> float:
    """Coefficient of variation: standard deviation (n - 1) over mean, without unit.

    Raises UsageError for fewer than two values or a mean of 0.
    """
    sample = sample_of(values, least=2)
    mean = float(np.mean(sample))
    if mean == 0:
        raise UsageError("a coefficient of variation needs a mean other than 0")
    return float(np.std(sample, ddof=1)) / abs(mean)


def bootstrap(
    samples: tuple[NDArray[np.float64], ...],
    statistic: Callable[..., NDArray[np.float64]],
    *,
    paired: bool = False,
) -> tuple[float, float]:
    """Limits of the 95 % BCa interval; of the percentile interval where BCa is undefined.

    `statistic` takes the samples and `axis`. Always the same resamples for the
    same samples.
    """
    limits = _bootstrap(samples, statistic, method="BCa", paired=paired)
    if not np.isfinite(limits).all():
        # BCa's acceleration is undefined when leaving any one value out changes nothing.
        limits = _bootstrap(samples, statistic, method="percentile", paired=paired)
    return limits


def _bootstrap(
    samples: tuple[NDArray[np.float64], ...],
    statistic: Callable[..., NDArray[np.float64]],
    *,
    method: str,
    paired: bool,
) -> tuple[float, float]:
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            samples,
            statistic,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method=method,
            paired=paired,
            rng=np.random.default_rng(SEED),
            vectorized=True,
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
