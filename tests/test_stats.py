from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from faltcon import stats
from faltcon.errors import UsageError

VALUES = st.floats(1.0, 1e6, allow_nan=False).map(lambda x: round(x, 3))


def samples(least: int = 2, most: int = 12) -> st.SearchStrategy[list[float]]:
    return st.lists(VALUES, min_size=least, max_size=most)


# Powers of two scale exactly: other factors would break ties by rounding, and with them BCa.
FACTORS = st.sampled_from([0.25, 0.5, 2.0, 8.0])


def varying(sample: list[float]) -> bool:
    return float(np.ptp(sample)) > 1e-6 * max(sample)


# Estimates


@given(samples(1))
@settings(max_examples=30)
def test_the_value_is_the_statistic_itself(sample: list[float]) -> None:
    assert stats.interval(sample, "median").value == np.median(sample)
    assert stats.interval(sample, "mean").value == pytest.approx(np.mean(sample))
    assert stats.median_interval(sample) == stats.interval(sample) or len(sample) == 1


@given(samples(3))
@settings(max_examples=30)
def test_the_interval_is_ordered_and_within_the_data(sample: list[float]) -> None:
    found = stats.median_interval(sample)
    assert min(sample) <= found.low <= found.high <= max(sample)


@given(samples(3), FACTORS)
@settings(max_examples=30)
def test_the_interval_scales_with_the_unit(sample: list[float], factor: float) -> None:
    plain = stats.median_interval(sample)
    scaled = stats.median_interval([factor * x for x in sample])
    assert scaled.low == pytest.approx(factor * plain.low)
    assert scaled.high == pytest.approx(factor * plain.high)


def test_the_interval_is_the_same_every_time() -> None:
    sample = list(np.random.default_rng(1).normal(size=20))
    assert stats.median_interval(sample) == stats.median_interval(sample)


def test_one_value_has_no_interval_and_equal_values_have_none_either() -> None:
    one = stats.median_interval([3.0])
    assert one.value == 3.0
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert stats.median_interval([3.0] * 5) == stats.Estimate(3.0, 3.0, 3.0, 5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        found = stats.interval(rng.normal(10.0, 1.0, size=20), "mean")
        hits += found.low <= 10.0 <= found.high
    # BCa of 20 values is known to fall a little short of 95 %.
    assert 0.87 <= hits / 200 <= 0.99


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [1.0, float("inf")], [[1.0], [2.0]]])
def test_values_that_are_no_sample_are_refused(bad: list[float]) -> None:
    with pytest.raises(UsageError):
        stats.median_interval(bad)


def test_a_statistic_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="there are median, mean"):
        stats.interval([1.0, 2.0], "mode")  # type: ignore[arg-type]


def test_an_estimate_reads_as_a_table_shows_it() -> None:
    assert str(stats.Estimate(46.04, 44.1, 47.96, 10)) == "46 [44.1, 48], n = 10"


@pytest.mark.parametrize(
    ("reference", "excluded"), [(0.9, True), (1.0, False), (1.5, False), (2.0, False), (2.1, True)]
)
def test_an_interval_excludes_what_lies_outside(reference: float, excluded: bool) -> None:
    assert stats.Estimate(1.5, 1.0, 2.0, 9).excludes(reference) is excluded


# Clusters


@given(st.lists(samples(1, 5), min_size=1, max_size=6))
@settings(max_examples=30)
def test_a_cluster_counts_once_however_often_it_was_measured(groups: list[list[float]]) -> None:
    values = [x for group in groups for x in group]
    labels = [number for number, group in enumerate(groups) for _ in group]
    found = stats.interval(values, clusters=labels)
    assert found.n == len(groups)
    assert found.value == np.median([np.median(group) for group in groups])
    # Measuring each again, with the same results, adds nothing.
    again = stats.interval(values * 3, clusters=labels * 3)
    assert (again.value, again.n) == (found.value, found.n)
    assert (again.low, again.high) == pytest.approx((found.low, found.high), nan_ok=True)


def test_identical_repetitions_do_not_feign_certainty() -> None:
    layouts = np.random.default_rng(3).normal(100, 5, size=10)
    values = np.repeat(layouts, 50)
    labels = np.repeat(np.arange(10), 50)
    honest = stats.interval(values, clusters=labels)
    feigned = stats.interval(values)
    assert honest.n == 10
    assert honest.high - honest.low > 2 * (feigned.high - feigned.low)


def test_labels_that_do_not_fit_the_values_are_refused() -> None:
    with pytest.raises(UsageError, match="3 values but 2 cluster labels"):
        stats.per_cluster([1.0, 2.0, 3.0], ["a", "b"])


