"""Statistics of repeated measurements.

SciPy computes; this package fixes the choices (statistic, resamples, seed,
level), so that every figure and verdict of the book makes the same ones.

estimate    medians and means with BCa intervals, over repetitions or clusters
difference  relative change, Welch's test, equivalence (TOST), detectable difference
effect      Cohen's d, Hedges' g, Cliff's delta
multiple    correction for many comparisons (Holm, Benjamini-Hochberg)
trend       drift over the order of the runs
"""

from faltcon.stats.difference import (
    Equivalence,
    Welch,
    equivalence,
    relative_change,
    smallest_detectable,
    welch,
)
from faltcon.stats.effect import cliffs_delta, cohens_d, hedges_g
from faltcon.stats.estimate import (
    Estimate,
    interval,
    median_interval,
    per_cluster,
    variation,
)
from faltcon.stats.multiple import adjust
from faltcon.stats.trend import Drift, drift

__all__ = [
    "Drift",
    "Equivalence",
    "Estimate",
    "Welch",
    "adjust",
    "cliffs_delta",
    "cohens_d",
    "drift",
    "equivalence",
    "hedges_g",
    "interval",
    "median_interval",
    "per_cluster",
    "relative_change",
    "smallest_detectable",
    "variation",
    "welch",
]
