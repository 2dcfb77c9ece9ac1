"""Put on paper what pages show as HTML: tables, pictures, charts and diagrams.

Views and diagrams are HTML, which a PDF cannot hold. For the LaTeX builder, this
extension turns that HTML into the document's own tables, text and pictures.
Charts are drawn by vega; a flame graph brings its picture along. Controls,
downloads and folded numbers stay on the Web.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import vl_convert
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

# Pixels; a chart that is as wide as its page has to be as wide as something.
CHART_WIDTH = 620
# What only a screen can use.
LEFT_OUT = ["script", "style", "button", "input", "label", ".faltcon-controls", "[role=status]"]
BLOCKS = {"div", "section", "figure", "article", "main", "center"}
INLINE = {"strong": nodes.strong, "b": nodes.strong, "em": nodes.emphasis, "i": nodes.emphasis}
# Share of the page's width that a column gets at least and at most, before they are set in
# proportion to the words that they hold.
NARROWEST, WIDEST = 9, 40


class Paper(SphinxPostTransform):
    """Replace every piece of HTML by what says the same on paper."""

    # After the choice among a cell's outputs, before pictures are collected.
    default_priority = 150
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Go through the page."""
        for raw in list(self.document.findall(nodes.raw)):
            if "html" in raw.get("format", "").split():
                page = BeautifulSoup(raw.astext(), "html.parser")
                raw.replace_self(list(self.blocks(page)) or [nodes.comment()])

    def blocks(self, parent: Tag) -> Iterator[nodes.Node]:
        """What an element holds, block by block."""
        words: list[nodes.Node] = []
        for child in parent.children:
            kind = child.name if isinstance(child, Tag) else ""
            made = list(self.block(child)) if isinstance(child, Tag) and is_block(child) else None
            if made is None:
                words += self.inline(child)
                continue
            if any(word.astext().strip() for word in words):
                yield nodes.paragraph("", "", *words)
            words = []
            yield from made
            if kind == "table":
                yield nodes.paragraph()
        if any(word.astext().strip() for word in words):
            yield nodes.paragraph("", "", *words)

    def block(self, element: Tag) -> Iterator[nodes.Node]:
        """One block, by its kind."""
        classes = element.get("class") or []
        specification = element.select_one('script[type="application/json"]')
        if "faltcon-chart" in classes and specification is not None:
            yield self.chart(json.loads(specification.get_text()), element.get("data-alt", ""))
        for unwanted in element.select(", ".join(LEFT_OUT)):
            unwanted.decompose()
        makers = {
            "table": self.table, "svg": self.drawing, "img": self.picture, "p": self.paragraph,
            "ul": self.items, "ol": self.items,
        }  # fmt: skip
        if "faltcon-runs" in classes:
            yield self.runs(element)
        elif element.name in makers:
            yield makers[element.name](element)
        elif element.name != "details":
            yield from self.blocks(element)

    def items(self, element: Tag) -> nodes.bullet_list:
        """A list."""
        found = element.find_all("li", recursive=False)
        items = [
            nodes.list_item("", *(list(self.blocks(li)) or [nodes.paragraph()])) for li in found
        ]
        return nodes.bullet_list("", *items)

    def paragraph(self, element: Tag) -> nodes.paragraph:
        """A paragraph; the line of origin without its downloads."""
        if "faltcon-origin" in (element.get("class") or []):
            drop_downloads(element)
        return nodes.paragraph("", "", *(n for c in element.children for n in self.inline(c)))

    def inline(self, element: Any) -> list[nodes.Node]:
        """Text with its emphasis; links keep their words alone, as their targets are pages."""
        if not isinstance(element, Tag):
            text = str(element)
            return [nodes.Text(" ".join(text.split(" ")))] if text else []
        if element.name == "br":
            return [nodes.Text(" ")]
        if element.name in {"code", "kbd"}:
            return [nodes.literal("", element.get_text())]
        inner = [node for child in element.children for node in self.inline(child)]
        kind = INLINE.get(element.name)
        return [kind("", "", *inner)] if kind and inner else inner

    def table(self, element: Tag) -> nodes.table:
        """A table with its caption, and columns as wide as their words ask for."""
        rows = [tr.find_all(["th", "td"], recursive=False) for tr in element.find_all("tr")]
        count = max(map(len, rows), default=0)
        head = len(element.select("thead tr"))
        table = nodes.table(classes=["longtable", "colwidths-given"])
        if element.caption:
            table += nodes.title("", element.caption.get_text(" ", strip=True))
        group = nodes.tgroup(cols=count)
        group += [nodes.colspec(colwidth=width) for width in widths(rows, count)]
        made = [self.row(cells, count) for cells in rows]
        if head:
            group += nodes.thead("", *made[:head])
        group += nodes.tbody("", *made[head:])
        table += group
        return table

    def row(self, cells: list[Tag], count: int) -> nodes.row:
        """A row, filled up to the table's width."""
        row = nodes.row()
        for cell in cells:
            inner = list(self.blocks(cell)) if any(True for _ in cell.children) else []
            row += nodes.entry("", *inner)
        row += [nodes.entry() for _ in range(count - len(cells))]
        return row

    def runs(self, element: Tag) -> nodes.table:
        """The folded list of recordings as a table: name, and what it is."""
        text = "".join(
            f"<tr><td>{entry.summary.get_text()}</td><td>{entry.p.get_text()}</td></tr>"
            for entry in element.select("details")
            if entry.summary and entry.p
        )
        head = "<thead><tr><th>Recording</th><th>What it is</th></tr></thead>"
        page = BeautifulSoup(f"<table>{head}<tbody>{text}</tbody></table>", "html.parser")
        return self.table(page.table)

    def chart(self, specification: dict[str, Any], alt: str) -> nodes.image:
        """A chart as vega draws it on the page."""
        if specification.get("width") == "container":
            specification["width"] = CHART_WIDTH
        return self.keep(vl_convert.vegalite_to_pdf(json.dumps(specification)), "pdf", alt)

    def drawing(self, element: Tag) -> nodes.image:
        """A drawing of the project's, whose letters follow the page's."""
        svg, alt = str(element), element.desc.get_text() if element.desc else ""
        svg = svg.replace('font-family="inherit"', 'font-family="DejaVu Sans"')
        svg = svg.replace("viewbox=", "viewBox=")
        return self.keep(vl_convert.svg_to_pdf(svg), "pdf", alt)

    def picture(self, element: Tag) -> nodes.Node:
        """A picture that the page holds inside."""
        source, alt = str(element.get("src", "")), str(element.get("alt", ""))
        head, _, content = source.partition(",")
        if not head.startswith("data:image/"):
            return nodes.comment()
        content = (
            base64.b64decode(content) if head.endswith("base64") else unquote(content).encode()
        )
        if "svg" in head:
            return self.keep(vl_convert.svg_to_pdf(content.decode()), "pdf", alt)
        return self.keep(content, "png", alt)

    def keep(self, content: bytes, suffix: str, alt: str) -> nodes.image:
        """Write a picture beside the book's LaTeX text."""
        name = f"picture-{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
        target = Path(self.app.outdir) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        # "?" says that the picture is where it has to be.
        return nodes.image(uri=name, alt=alt, candidates={"?": ""}, align="center")


def is_block(element: Tag) -> bool:
    """Whether an element stands in lines of its own."""
    kinds = BLOCKS | {"table", "svg", "img", "ul", "ol", "p", "details", "dl"}
    return element.name in kinds or element.name in LEFT_OUT


def drop_downloads(line: Tag) -> None:
    """Take away what can be saved: it follows the line's break."""
    if line.br and "Save:" in "".join(str(text) for text in line.br.next_siblings):
        for text in [line.br, *line.br.next_siblings]:
            text.extract()


def widths(rows: list[list[Tag]], count: int) -> list[int]:
    """Widths of the columns, in proportion to their longest cells."""
    longest = [
        max((len(cells[place].get_text()) for cells in rows if place < len(cells)), default=1)
        for place in range(count)
    ]
    return [min(WIDEST, max(NARROWEST, length)) for length in longest]


def setup(app: Sphinx) -> dict[str, object]:
    """Register with Sphinx."""
    app.add_post_transform(Paper)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
