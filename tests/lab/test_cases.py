from __future__ import annotations

import collections
import re

from faltcon import provenance
from faltcon.lab import cases
from faltcon.lab.cases import BOOK_SET, Case


def test_the_plan_holds_every_combination_once_in_an_order_of_the_seed() -> None:
    planned = cases.plan(["napi", "veth"], [64, 1024], 3, seed=1)
    assert len(planned) == len(set(planned)) == 12
    assert planned == cases.plan(["veth", "napi"], [1024, 64], 3, seed=1)
    assert planned != cases.plan(["napi", "veth"], [64, 1024], 3, seed=2)
    assert planned != sorted(planned)


def test_the_books_set_has_the_repetitions_that_it_needs() -> None:
    counts = collections.Counter((case.variant, case.response_bytes) for case in BOOK_SET)
    assert counts["napi", 64] >= 10
    assert counts["veth", 64] >= 3
    assert counts["loopback", 64] >= 3
    for size in (1024, 4096, 16384, 102400):
        assert counts["napi", size] >= 3
    assert len(set(BOOK_SET)) == len(BOOK_SET)


def test_names_of_runs_fit_the_schema_and_differ() -> None:
    names = [case.run for case in BOOK_SET]
    assert len(set(names)) == len(names)
    assert Case("napi", 64, 3).run == "napi-64b-r03"
    pattern = provenance.schema()["properties"]["run"]["pattern"]
    assert all(re.match(pattern, name) for name in names)
