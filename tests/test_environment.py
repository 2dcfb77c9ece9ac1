"""environment.yml is what pyproject.toml and uv.lock say."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
TOOL = Path("tools") / "make-environment"


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, project / TOOL, *options], capture_output=True, text=True, check=False
    )


def copy_of_project(folder: Path) -> Path:
    (folder / "tools").mkdir()
    for name in ("pyproject.toml", "uv.lock", "environment.yml", TOOL):
        shutil.copy(PROJECT / name, folder / name)
    return folder


def test_environment__is_fresh() -> None:
    answer = run(PROJECT, "--check")
    assert answer.returncode == 0, answer.stderr


def test_environment__pins_what_the_lock_pins() -> None:
    document = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = document["dependencies"]
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert python == f"python{project['requires-python']}"
    assert pip == "pip"
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    versions = {(p["name"], p["version"]) for p in lock["package"] if "version" in p}
    pinned = [entry for entry in packages["pip"] if not entry.startswith("--")]
    assert len(pinned) > 100
    for entry in pinned:
        name, version = entry.split(";")[0].strip().split("==")
        assert (name.split("[")[0], version) in versions, entry


def test_environment__says_that_it_cannot_be_solved_offline() -> None:
    assert "cannot be solved offline" in (PROJECT / "environment.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("environment.yml", "dpkt==", "dpkt==0."),
        ("pyproject.toml", "<3.14", "<3.13"),
    ],
)
def test_environment__a_stale_file_is_noticed(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    project = copy_of_project(tmp_path)
    file = project / name
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    answer = run(project, "--check")
    assert answer.returncode == 1
    assert "make environment" in answer.stderr
