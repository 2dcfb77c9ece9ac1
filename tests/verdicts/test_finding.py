from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import claims
from faltcon.errors import UsageError
from faltcon.stats import Estimate
from faltcon.verdicts.finding import Finding, judge, untested

SHARE = claims.get("handshake-share-rx")
CLOCK = claims.get("server-clock")
SOURCES = ("data/raw/somewhere",)


def judged(value: float, low: float, high: float, others: tuple[float, ...] = ()) -> Finding:
    estimate = Estimate(value, low, high, 10)
    return judge(SHARE, estimate, others, rules="other rules", sources=SOURCES)


def test_judge__reproduced_within_the_interval() -> None:
    assert judged(46.2, 44, 48).verdict == "reproduced"


def test_judge__the_papers_rounding_counts() -> None:
    assert judged(46.9, 46.4, 47).verdict == "reproduced"
    assert judged(46.9, 46.6, 47).verdict == "not reproduced"
    fine = judge(CLOCK, Estimate(2.2, 2.16, 2.3, 3), rules="x", sources=SOURCES)
    assert fine.verdict == "not reproduced"


def test_judge__partly_within_what_other_choices_give() -> None:
    found = judged(30, 29, 31, (20, 50))
    assert found.verdict == "partly"
    assert "20 to 50" in found.why


def test_judge__not_reproduced_names_the_side() -> None:
    assert "above" in judged(30, 29, 31, (20, 40)).why
    assert "below" in judged(60, 59, 61, (55, 70)).why


def test_judge__a_single_repetition_stands_for_both_ends() -> None:
    found = judge(SHARE, Estimate(46.1, float("nan"), float("nan"), 1), rules="x", sources=SOURCES)
    assert (found.low, found.high, found.n) == (46.1, 46.1, 1)
    assert found.verdict == "reproduced"


def test_judge__a_claim_in_words_has_no_number() -> None:
    words = claims.get("control-as-much-as-data")
    with pytest.raises(UsageError, match="no number"):
        judge(words, Estimate(1, 1, 1, 2), rules="x", sources=SOURCES)


@given(
    st.floats(0, 100), st.floats(0, 20), st.floats(0, 20), st.lists(st.floats(0, 100), max_size=4)
)
def test_judge__more_choices_never_make_a_verdict_worse(
    value: float, below: float, above: float, others: list[float]
) -> None:
    order = ["not reproduced", "partly", "reproduced"]
    plain = judged(value, value - below, value + above)
    wider = judged(value, value - below, value + above, tuple(others))
    assert order.index(wider.verdict) >= order.index(plain.verdict)


def test_finding__one_that_contradicts_itself_is_refused() -> None:
    good = judged(46, 45, 47)
    with pytest.raises(UsageError, match="origin"):
        dataclasses.replace(good, sources=())
    with pytest.raises(UsageError, match="no number"):
        dataclasses.replace(untested("no data"), ours=3.0)
    with pytest.raises(UsageError, match="needs data"):
        Finding("reproduced", "because")


def test_finding__interval_is_both_ends_or_none() -> None:
    assert judged(46, 45, 47).interval == (45, 47)
    assert untested("no data").interval is None
