from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon import counts
from faltcon.counts import Sums
from faltcon.errors import EmptyInputError, FormatError, InputError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("others", "request_sock")
TEXT = """snapshot 0 windows 10 user 5 lost 0
region 0 inside 100 outside 1000 calls 10
region 1 inside 30 outside 0 calls 10
snapshot 1 windows 30 user 9 lost 0
region 0 inside 300 outside 1500 calls 30
region 1 inside 90 outside 1 calls 30
"""


def test_parse__a_phase_is_the_difference_of_two_snapshots(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text(TEXT)
    before, after = counts.parse(file, NAMES)
    phase = after.since(before)
    assert phase.windows == 20
    assert phase.user == 4
    assert phase.inside == {"others": 200, "request_sock": 60}
    assert phase.outside == {"others": 500, "request_sock": 1}


@pytest.mark.parametrize(
    "text",
    ["nonsense\n", "region 0 inside 1 outside 1 calls 1\n", TEXT.replace("region 1", "region 7")],
)
def test_parse__any_other_line_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "out"
    file.write_text(text)
    with pytest.raises(FormatError, match="is not the counter's output"):
        counts.parse(file, NAMES)


def test_parse__an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(EmptyInputError, match="no snapshot"):
        counts.parse(tmp_path / "out", NAMES)


@given(st.binary(max_size=300))
def test_parse__any_bytes_give_snapshots_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("x") / "out"
    file.write_bytes(content)
    try:
        found = counts.parse(file, NAMES)
    except InputError as error:
        found, problem = [], str(error)
    assert found or str(file) in problem


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 100)),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["one", "two"])),
)
def test_grouped__nothing_is_lost(sums: dict[str, int], group_of: dict[str, str]) -> None:
    found = Sums(3, 4, sums, sums).grouped(group_of)
    assert sum(found.inside.values()) == sum(found.outside.values()) == sum(sums.values())
    assert set(found.inside) == {counts.OTHERS, *group_of.values()}
    for name, value in sums.items():
        if name not in group_of:
            assert found.inside[counts.OTHERS] >= value