@given(samples(2), st.floats(0.1, 10))
def test_variation_does_not_know_the_unit(sample: list[float], factor: float) -> None:
    scaled = [factor * x for x in sample]
    assert stats.variation(scaled) == pytest.approx(stats.variation(sample), abs=1e-9)


def test_variation_of_known_values() -> None:
    assert stats.variation([9.0, 10.0, 11.0]) == pytest.approx(0.1)
    with pytest.raises(UsageError, match="at least 2"):
        stats.variation([1.0])
    with pytest.raises(UsageError, match="mean other than 0"):
        stats.variation([-1.0, 1.0])


# Differences


@given(samples(3, 8), samples(3, 8), FACTORS)
@settings(max_examples=25)
def test_a_relative_change_does_not_know_the_unit(
    before: list[float], after: list[float], factor: float
) -> None:
    found = stats.relative_change(before, after)
    assert found.value == pytest.approx(np.median(after) / np.median(before) - 1)
    scaled = stats.relative_change([factor * x for x in before], [factor * x for x in after])
    for name in ("value", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name), abs=1e-9)


def test_a_change_of_nothing_has_zero_in_its_interval() -> None:
    sample = np.random.default_rng(4).normal(100, 3, size=30)
    found = stats.relative_change(sample, sample)
    assert found.value == 0
    assert found.low < 0 < found.high
    paired = stats.relative_change(sample, sample, paired=True)
    assert (paired.low, paired.high) == (0, 0)


def test_pairs_see_what_the_spread_between_layouts_hides() -> None:
    rng = np.random.default_rng(5)
    layouts = rng.normal(100, 10, size=15)
    after = layouts * 0.98 + rng.normal(0, 0.05, size=15)
    assert not stats.relative_change(layouts, after).excludes(0)
    paired = stats.relative_change(layouts, after, paired=True)
    assert paired.excludes(0)
    assert paired.low < -0.02 < paired.high or paired.value == pytest.approx(-0.02, abs=0.01)


