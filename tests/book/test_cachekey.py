"""The execution cache's key moves with everything a cell reads."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

EXTENSION = Path(__file__).resolve().parents[2] / "book" / "_ext" / "cachekey.py"


@pytest.fixture(scope="module")
def cachekey() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cachekey", EXTENSION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "data/raw/a/1/perf.txt": "samples",
        "data/paper/claims.toml": "x = 1",
        "analysis/faltcon/stats.py": "y = 2",
        "uv.lock": "version = 1",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def key(cachekey: ModuleType, project: Path) -> str:
    return cachekey.cache_key(cachekey.inputs(project))


@pytest.mark.parametrize(
    "name",
    ["data/raw/a/1/perf.txt", "data/paper/claims.toml", "analysis/faltcon/stats.py", "uv.lock"],
)
def test_cache_key__changes_with_each_kind_of_input(
    cachekey: ModuleType, project: Path, name: str
) -> None:
    before = key(cachekey, project)
    (project / name).write_text("changed")
    assert key(cachekey, project) != before


def test_cache_key__changes_when_a_file_comes_goes_or_is_renamed(
    cachekey: ModuleType, project: Path
) -> None:
    keys = [key(cachekey, project)]
    file = project / "data/raw/a/1/more.txt"
    file.write_text("samples")
    keys.append(key(cachekey, project))
    file.rename(file.with_name("other.txt"))
    keys.append(key(cachekey, project))
    assert len(set(keys)) == 3
    file.with_name("other.txt").unlink()
    assert key(cachekey, project) == keys[0]


def test_cache_key__ignores_times_and_derived_files(cachekey: ModuleType, project: Path) -> None:
    before = key(cachekey, project)
    os.utime(project / "uv.lock", (0, 0))
    (project / "analysis/faltcon/__pycache__").mkdir()
    (project / "analysis/faltcon/__pycache__/stats.cpython-311.pyc").write_bytes(b"x")
    (project / "data/raw/.partial").write_text("x")
    assert key(cachekey, project) == before


def test_cache_key__follows_data_kept_elsewhere(
    cachekey: ModuleType,
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "x.txt").write_text("1")
    before = key(cachekey, project)
    monkeypatch.setenv("FALTCON_DATA", str(other))
    elsewhere = key(cachekey, project)
    assert elsewhere != before
    (other / "x.txt").write_text("2")
    assert key(cachekey, project) != elsewhere


def test_prune__keeps_the_present_and_the_newest(cachekey: ModuleType, tmp_path: Path) -> None:
    for age, name in enumerate(["now", "b", "c", "d", "e", "f"]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    cachekey.prune(tmp_path, "now")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "c", "d", "now"]
