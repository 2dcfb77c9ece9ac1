"""The README's picture and commands are what the project has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"


@pytest.mark.slow
def test_readme_figure__shows_the_recordings_numbers() -> None:
    tool = PROJECT / "tools" / "make-readme-figure"
    answer = subprocess.run(
        [sys.executable, tool, "--check"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_readme__links_lead_to_files() -> None:
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    for link in links:
        if "://" not in link:
            assert (PROJECT / link).exists(), link


def test_readme__folders_of_the_map_exist() -> None:
    text = README.read_text(encoding="utf-8")
    block = text.split("## The map")[1].split("```")[1]
    named = re.findall(r"^([A-Za-z./_-]+/)", block, flags=re.MULTILINE)
    assert len(named) >= 6
    for folder in named:
        assert (PROJECT / folder).is_dir(), folder


def test_readme__make_targets_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z][a-z-]+)\b", README.read_text(encoding="utf-8"))):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
