from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from faltcon import paths, recordings
from faltcon.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def everything() -> list[recordings.Run]:
    try:
        return recordings.load(paths.raw_dir())
    except UsageError:
        pytest.skip(f"no recordings under {paths.raw_dir()}")


def test_load__without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        recordings.load(tmp_path)


def test_runs__name_each_run_and_each_file_with_its_checksum(
    everything: list[recordings.Run],
) -> None:
    shown = recordings.runs(everything).html
    for run in everything:
        assert f'<details id="{run.run}">' in shown
        for entry in run.document["files"].values():
            assert entry["sha256"] in shown
    for experiment in {run.experiment for run in everything}:
        assert f'<section id="{experiment}">' in shown


def test_runs__escape_what_a_provenance_says() -> None:
    document = {
        "origin": "synthetic",
        "date": "2026-01-01T00:00:00Z",
        "command": "a < b",
        "description": "<script>",
        "load_generator": None,
        "tools": {},
        "parameters": {"x": "<i>"},
        "files": {"f": {"sha256": "0" * 64, "bytes": 1, "description": "d"}},
    }
    shown = recordings.runs([recordings.Run("e", "r", document)]).html
    assert "<script>" not in shown
    assert "a &lt; b" in shown
    assert "synthetic" in shown


def test_machines__count_every_run(everything: list[recordings.Run]) -> None:
    rows = re.findall(r"<tr>.*?</tr>", recordings.machines(everything).html)[1:]
    counts = [int(re.findall(r'<td class="number">(\d+)</td>', row)[0]) for row in rows]
    assert sum(counts) == len(everything)


def test_transcriptions__name_each_file_and_its_source() -> None:
    shown = recordings.transcriptions().html
    for file in paths.paper_dir().iterdir():
        assert f"data/paper/{file.name}" in shown
    assert "690daaddc881ac18e1c4f7adb6410bb0bcd187ed" in shown
