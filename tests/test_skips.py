"""A test that is skipped says nothing: in CI it fails, elsewhere it names what is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_passes():
    pass

def test_calls_skip():
    pytest.skip("chromium is not installed")

@pytest.mark.skipif(True, reason="no gcc")
def test_is_marked():
    pass

@pytest.fixture
def recordings():
    pytest.skip("no recordings")

def test_needs_a_fixture(recordings):
    pass

def test_wants_what_others_made():
    pytest.skip("third-party data: the captures are not beside the clone")
"""
MODULE = "import pytest\npytest.importorskip('no_such_module_anywhere')\n"


def outcomes(folder: Path, ci: str | None) -> tuple[dict[str, int], str]:
    (folder / "conftest.py").write_text(
        Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    )
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_module.py").write_text(MODULE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    if ci is not None:
        environment["CI"] = ci
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--continue-on-collection-errors", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    last = done.stdout.strip().splitlines()[-1]
    return {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}, (
        done.stdout
    )


def test_in_ci_only_data_of_others_may_be_missing(tmp_path: Path) -> None:
    found, text = outcomes(tmp_path, "true")
    assert found == {"passed": 1, "failed": 1, "error": 3, "skipped": 1}, text
    assert "in CI nothing may be missing: chromium is not installed" in text


@pytest.mark.parametrize("ci", [None, "false"])
def test_elsewhere_a_contributor_may_lack_things(tmp_path: Path, ci: str | None) -> None:
    found, text = outcomes(tmp_path, ci)
    assert found == {"passed": 1, "skipped": 5}, text
