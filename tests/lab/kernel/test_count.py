from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.errors import FormatError
from faltcon.lab.kernel import count

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


def test_a_phase_is_the_difference_of_two_snapshots(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text(TEXT)
    before, after = count.parse(file, NAMES)
    phase = after.since(before)
    assert phase.windows == 20
    assert phase.user == 4
    assert phase.inside == {"others": 200, "request_sock": 60}
    assert phase.outside == {"others": 500, "request_sock": 1}


@pytest.mark.parametrize(
    "text",
    ["nonsense\n", "region 0 inside 1 outside 1 calls 1\n", TEXT.replace("region 1", "region 7")],
)
def test_any_other_line_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "out"
    file.write_text(text)
    with pytest.raises(FormatError, match="is not the plugin's output"):
        count.parse(file, NAMES)
