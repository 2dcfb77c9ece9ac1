from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from faltcon import provenance
from faltcon.errors import FormatError, InputError, ProvenanceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "raw" / "bottleneck" / "napi-01"
    made.mkdir(parents=True)
    (made / "stacks.txt").write_text("a recording")
    return made


@pytest.fixture
def document(folder: Path) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "origin": "measured-here",
        "experiment": "bottleneck",
        "run": "napi-01",
        "date": provenance.now(),
        "command": "faltcon lab record bottleneck",
        "description": "A profile of the server.",
        "kernel": provenance.describe_host_kernel(),
        "machine": provenance.describe_machine(),
        "tools": {"perf": "6.1"},
        "load_generator": {"name": "ab", "version": "2.3", "command": "ab -n 1 http://x/"},
        "repetition": 1,
        "parameters": {"response_bytes": 64},
        "files": provenance.describe_files(folder, {"stacks.txt": "perf script text"}),
    }


def test_write__then_load_and_verify(folder: Path, document: dict[str, Any]) -> None:
    provenance.write(folder, document)
    assert provenance.load(folder) == document
    assert provenance.verify(folder.parents[1]) == (1, [])
    assert provenance.runs(folder.parents[1], "bottleneck") == [folder]


@pytest.mark.parametrize("field", sorted(provenance.schema()["required"]))
def test_write__refuses_a_missing_field(folder: Path, document: dict[str, Any], field: str) -> None:
    del document[field]
    with pytest.raises(ProvenanceError):
        provenance.write(folder, document)
    assert not (folder / provenance.FILE_NAME).exists()


BREAKAGES: dict[str, tuple[Callable[[Path, dict[str, Any]], object], str]] = {
    "content changed": (lambda f, _: (f / "stacks.txt").write_text("a recordinG"), "sha256"),
    "content cut": (lambda f, _: (f / "stacks.txt").write_text("a"), "recorded 11 bytes"),
    "file lost": (lambda f, _: (f / "stacks.txt").unlink(), "missing"),
    "file added": (lambda f, _: (f / "more").write_text("x"), "not named"),
    "other run": (lambda _, d: d.update(run="napi-02"), "run is 'napi-02'"),
    "unknown origin": (lambda _, d: d.update(origin="guess"), "origin"),
    "unknown field": (lambda _, d: d.update(more=1), "more"),
    "bad date": (lambda _, d: d.update(date="yesterday"), "date"),
    "no CPU": (lambda _, d: d["machine"].pop("cpu_model"), "cpu_model"),
    "files no object": (lambda _, d: d.update(files=[]), "files"),
    "file no object": (lambda _, d: d["files"].update({"stacks.txt": 3}), "stacks.txt"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_verify_run__finds(folder: Path, document: dict[str, Any], name: str) -> None:
    breakage, expected = BREAKAGES[name]
    changed = copy.deepcopy(document)
    breakage(folder, changed)
    (folder / provenance.FILE_NAME).write_text(json.dumps(changed))
    assert any(expected in str(problem) for problem in provenance.verify_run(folder))


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_verify__reports_a_provenance_that_is_no_json_object(folder: Path, text: str) -> None:
    (folder / provenance.FILE_NAME).write_bytes(text.encode("latin-1"))
    checked, problems = provenance.verify(folder.parents[1])
    assert checked == 1
    assert len(problems) == 1
    with pytest.raises(FormatError):
        provenance.load(folder)


def test_verify__reports_raw_data_without_provenance(folder: Path) -> None:
    checked, problems = provenance.verify(folder.parents[1])
    assert checked == 0
    assert "no provenance.json" in problems[0].problem


def test_load__missing_file_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"provenance\.json: no such file"):
        provenance.load(folder)


def test_runs__none_is_an_error_that_says_how_to_record(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="faltcon lab record"):
        provenance.runs(tmp_path, "bottleneck")