def test_a_relative_change_over_clusters_counts_clusters() -> None:
    found = stats.relative_change(
        [10.0, 10.0, 12.0, 12.0],
        [5.0, 5.0, 6.0],
        clusters_before=["a", "a", "b", "b"],
        clusters_after=["a", "a", "b"],
    )
    assert found.n == 2
    assert found.value == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("before", "after", "paired", "says"),
    [
        ([1.0, 0.0], [1.0, 2.0], False, "positive"),
        ([1.0, 2.0], [-1.0, 2.0], False, "positive"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], True, "arms of one size, not 2 and 3"),
    ],
)
def test_what_has_no_relative_change_is_refused(
    before: list[float], after: list[float], paired: bool, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        stats.relative_change(before, after, paired=paired)


@given(samples(3), samples(3))
def test_welch_is_scipys_and_changes_sign_with_the_order(
    first: list[float], second: list[float]
) -> None:
    assume(varying(first))
    assume(varying(second))
    found = stats.welch(first, second)
    other = stats.welch(second, first)
    assert found.p == pytest.approx(
        scipy_stats.ttest_ind(first, second, equal_var=False).pvalue, abs=1e-12
    )
    assert found.difference.value == pytest.approx(np.mean(second) - np.mean(first), abs=1e-6)
    assert other.t == pytest.approx(-found.t)
    assert other.difference.low == pytest.approx(-found.difference.high)
    # The test and the interval are one statement.
    if abs(found.p - 0.05) > 1e-9:
        assert (found.p < 0.05) == found.difference.excludes(0)


def test_welch_of_published_values() -> None:
    # Welch's test by hand: means 3 and 6, variances 2.5 and 10, five values each.
    found = stats.welch([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert found.t == pytest.approx(3 / math.sqrt(2.5 / 5 + 10 / 5))
    assert found.df == pytest.approx(2.5**2 / (0.5**2 / 4 + 2**2 / 4))


@given(samples(3), samples(3), st.floats(0.01, 1e6))
def test_equivalence_is_the_ninety_percent_interval_within_the_margin(
    first: list[float], second: list[float], margin: float
) -> None:
    assume(varying(first))
    assume(varying(second))
    found = stats.equivalence(first, second, margin)
    assume(abs(found.p - 0.05) > 1e-6)
    assert found.equivalent == (-margin < found.low and found.high < margin)


@given(samples(3), samples(3), st.floats(0.01, 1e6), st.floats(1.0, 10))
def test_a_wider_margin_is_easier_to_keep(
    first: list[float], second: list[float], margin: float, factor: float
) -> None:
    assume(varying(first))
    assume(varying(second))
    narrow = stats.equivalence(first, second, margin)
    wide = stats.equivalence(first, second, margin * factor)
    assert wide.p <= narrow.p + 1e-12


def test_few_noisy_values_show_neither_difference_nor_equivalence() -> None:
    first, second = [90.0, 100.0, 112.0], [94.0, 103.0, 108.0]
    assert stats.welch(first, second).p > 0.05
    assert not stats.equivalence(first, second, margin=1.0).equivalent


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(UsageError, match="margin is positive"):
        stats.equivalence([1.0, 2.0], [1.0, 2.0], margin)


def test_arms_that_do_not_vary_have_no_error_to_test_against() -> None:
    for test in (
        lambda: stats.welch([1.0, 1.0], [2.0, 2.0]),
        lambda: stats.equivalence([1.0, 1.0], [2.0, 2.0], 1.0),
        lambda: stats.smallest_detectable([1.0, 1.0], [2.0, 2.0]),
        lambda: stats.cohens_d([1.0, 1.0], [2.0, 2.0]),
    ):
        with pytest.raises(UsageError, match="neither arm varies"):
            test()


def test_the_smallest_detectable_difference_is_found_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.normal(0, 1, size=(2, 12))
    # Arms rescaled to their own mean and variance, so that the truth is known exactly.
    first = (first - first.mean()) / first.std(ddof=1)
    second = (second - second.mean()) / second.std(ddof=1)
    delta = stats.smallest_detectable(first, second)
    draws = rng.normal(0, 1, size=(4000, 2, 12))
    p = scipy_stats.ttest_ind(draws[:, 0], draws[:, 1] + delta, axis=1, equal_var=False).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)


@given(samples(3), samples(3))
@settings(max_examples=30)
def test_more_power_asks_for_a_larger_difference(first: list[float], second: list[float]) -> None:
    assume(varying(first))
    assume(varying(second))
    assert stats.smallest_detectable(first, second, 0.5) < stats.smallest_detectable(
        first, second, 0.9
    )


@pytest.mark.parametrize("power", [0.0, 0.05, 1.0, 2.0])
def test_a_power_that_is_none_is_refused(power: float) -> None:
    with pytest.raises(UsageError, match="a power lies between"):
        stats.smallest_detectable([1.0, 2.0], [1.0, 3.0], power)


# Effects


@given(samples(2), samples(2))
def test_effects_change_sign_with_the_order(first: list[float], second: list[float]) -> None:
    assume(varying(first))
    assume(varying(second))
    assert stats.cohens_d(first, second) == pytest.approx(-stats.cohens_d(second, first), abs=1e-9)
    assert stats.hedges_g(first, second) == pytest.approx(-stats.hedges_g(second, first), abs=1e-9)
    assert abs(stats.hedges_g(first, second)) <= abs(stats.cohens_d(first, second)) + 1e-12


@given(samples(1), samples(1))
@settings(max_examples=30)
def test_cliffs_delta_is_its_definition(first: list[float], second: list[float]) -> None:
    pairs = list(itertools.product(first, second))
    above = sum(b > a for a, b in pairs)
    below = sum(b < a for a, b in pairs)
    found = stats.cliffs_delta(first, second)
    assert found.value == pytest.approx((above - below) / len(pairs))
    if found.n > 1:
        assert -1 <= found.low <= found.high <= 1


@given(samples(2, 8), samples(2, 8))
@settings(max_examples=20)
def test_cliffs_delta_does_not_know_the_scale(first: list[float], second: list[float]) -> None:
    plain = stats.cliffs_delta(first, second)
    # Of the values' ranks, which is the roughest monotone scale there is.
    ranks = scipy_stats.rankdata(first + second)
    assert stats.cliffs_delta(ranks[: len(first)], ranks[len(first) :]) == plain


def test_effects_of_known_values() -> None:
    first, second = [1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0, 7.0]
    assert stats.cohens_d(first, second) == pytest.approx(2 / math.sqrt(2.5))
    # Hedges' approximation of the factor, 1 - 3 / (4 df - 1), is good to three digits here.
    assert stats.hedges_g(first, second) == pytest.approx(
        2 / math.sqrt(2.5) * (1 - 3 / (4 * 8 - 1)), rel=1e-3
    )
    assert stats.cliffs_delta([1, 2, 3], [4, 5, 6]) == stats.Estimate(1.0, 1.0, 1.0, 3)


def test_hedges_g_of_large_samples_is_cohens_d() -> None:
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=2000), rng.normal(0.5, size=2000)
    assert stats.hedges_g(first, second) == pytest.approx(stats.cohens_d(first, second), rel=1e-3)


# Many comparisons

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(P_VALUES)
def test_a_correction_only_raises_and_keeps_the_order(p: list[float]) -> None:
    for method in ("holm", "bh"):
        adjusted = stats.adjust(p, method)
        assert np.all(adjusted >= np.array(p) - 1e-12)
        assert np.all(adjusted <= 1)
        for (a, x), (b, y) in itertools.combinations(zip(p, adjusted, strict=True), 2):
            assert x <= y + 1e-12 or a > b


@given(P_VALUES)
def test_holm_is_stricter_than_benjamini_hochberg_and_milder_than_bonferroni(
    p: list[float],
) -> None:
    holm, bh = stats.adjust(p, "holm"), stats.adjust(p, "bh")
    assert np.all(holm >= bh - 1e-12)
    assert np.all(holm <= np.minimum(np.array(p) * len(p), 1) + 1e-12)


@given(st.permutations([0.001, 0.01, 0.02, 0.03, 0.04, 0.5]))
def test_a_correction_does_not_know_the_order(p: list[float]) -> None:
    for method in ("holm", "bh"):
        found = dict(zip(p, stats.adjust(p, method), strict=True))
        wanted = dict(zip(sorted(p), stats.adjust(sorted(p), method), strict=True))
        assert found == wanted


def test_holm_of_known_values() -> None:
    # Holm (1979), step down: 4 * 0.01, 3 * 0.015, then never below the one before.
    assert stats.adjust([0.01, 0.04, 0.03, 0.015]) == pytest.approx([0.04, 0.06, 0.06, 0.045])


def test_holm_bounds_the_chance_of_any_false_finding() -> None:
    draws = np.random.default_rng(8).uniform(size=(2000, 12))
    false = np.mean([stats.adjust(row).min() < 0.05 for row in draws])
    assert false == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [float("nan")], []])
