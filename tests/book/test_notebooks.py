"""Each chapter with code can be saved as a notebook, and that notebook runs on its own."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = sorted(
    file.stem for file in BOOK.glob("*.md") if "\nkernelspec:" in file.read_text(encoding="utf-8")
)
# All run when the book is built; these, which take seconds, show that a notebook needs no book.
QUICK = ["architecture", "artifact", "intro", "statistics"]


def read(site: Path, name: str) -> nbformat.NotebookNode:
    return nbformat.read(site / "_sources" / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebook__has_the_chapters_code_and_says_how_to_run_it(site: Path, name: str) -> None:
    notebook = read(site, name)
    nbformat.validate(notebook)
    assert "make setup" in notebook.cells[0].source
    text = (BOOK / f"{name}.md").read_text(encoding="utf-8")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) == len(re.findall(r"^```\{code-cell\}", text, flags=re.MULTILINE))
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", CHAPTERS)
def test_page__offers_its_notebook(site: Path, name: str) -> None:
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    assert f'href="_sources/{name}.ipynb"' in text


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_notebook__runs_in_a_folder_of_its_own(site: Path, name: str, tmp_path: Path) -> None:
    notebook = read(site, name)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
