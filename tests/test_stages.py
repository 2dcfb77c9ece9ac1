from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import stages
from faltcon.errors import EmptyInputError, FormatError, InputError

NAMES = (*stages.GIVEN, "idle", "write")
TEXT = """interval 0 lost 1
stage 4 instructions 9 calls 1
interval 1 lost 2
stage 1 instructions 30 calls 0
function user-space 30
stage 2 instructions 500 calls 0
function tun_get_user 500
stage 3 instructions 40 calls 2
function do_idle 40
stage 4 instructions 7 calls 3
function ksys_write 5
function twice 1
function twice 1
"""
FILE = Path("out")


def test_parse__stages_calls_and_functions() -> None:
    warm_up, phase = stages.parse(TEXT, NAMES, FILE)
    assert warm_up.stages == {"write": 9}
    assert warm_up.functions == {}
    assert phase.calls["write"] == 3
    assert phase.functions["write"] == {"ksys_write": 5, "twice": 2}
    assert phase.lost == 2


def test_server__neither_the_client_nor_the_idle_loop() -> None:
    assert stages.parse(TEXT, NAMES, FILE)[1].server() == 30 + 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n", "not the counter"),
        ("stage 1 instructions 1 calls 1\n", "not the counter"),
        (TEXT.replace("stage 4", "stage 9"), "not the counter"),
        (TEXT.replace("function twice 1\n", "", 1), "differ"),
        (TEXT.replace("interval 1", "interval 2"), "missing"),
        (TEXT.replace("function ksys_write 5", "function ksys_write"), "not the counter"),
    ],
)
def test_parse__what_the_counter_did_not_write(text: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        stages.parse(text, NAMES, FILE)


def test_parse__nothing() -> None:
    with pytest.raises(EmptyInputError):
        stages.parse("", NAMES, FILE)


@given(st.integers(0, len(TEXT)), st.text(max_size=4))
def test_parse__damage_is_an_error_of_ours_or_adds_up(at: int, more: str) -> None:
    try:
        found = stages.parse(TEXT[:at] + more + TEXT[at:], NAMES, FILE)
    except InputError:
        return
    for interval in found:
        for name, of in interval.functions.items():
            assert sum(of.values()) == interval.stages[name]
