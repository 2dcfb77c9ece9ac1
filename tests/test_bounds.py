from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon import bounds, provenance
from faltcon.errors import EmptyInputError, FormatError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

FLOOD = "".join(
    f"bounds: {flood} {when}_{name} {value}\n"
    for flood in ("flood_syn", "flood_connect")
    for when in ("during", "after")
    for name, value in (("syns", 100), ("cookies", 20), ("hits", 60))
)
HITS = (
    "bounds: hits hits 990\nbounds: hits misses 10\n"
    "bounds: hits skb_pulls 900\nbounds: hits skb_allocs 100\n"
)


def write(root: Path, name: str, text: str) -> Path:
    folder = root / bounds.EXPERIMENT / name
    folder.mkdir(parents=True)
    (folder / bounds.LINES).write_text(text)
    (folder / provenance.FILE_NAME).write_text("{}")
    return folder


def test_rates__cookies_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "minimal-l01-level2", HITS + FLOOD + "bounds: done\n")
    found = bounds.rates(bounds.load(tmp_path))
    assert found.loc["minimal-l01-level2"].to_dict() == {
        "requests": 0.99, "skbs": 0.9, "flood_syn": 0.75, "flood_syn.after": 0.75,
        "flood_connect": 0.75, "flood_connect.after": 0.75,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "problem"),
    [
        ("", EmptyInputError, "no count"),
        ("bounds: hits hits many\n", FormatError, "line 1"),
        (HITS + "bounds: hits hits 1\n", FormatError, "line 5"),
    ],
)
def test_parse__bad_lines_are_named(
    tmp_path: Path, text: str, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        bounds.parse(write(tmp_path, "x", text) / bounds.LINES)


def test_load__without_recordings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recordings of bounds"):
        bounds.load(tmp_path)
