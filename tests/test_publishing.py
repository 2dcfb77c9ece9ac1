"""The files that publish the project: citation, licences, workflows, containers, versions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))


def schema_says(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "check-jsonschema"
    return subprocess.run(
        [program, "--builtin-schema", schema, *files], capture_output=True, text=True, check=False
    )


def test_citation__is_valid_and_has_the_packages_version() -> None:
    answer = schema_says("vendor.citation-file-format", PROJECT / "CITATION.cff")
    assert answer.returncode == 0, answer.stdout
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]


def test_citation__a_planted_fault_is_found(tmp_path: Path) -> None:
    faulty = tmp_path / "CITATION.cff"
    faulty.write_text("cff-version: 1.2.0\ntitle: x\n")
    assert schema_says("vendor.citation-file-format", faulty).returncode == 1


def test_workflows__are_what_github_reads() -> None:
    assert {file.stem for file in WORKFLOWS} >= {"test", "publish", "nightly", "links"}
    answer = schema_says("vendor.github-workflows", *WORKFLOWS)
    assert answer.returncode == 0, answer.stdout


def test_workflows__a_planted_fault_is_found(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yml"
    faulty.write_text("on: push\njobs: {x: {steps: []}}\n")
    assert schema_says("vendor.github-workflows", faulty).returncode == 1


@pytest.mark.parametrize(
    "file",
    [*WORKFLOWS, PROJECT / "Containerfile", PROJECT / ".ci" / "run", PROJECT / "CONTRIBUTING.md"],
    ids=lambda file: file.name,
)
def test_files__name_targets_and_tools_that_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for line in re.findall(r"(?:run: |`|^\s*|\| )make ([a-z][a-z -]*)", text, flags=re.MULTILINE):
        for target in line.split():
            if file.suffix == ".yml" or target == line.split()[0]:
                assert target in TARGETS, target
    for tool in re.findall(r"\btools/[a-z_-]+", text):
        assert (PROJECT / tool).exists(), tool


def test_containers__start_as_the_readme_does() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for name in ("Containerfile", "binder/Dockerfile"):
        text = (PROJECT / name).read_text(encoding="utf-8")
        assert re.search(r"^FROM \S*debian:12$", text, flags=re.MULTILINE)
        installed = re.search(
            r"install -y --no-install-recommends ([a-z0-9 -]+?) *\\?$", text, re.MULTILINE
        )
        assert installed is not None
        assert f"apt-get install {installed[1]}" in readme
    commands = re.findall(
        r"^RUN (make .+)$", (PROJECT / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert commands == ["make setup"]
    assert "make setup" in readme


def test_devcontainer__is_the_containerfile() -> None:
    file = PROJECT / ".devcontainer" / "devcontainer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    assert (file.parent / document["build"]["dockerfile"]).samefile(PROJECT / "Containerfile")


def test_pre_commit__runs_the_locked_tools() -> None:
    document = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in document["repos"] for hook in repo["hooks"]]
    assert {"ruff-check", "ruff-format", "mypy", "prose"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        command = hook["entry"].removeprefix("uv run --frozen ").split()[0]
        assert hook["entry"].startswith("uv run --frozen ")
        found = (PROJECT / command).exists() or (Path(sys.executable).parent / command).exists()
        assert found, command


def test_licences__each_named_one_is_there_and_each_file_has_one() -> None:
    document = tomllib.loads((PROJECT / "REUSE.toml").read_text(encoding="utf-8"))
    there = {file.stem for file in (PROJECT / "LICENSES").glob("*.txt")}
    named = {entry["SPDX-License-Identifier"] for entry in document["annotations"]}
    assert named == there
    told = (PROJECT / "LICENSES" / "README.md").read_text(encoding="utf-8").replace(" ", "-")
    for licence in there:
        assert licence in told
    paths = [entry["path"] for entry in document["annotations"]]
    for pattern in (p for path in paths for p in ([path] if isinstance(path, str) else path)):
        assert any(PROJECT.glob(pattern)), pattern


def test_changelog__has_the_version() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (Unreleased|\d+\.\d+\.\d+)", text, flags=re.MULTILINE)


def add_version(site: Path, published: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROJECT / "tools" / "add-version", site, published, name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("index.html", "sitemap.xml", "404.html"):
        (folder / name).write_text(f"first {name}")
    return folder


def test_add_version__a_version_stays_and_the_latest_follows(site: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    published.mkdir()
    for name in ("v0.9.0", "v0.10.0", "latest"):
        assert add_version(site, published, name).returncode == 0
    (site / "index.html").write_text("second")
    again = add_version(site, published, "v0.9.0")
    assert again.returncode == 1
    assert "stays as it is" in again.stderr
    assert add_version(site, published, "latest").returncode == 0
    assert (published / "v0.9.0" / "index.html").read_text() == "first index.html"
    assert (published / "latest" / "index.html").read_text() == "second"
    top = (published / "index.html").read_text()
    assert top.index("v0.10.0/") < top.index("v0.9.0/")
    assert (published / "404.html").read_text() == "first 404.html"


@pytest.mark.parametrize("name", ["0.9", "v1", "../v1.0.0"])
def test_add_version__refuses_what_is_no_version(site: Path, tmp_path: Path, name: str) -> None:
    answer = add_version(site, tmp_path, name)
    assert answer.returncode == 1
    assert "no version" in answer.stderr
