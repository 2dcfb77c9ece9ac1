from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import saturation


def test_edge__rate_times_cycles_is_the_clock() -> None:
    found = saturation.edge(2048, bits_per_s=1e10, cycles_per_s=37.8e9)
    assert found.connections_per_s * saturation.wire_bytes(2048) * 8 == pytest.approx(1e10)
    assert found.connections_per_s * found.cycles == pytest.approx(37.8e9)


@given(st.integers(0, 10**6), st.integers(1, 10**5))
def test_wire_bytes__more_to_send_is_more_on_the_wire(size: int, more: int) -> None:
    assert saturation.wire_bytes(size + more) >= saturation.wire_bytes(size) + more


@given(st.floats(0, 10), st.floats(1, 1e6))
def test_to_save__gives_the_gain_back(gain: float, cycles: float) -> None:
    left = cycles - saturation.to_save(cycles, gain)
    assert cycles / left - 1 == pytest.approx(gain, abs=1e-9)
