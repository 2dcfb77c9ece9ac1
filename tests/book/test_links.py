"""No page links to a file or a heading that is not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def check_links(site: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lychee"
    # speedscope is opened with a profile in its fragment, which is no heading of a page.
    command = [
        program, "--offline", "--include-fragments", "--no-progress",
        "--exclude", "profileURL",
        "--exclude-path", "/_static/",
        "--root-dir", site, f"{site}/**/*.html",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_links__all_lead_somewhere(site: Path) -> None:
    answer = check_links(site)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_links__a_planted_dead_link_is_found(site: Path, tmp_path: Path) -> None:
    shutil.copy(site / "glossary.html", tmp_path / "page.html")
    (tmp_path / "bad.html").write_text(
        '<body><a href="none.html">x</a><a href="page.html#nowhere-at-all">y</a></body>'
    )
    answer = check_links(tmp_path)
    assert answer.returncode == 2
    assert "none.html" in answer.stdout
    assert "nowhere-at-all" in answer.stdout


def test_pages__all_are_in_the_table_of_contents(site: Path, path: str) -> None:
    leads_on = 'http-equiv="refresh"' in (site / path).read_text(encoding="utf-8").lower()
    if leads_on or path in {"index.html", "search.html", "genindex.html", "404.html"}:
        return
    contents = (
        (site / "intro.html").read_text(encoding="utf-8").split('id="pst-primary-sidebar"')[1]
    )
    link = "#" if path == "intro.html" else path
    assert f'href="{link}"' in contents.split("<main")[0]
