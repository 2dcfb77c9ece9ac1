"""`make figures` on a book of two small chapters: what it writes, and how it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from faltcon import paths

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
jupytext:
  text_representation:
    extension: .md
    format_name: myst
---

# A chapter

```{code-cell} ipython3
"""
FIGURE = """\
import matplotlib.pyplot as plt
import pandas as pd
from faltcon import book
drawing, axes = plt.subplots()
axes.plot([1, 2], [3, 4])
book.figure(drawing, alt="a line", origin="made for a test", name="line")
```
"""
CHART = """\
import altair as alt
import pandas as pd
from faltcon import book
rows = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
drawing = alt.Chart(rows).mark_line().encode(x="x:Q", y="y:Q").properties(width="container")
book.chart(drawing, alt="a line", origin="made for a test", data=rows, name="curve")
```
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the tool and a book of its own; the package is the installed one."""
    (tmp_path / "tools").mkdir()
    shutil.copy(paths.project_root() / "tools" / "make-figures", tmp_path / "tools")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "prose.md").write_text("# No figure here\n")
    return tmp_path


def make(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "tools" / "make-figures")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_make_figures__writes_each_figure_and_chart_in_both_formats(project: Path) -> None:
    (project / "book" / "a.md").write_text(HEAD + FIGURE)
    (project / "book" / "b.md").write_text(HEAD + CHART)
    stale = project / "build" / "figures" / "gone.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("a figure of yesterday")
    done = make(project)
    assert done.returncode == 0, done.stderr
    folder = project / "build" / "figures"
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["curve.png", "curve.svg", "line.png", "line.svg"]
    for name in names:
        start = (folder / name).read_bytes()[:300]
        assert (b"<svg" in start) if name.endswith("svg") else start.startswith(b"\x89PNG")


def test_make_figures__a_chapter_that_fails_is_named_and_leaves_the_old_figures(
    project: Path,
) -> None:
    (project / "book" / "a.md").write_text(HEAD + "1 / 0  # book.figure(\n```\n")
    kept = project / "build" / "figures" / "kept.svg"
    kept.parent.mkdir(parents=True)
    kept.write_text("a figure of yesterday")
    done = make(project)
    assert done.returncode == 1
    assert "a.md: cell 1: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in kept.parent.parent.iterdir()] == ["figures"]
    assert kept.exists()


def test_make_figures__a_book_without_figures_is_an_error(project: Path) -> None:
    done = make(project)
    assert done.returncode == 1
    assert "no chapter drew a figure" in done.stderr
