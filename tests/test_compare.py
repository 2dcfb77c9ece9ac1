from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from faltcon import compare, handshake, paths
from faltcon.cli import run
from faltcon.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The committed recordings of one layout."""
    for folder in (paths.raw_dir() / "fig3").glob("minimal-l01-*"):
        shutil.copytree(folder, tmp_path / "fig3" / folder.name)
    return tmp_path


def test_compare__a_layout_of_our_own_is_near_the_median(new: Path) -> None:
    table = compare.compare(new)
    assert set(table["experiment"]) == {"fig3"}
    assert "stock" in set(table["arm"])
    assert table["change"].abs().max() < 0.05


def test_cli__a_changed_count_is_told(new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = new / "fig3" / "minimal-l01-stock" / "counts.txt"
    assert run(["data", "compare", str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["beyond"] == 0
    last = file.read_text().split("snapshot")[2]
    changed = last.replace("region 0 inside ", "region 0 inside 9")
    file.write_text(file.read_text().replace(last, changed))
    assert run(["data", "compare", str(new)]) == 1
    assert "stock" in capsys.readouterr().out


def test_compare__nothing_in_common(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="figure 3 or 4"):
        compare.compare(tmp_path)


def test_medians__of_the_committed_recordings_have_all_arms() -> None:
    found = compare.medians(paths.raw_dir())
    fig3 = found[found["experiment"] == handshake.EXPERIMENT]
    assert {"stock", "level0", "level1", "level2", "level3"} <= set(fig3["arm"])
