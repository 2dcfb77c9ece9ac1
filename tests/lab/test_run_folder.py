from __future__ import annotations

import json
import os
import random
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from faltcon import provenance
from faltcon.errors import ProvenanceError
from faltcon.files import open_binary
from faltcon.lab import run_folder
from faltcon.lab.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

FACTS: dict[str, Any] = {
    "command": "uv run faltcon lab record x",
    "description": "A test.",
    "tools": {},
    "load_generator": None,
    "repetition": 1,
    "parameters": {},
}


def make(root: Path, run: str, text: str) -> Path:
    with ExitStack() as stack:
        folder = RunFolder(stack, root, "experiment", run)
        folder.add_text("a.txt", text, "a text")
        return folder.commit(FACTS)


def test_a_run_appears_whole_and_verifies(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"packed " * 1000)
    root = tmp_path / "raw"
    with ExitStack() as stack:
        folder = RunFolder(stack, root, "experiment", "run-1")
        folder.add(source, "copy.bin", "as it is")
        folder.add(source, "packed.zst", "compressed")
        assert not folder.final.exists()
        final = folder.commit(FACTS)
    assert final == root / "experiment" / "run-1"
    assert sorted(path.name for path in final.iterdir()) == [
        "copy.bin",
        "packed.zst",
        "provenance.json",
    ]
    with open_binary(final / "packed.zst") as stream:
        assert stream.read() == source.read_bytes()
    assert provenance.verify(root) == (1, [])
    assert run_folder.is_complete(root, "experiment", "run-1")
    assert [path.name for path in (root / "experiment").iterdir()] == ["run-1"]


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(stack: ExitStack) -> None:
        folder = RunFolder(stack, tmp_path, "experiment", "run-1")
        folder.add_text("a.txt", "text", "a text")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"), ExitStack() as stack:
        fail(stack)
    assert list((tmp_path / "experiment").iterdir()) == []


def test_facts_that_do_not_fit_the_schema_leave_nothing(tmp_path: Path) -> None:
    def misfit(stack: ExitStack) -> None:
        folder = RunFolder(stack, tmp_path, "experiment", "run-1")
        folder.add_text("a.txt", "text", "a text")
        folder.commit({**FACTS, "repetition": 0})

    with pytest.raises(ProvenanceError), ExitStack() as stack:
        misfit(stack)
    assert list((tmp_path / "experiment").iterdir()) == []


def test_a_newer_run_takes_the_place_of_the_older(tmp_path: Path) -> None:
    make(tmp_path, "run-1", "old")
    final = make(tmp_path, "run-1", "new")
    assert (final / "a.txt").read_text() == "new"
    assert provenance.verify(tmp_path) == (1, [])


@pytest.mark.parametrize("harm", ["change", "remove", "add", "cut"])
def test_a_run_that_was_touched_is_not_complete(tmp_path: Path, harm: str) -> None:
    final = make(tmp_path, "run-1", "text")
    if harm == "change":
        (final / "a.txt").write_text("tex!")
    elif harm == "remove":
        (final / "a.txt").unlink()
    elif harm == "add":
        (final / "b.txt").write_text("b")
    else:
        (final / provenance.FILE_NAME).write_text("{")
    assert not run_folder.is_complete(tmp_path, "experiment", "run-1")


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, "run-1", "text")
    experiment = tmp_path / "experiment"
    dead = experiment / ".run-2.99999999.partial"
    dead.mkdir()
    (dead / "file").write_text("half")
    living = experiment / f".run-3.{os.getpid()}.partial"
    living.mkdir()
    assert run_folder.sweep(tmp_path, "experiment") == [dead.name]
    assert not dead.exists()
    assert living.exists()
    assert (experiment / "run-1").exists()


def test_compressed_files_have_checksums_and_read_with_default_limits(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(random.Random(1).randbytes(300_000) * 2)
    run_folder.compress(plain, tmp_path / "packed.zst")
    # The second half repeats the first, so it must cost next to nothing.
    assert (tmp_path / "packed.zst").stat().st_size < 310_000
    with open_binary(tmp_path / "packed.zst") as stream:
        assert stream.read() == plain.read_bytes()


def test_the_command_line_is_quoted() -> None:
    assert run_folder.command_line("lab", "a b") == "uv run faltcon lab 'a b'"


def test_provenance_names_this_machine(tmp_path: Path) -> None:
    document = json.loads((make(tmp_path, "run-1", "x") / provenance.FILE_NAME).read_text())
    assert document["origin"] == "measured-here"
    assert document["kernel"]["release"] == os.uname().release
    assert document["machine"]["cpus"] == os.cpu_count()
