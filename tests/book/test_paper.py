"""What pages show as HTML, on paper: tables, pictures, charts; and what a PDF is refused for."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from matplotlib.figure import Figure

from faltcon import book

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).resolve().parents[2]
mpl.use("Agg")


def load(path: Path, name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_pdf() -> ModuleType:
    return load(PROJECT / "tools" / "make-pdf", "make_pdf")


class Printed:
    """A page of HTML as the extension puts it on paper."""

    def __init__(self, html: str, folder: Path) -> None:
        paper = load(PROJECT / "book" / "_ext" / "paper.py", "paper")
        document = new_document("page")
        document.settings.env = SimpleNamespace(app=SimpleNamespace(outdir=str(folder)))
        transform = paper.Paper.__new__(paper.Paper)
        transform.document = document
        page = BeautifulSoup(html, "html.parser")
        self.nodes = nodes.container("", *transform.blocks(page))
        self.folder = folder

    def find(self, kind: type[nodes.Node]) -> list[nodes.Node]:
        return list(self.nodes.findall(kind))


def test_paper__a_table_keeps_its_head_caption_and_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "share": [1.25, 2.0]})
    printed = Printed(book.table(frame, caption="Two rows.").html, tmp_path)
    (table,) = printed.find(nodes.table)
    assert table.next_node(nodes.title).astext() == "Two rows."
    assert [entry.astext() for entry in table.findall(nodes.entry)] == [
        "name", "share", "a", "1.2", "b", "2.0",
    ]  # fmt: skip
    assert len(list(table.findall(nodes.thead))) == 1


def test_paper__a_figure_is_its_picture_with_its_origin_and_no_downloads(tmp_path: Path) -> None:
    drawing = Figure()
    drawing.subplots().plot([1, 2], [3, 1])
    view = book.figure(
        drawing, alt="a falling line", origin="Made up.", data=pd.DataFrame({"x": [1]})
    )
    printed = Printed(view.html, tmp_path)
    (image,) = printed.find(nodes.image)
    assert image["alt"] == "a falling line"
    assert (tmp_path / image["uri"]).read_bytes().startswith(b"%PDF")
    assert "Made up." in printed.nodes.astext()
    assert "Save" not in printed.nodes.astext()


def test_paper__a_chart_is_drawn(tmp_path: Path) -> None:
    alt = pytest.importorskip("altair")
    rows = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    drawing = alt.Chart(rows).mark_line().encode(x="x:Q", y="y:Q").properties(width="container")
    view = book.chart(drawing, alt="a rising line", origin="Made up.", data=rows)
    printed = Printed(view.html, tmp_path)
    (image,) = printed.find(nodes.image)
    assert image["alt"] == "a rising line"
    assert (tmp_path / image["uri"]).read_bytes().startswith(b"%PDF")
    assert printed.find(nodes.table) == []


def test_paper__a_flame_graph_is_its_picture_with_its_legend(tmp_path: Path) -> None:
    view = book.flamegraph(
        {"a;b": 3, "a;c": 1}, title="t", alt="flames", origin="Made up.", groups={"blue": ["b"]}
    )
    printed = Printed(view.html, tmp_path)
    (image,) = printed.find(nodes.image)
    assert (tmp_path / image["uri"]).read_bytes().startswith(b"\x89PNG")
    text = printed.nodes.astext()
    assert "blue" in text
    assert "Search" not in text


def test_paper__scripts_and_empty_wrappers_leave_nothing(tmp_path: Path) -> None:
    assert Printed("<div><script>x()</script></div></div>", tmp_path).nodes.astext() == ""


def test_faults__letters_that_lack_and_references_that_lead_nowhere_are_named(
    make_pdf: ModuleType,
) -> None:
    log = (
        "Missing character: There is no X in font Y!\n"
        "LaTeX Warning: Reference `a' on page 1 undefined on input line 3."
    )
    found = " ".join(make_pdf.faults(log))
    assert "no X in font" in found
    assert "leads nowhere" in found
    assert make_pdf.faults("LaTeX Font Warning: size") == []


@pytest.mark.parametrize(
    ("text", "empty"), [("", True), ("   12 \n", True), ("Part I\n Start here", False)]
)
def test_is_empty__a_page_with_its_number_alone_is(
    make_pdf: ModuleType, text: str, empty: bool
) -> None:
    assert make_pdf.is_empty(text) is empty
