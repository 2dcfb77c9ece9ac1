from __future__ import annotations

import pytest

from faltcon.lab.kernel import measure
from faltcon.lab.kernel.count import Sums


def test_parts_sum_to_the_total() -> None:
    phase = Sums(10, 50, {"others": 100, "route": 40}, {"others": 900, "route": 0})
    found = measure.per_connection(phase)
    assert found == {"total": 14.0, "others": 10.0, "route": 4.0, "outside_window": 90.0}


def test_change_is_taken_layout_by_layout() -> None:
    # The second layout costs both arms twice as much; the change is 10 % in each.
    values = {
        "stock": {"total": [100.0, 200.0], "outside_window": [0.0, 0.0]},
        "level2": {"total": [90.0, 180.0], "outside_window": [0.0, 0.0]},
    }
    found = measure.result(values, "instructions", 2)
    assert found["relative"]["level2"]["total"]["median"] == pytest.approx(-0.1)
    assert found["relative"]["level2"]["total"]["high"] == pytest.approx(-0.1)
    assert found["stock"]["n"] == 2
    assert "stock" not in found["relative"]


def test_layouts_differ_and_are_the_same_each_time() -> None:
    assert len(set(measure.layouts(10))) == 10
    assert measure.layouts(3) == measure.layouts(10)[:3]
