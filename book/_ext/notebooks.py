"""Offer each chapter with code as a notebook (.ipynb) that runs on its own, from a clone.

The page's download button leads to `_sources/<chapter>.ipynb`, made here from the
chapter's text. A first cell says what it needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jupytext
import nbformat

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

FIRST = """\
*This notebook is the chapter "{title}" of [the book]({page}). It needs the project's package and
recordings: clone the project, then in the clone run*

    make setup
    uv run --with jupyterlab jupyter lab

*and open the notebook from there. Marks such as `{{glue:text}}` stand where the page shows a number
that a cell computes.*
"""


def is_notebook(app: Sphinx, page: str) -> bool:
    """Whether a page is a chapter with code."""
    file = Path(app.env.doc2path(page)) if page in app.env.found_docs else None
    return file is not None and file.suffix == ".md" and "\nkernelspec:" in file.read_text("utf-8")


def notebook(text: str, title: str, page: str) -> nbformat.NotebookNode:
    """The chapter as a notebook without results; its first cell says how to run it."""
    made = jupytext.reads(text, fmt="md:myst")
    made.cells.insert(0, nbformat.v4.new_markdown_cell(FIRST.format(title=title, page=page)))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    made.metadata.pop("jupytext", None)
    nbformat.validate(made)
    return made


def offer(
    app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Put the notebook into the page's download menu."""
    if is_notebook(app, page):
        context["ipynb_source"] = f"{page}.ipynb"


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks beside the chapters' sources."""
    if error is not None or app.builder.format != "html":
        return
    for page in sorted(app.env.found_docs):
        if is_notebook(app, page):
            title = app.env.titles[page].astext()
            back = "../" * (page.count("/") + 1) + f"{page}.html"
            made = notebook(Path(app.env.doc2path(page)).read_text("utf-8"), title, back)
            target = Path(app.outdir) / "_sources" / f"{page}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(made, target)


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    # Before the theme makes its buttons.
    app.connect("html-page-context", offer, priority=400)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
