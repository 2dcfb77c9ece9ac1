from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from faltcon.errors import FormatError, InputError
from faltcon.model import Counters
from faltcon.model.costs import read_costs, saved

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = {
    "unit": "cycles",
    "origin": "synthetic",
    "parts": {
        "request_sock": {"stock": 100, "miss": 100, "hit": 20},
        "FALTCON operations": {"stock": 0, "miss": 5, "hit": 30},
    },
}


def write(folder: Path, document: object) -> Path:
    file = folder / "costs.json"
    file.write_text(json.dumps(document))
    return file


def test_saved__misses_cost_and_hits_save(tmp_path: Path) -> None:
    costs = read_costs(write(tmp_path, DOCUMENT))
    assert [costs.total(kind) for kind in ("stock", "miss", "hit")] == [100, 105, 50]
    found = saved(Counters(lookups=10, misses=4, hits=6), costs)
    assert found == {"request_sock": 6 * 80, "FALTCON operations": -(4 * 5 + 6 * 30)}
    assert sum(saved(Counters(lookups=3, misses=3), costs).values()) == -15


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "seconds"},
        {"parts": {"a": {"stock": 1, "hit": 1}}},
        {"parts": [1]},
        {"parts": {"a": {"stock": "x", "miss": 1, "hit": 1}}},
    ],
    ids=str,
)
def test_read_costs__names_what_is_wrong(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(FormatError, match=r"costs\.json"):
        read_costs(write(tmp_path, {**DOCUMENT, **change}))


def test_read_costs__names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        read_costs(tmp_path / "absent")
    (tmp_path / "costs.json").write_text("{")
    with pytest.raises(FormatError, match="is not JSON"):
        read_costs(tmp_path / "costs.json")