def test_p_values_that_are_none_are_refused(bad: list[float]) -> None:
    with pytest.raises(UsageError):
        stats.adjust(bad)


def test_a_correction_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="there are holm, bh"):
        stats.adjust([0.5], "bonferroni")  # type: ignore[arg-type]


# Drift


@given(st.lists(VALUES, min_size=4, max_size=15), st.floats(0.5, 4))
def test_a_drift_turns_round_with_the_order(sample: list[float], factor: float) -> None:
    forth = stats.drift(sample)
    back = stats.drift(sample[::-1])
    assert back.tau == pytest.approx(-forth.tau, nan_ok=True)
    assert back.slope.value == pytest.approx(-forth.slope.value, abs=1e-6)
    scaled = stats.drift([factor * x for x in sample])
    assert scaled.total == pytest.approx(forth.total, abs=1e-9)


def test_a_steady_rise_is_found_with_its_size() -> None:
    found = stats.drift(np.linspace(100, 110, 11))
    assert found.found
    assert found.tau == pytest.approx(1)
    assert found.slope.value == pytest.approx(1.0)
    assert found.total == pytest.approx(10 / 105)


def test_a_single_disturbed_run_is_no_drift() -> None:
    rng = np.random.default_rng(9)
    sample = rng.normal(100, 1, size=20)
    sample[-1] = 500
    found = stats.drift(sample)
    assert not found.found
    assert abs(found.total) < 0.05


def test_noise_is_seldom_taken_for_drift() -> None:
    rng = np.random.default_rng(10)
    false = np.mean([stats.drift(rng.normal(size=15)).found for _ in range(400)])
    assert false < 0.09


def test_the_order_of_the_runs_is_what_counts_not_the_order_of_the_list() -> None:
    order = [3, 0, 2, 1, 4]
    found = stats.drift([100.0 + place for place in order], order)
    assert found.tau == pytest.approx(1)
    assert found.slope.value == pytest.approx(1)


def test_equal_values_do_not_drift() -> None:
    found = stats.drift([5.0] * 6)
    assert not found.found
    assert found.slope.value == 0


@pytest.mark.parametrize(
    ("values", "order", "says"),
    [
        ([1.0, 2.0, 3.0], None, "at least 4"),
        ([1.0, 2.0, 3.0, 4.0], [0.0, 1.0], "4 values but 2 places"),
        ([1.0, 2.0, 3.0, 4.0], [1.0] * 4, "the same place"),
    ],
)
def test_a_series_that_is_none_is_refused(
    values: list[float], order: list[float] | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        stats.drift(values, order)
