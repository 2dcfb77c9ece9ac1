"""Many comparisons at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from faltcon.errors import UsageError
from faltcon.stats.estimate import sample_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faltcon.stats.estimate import Values

__all__ = ["adjust"]


def adjust(p_values: Values, method: Literal["holm", "bh"] = "holm") -> NDArray[np.float64]:
    """The p values, shape (n,), corrected for there being n of them; in the same order.

    "holm" bounds the chance of even one false finding (for verdicts); "bh"
    (Benjamini and Hochberg) bounds the expected share of false ones among the
    findings (for scans). Raises UsageError for p values outside 0 to 1.
    """
    p = sample_of(p_values)
    if p.min() < 0 or p.max() > 1:
        raise UsageError("p values lie between 0 and 1")
    if method == "bh":
        adjusted: NDArray[np.float64] = stats.false_discovery_control(p, method="bh")
        return adjusted
    if method != "holm":
        raise UsageError(f"no method {method!r}; there are holm, bh")
    # SciPy has no Holm: step down from the smallest, never below the one before.
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    result = np.empty_like(p)
    result[order] = np.minimum(steps, 1.0)
    return result
