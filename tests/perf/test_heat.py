from __future__ import annotations

import pytest

from faltcon.errors import InputError
from faltcon.perf.heat import heat_page, subsecond
from faltcon.perf.samples import Sample


def at(time_s: float | None) -> Sample:
    return Sample("c", 1, 1, 0, time_s, "cycles", 1, ())


def test_subsecond__a_column_a_second() -> None:
    counts = subsecond([at(7.0), at(7.5), at(7.51), at(9.999999)], file="f", rows=10)
    assert counts.shape == (10, 3)
    assert counts[0, 0] == 1
    assert counts[5, 0] == 2
    assert counts[9, 2] == 1
    assert counts.sum() == 4
    assert b"second 2, 900 ms: 1" in heat_page(counts, title="<t>", note="")


def test_subsecond__needs_times() -> None:
    with pytest.raises(InputError, match="no sample has a time"):
        subsecond([at(None)], file="f")
