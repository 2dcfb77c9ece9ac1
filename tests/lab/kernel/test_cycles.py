from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import FormatError
from faltcon.lab.kernel import cycles

FILE = Path("console")
STAMP = ["0 stamp 20 64"]


def least(value: int) -> int:
    """The start of the step that a number of cycles falls in, as the kernel counts it."""
    octave = max(0, value.bit_length() - 4)
    return value >> octave << octave


def test_cpus_are_added_up() -> None:
    lines = ["drive: done", cycles.HEAD, "0 total 100 3", "1 total 100 4", "1 total 112 1", "", "x"]
    assert cycles.histograms(lines, FILE) == {"total": Counter({100: 7, 112: 1})}


def test_a_console_without_the_table_is_refused() -> None:
    with pytest.raises(FormatError, match="no table of cycles"):
        cycles.histograms(["0 total 1 1"], FILE)


@given(st.lists(st.integers(0, 1 << 20), min_size=1, max_size=200))
def test_the_median_is_within_its_step(values: list[int]) -> None:
    found = cycles.median(Counter(least(value) for value in values))
    middle = sorted(values)[(len(values) - 1) // 2]
    assert abs(found - middle) <= max(1, middle / 8)


def test_stamps_are_taken_off() -> None:
    parts = {name: Counter({8: 10}) for name in (*cycles.PARTS, "stamp")}
    parts["total"] = Counter({1024: 1})
    parts["stamp"] = Counter({2: 64})
    off, on = cycles.figures(parts, faltcon=False), cycles.figures(parts, faltcon=True)
    assert off["request_sock"] == 8 - 3 * 2
    assert off["faltcon"] == 8
    assert on["faltcon"] == 8 - 2
    assert off["total"] - on["total"] == 2
