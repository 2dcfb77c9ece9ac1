"""What a chapter shows: figures, charts, flame graphs and tables, ready for the page.

Each function returns a View, whose HTML is complete and asks no other host for
anything: pictures are inside it, and the scripts of interactive views are the
book's own (`_static/faltcon.js` finds the places marked here). Each view says
where its numbers come from and offers them for download.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon.errors import UsageError
from faltcon.files import write_bytes
from faltcon.stats import median_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import altair as alt
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "View",
    "chart",
    "count",
    "counted",
    "figure",
    "flamegraph",
    "interval",
    "percent",
    "table",
]

# Pixels; the width of the text on a wide screen.
CHART_WIDTH = 700
# Where figures are saved beside being shown, if it is set (`make figures` does).
FIGURES_VARIABLE = "FALTCON_FIGURES"
# Frames narrower than this share of all samples are joined into one, named so.
FLAME_SMALLEST_SHARE = 0.0005
FLAME_REST = "(narrower frames)"


@dataclass(frozen=True)
class View:
    """Something that a notebook shows: HTML for the page, a picture where HTML cannot go."""

    html: str
    png: bytes | None = field(default=None, repr=False)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/html": self.html, "text/plain": "a figure of the book"}
        if self.png is not None:
            bundle["image/png"] = base64.b64encode(self.png).decode()
        return bundle

    def __add__(self, other: View) -> View:
        """Both, one under the other."""
        return View(self.html + other.html)


# A number stays on the line of its unit.
_SPACE = "\N{NO-BREAK SPACE}"
_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
_MOST_DIGITS = 2


def percent(share: float, digits: int = 0) -> str:
    """A share (0 to 1) as per cent."""
    return f"{100 * share:.{digits}f}{_SPACE}%"


def count(number: float) -> str:
    """A number without decimals, its thousands set apart."""
    return f"{number:,.0f}".replace(",", _THIN_SPACE)


def counted(number: int, thing: str) -> str:
    """A number with what it counts, in the plural but for one: "1 run", "3 runs"."""
    return f"{count(number)}{_SPACE}{thing}{'' if number == 1 else 's'}"


def interval(shares: Iterable[float], digits: int = 0) -> str:
    """Median of shares (0 to 1) with its 95 % interval: "39 % (38 to 41)"; one value is alone.

    Where `digits` decimals would make both limits look equal, there are more,
    up to two.
    """
    found = median_interval(list(shares))
    if found.n == 1:
        return percent(found.value, digits)
    while digits < _MOST_DIGITS and found.low != found.high:
        if f"{100 * found.low:.{digits}f}" != f"{100 * found.high:.{digits}f}":
            break
        digits += 1
    low, high = (f"{100 * edge:.{digits}f}" for edge in (found.low, found.high))
    return f"{percent(found.value, digits)} ({low}{_SPACE}to{_SPACE}{high})"


def figure(
    drawing: Figure,
    *,
    alt: str,
    origin: str,
    name: str = "figure",
    data: pd.DataFrame | None = None,
) -> View:
    """Show a matplotlib Figure: as wide as the text, with its origin and downloads under it.

    alt: what a reader who cannot see it must know, numbers included. origin:
    where the data comes from, with the number of repetitions; may hold HTML
    links. data: the table behind the figure, offered as CSV. Closes the figure.
    """
    import matplotlib as mpl  # noqa: PLC0415  slow to import
    import matplotlib.pyplot as plt  # noqa: PLC0415

    if not alt.strip():
        raise UsageError("a figure needs a text that says what it shows (alt)")
    vector, pixels = io.BytesIO(), io.BytesIO()
    # Fixed ids and no date: the same data gives the same bytes. Letters as outlines: a picture
    # cannot bring its font along.
    with mpl.rc_context({"svg.hashsalt": "faltcon", "svg.fonttype": "path"}):
        drawing.savefig(vector, format="svg", bbox_inches="tight", metadata={"Date": None})
        drawing.savefig(pixels, format="png", bbox_inches="tight", dpi=200)
    plt.close(drawing)
    _keep(name, vector.getvalue(), pixels.getvalue())
    svg = _data_url("image/svg+xml", vector.getvalue())
    # The picture is in the page once; a script copies its address into the link.
    links = [("picture (SVG)", f"{name}.svg", "#")]
    if data is not None:
        links.append(("data (CSV)", f"{name}.csv", _csv_url(data)))
    # On a phone, a picture keeps a size at which its letters can be read, and scrolls in its box.
    body = f'<div class="faltcon-scroll"><img src="{svg}" alt="{html.escape(alt)}"></div>'
    page = f'<div class="faltcon-figure">{body}{_origin_line(origin, links)}</div>'
    return View(page, png=pixels.getvalue())


def chart(
    drawing: alt.TopLevelMixin,
    *,
    alt: str,
    origin: str,
    data: pd.DataFrame,
    name: str = "chart",
) -> View:
    """Show an Altair chart with the book's own vega, and its numbers as a table under it."""
    import vl_convert  # noqa: PLC0415  slow to import

    document = drawing.to_dict()
    specification = json.dumps(document, separators=(",", ":"))
    # A picture has no page to be as wide as.
    still = json.dumps(document | {"width": CHART_WIDTH} if "width" in document else document)
    vector, pixels = vl_convert.vegalite_to_svg(still), vl_convert.vegalite_to_png(still, scale=2)
    _keep(name, vector.encode(), pixels)
    page = (
        f'<div class="faltcon-chart" data-alt="{html.escape(alt)}">'
        f'<div class="faltcon-canvas"></div>{_json_script(specification)}'
        f"{_origin_line(origin, [('data (CSV)', f'{name}.csv', _csv_url(data))])}"
        f"<details><summary>The numbers of this chart</summary>{table(data).html}</details></div>"
    )
    return View(page, png=pixels)


def flamegraph(
    folded: Mapping[str, int],
    *,
    title: str,
    alt: str,
    origin: str,
    groups: Mapping[str, Sequence[str]],
) -> View:
    """Show folded stacks as a flame graph that can be searched, zoomed and opened in speedscope.

    folded: "outermost;...;innermost" to its weight, as `faltcon perf fold`
    prints. groups: legend text to the names of the functions of that colour, at
    most eight. Frames under 0.05 % of all samples are joined. On paper and
    without JavaScript a picture takes its place. Raises UsageError for no stacks.
    """
    from faltcon.figures import flame  # noqa: PLC0415  slow to import

    if not folded:
        raise UsageError("a flame graph needs at least one stack")
    tree = _tree(folded)
    names: dict[str, int] = {}
    root = _packed(tree, names, FLAME_SMALLEST_SHARE * tree.value, title)
    hues = {n: hue for hue, members in enumerate(groups.values()) for n in members if n in names}
    profile = json.dumps({"names": list(names), "root": root, "hues": hues}, separators=(",", ":"))
    *colours, rest = _colours(len(groups))
    legend = "".join(
        f'<li><i style="background:{colour}"></i>{html.escape(text)}</li>'
        for text, colour in zip([*groups, "anything else"], [*colours, rest], strict=True)
    )
    coloured = [colours[hues[n]] if n in hues else rest for n in names]
    pixels = io.BytesIO()
    flame.icicle(root, list(names), coloured).savefig(pixels, format="png", dpi=130)
    picture = _data_url("image/png", pixels.getvalue())
    page = (
        f'<div class="faltcon-flame" data-alt="{html.escape(alt)}" '
        f'data-title="{html.escape(title)}">'
        '<div class="faltcon-controls"><label>Search <input type="search" size="18" '
        'spellcheck="false" autocomplete="off"></label><button type="button">Reset</button>'
        '<a class="faltcon-speedscope" href="#" target="_blank" rel="noopener">Open in '
        'speedscope</a><a class="faltcon-folded" href="#" download="stacks.folded">Folded '
        f'stacks</a></div><ul class="faltcon-legend">{legend}</ul>'
        # The script puts the interactive graph in the picture's place.
        f'<div class="faltcon-canvas"><img src="{picture}" alt="{html.escape(alt)}"></div>'
        f'<p role="status"></p>{_json_script(profile)}{_origin_line(origin, [])}'
        "<details><summary>Keys, and the widest functions as a table</summary><p>Arrow keys move "
        "between frames, Enter zooms in, Escape zooms out. Hover or focus shows a frame's share."
        f"</p>{_widest(folded)}</details></div>"
    )
    return View(page, png=pixels.getvalue())


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    digits: int = 1,
    markup: Sequence[str] = (),
    named: bool = True,
) -> View:
    """Show a table without its index; numbers to the right, with `digits` decimals for floats.

    markup: columns that hold HTML of ours and are not escaped. named: whether
    the first column names its row.
    """
    numeric = {c for c in frame.columns if frame[c].dtype.kind in "iuf"}
    head = "".join(
        f'<th scope="col"{_right(c in numeric)}>{html.escape(str(c))}</th>' for c in frame.columns
    )
    rows = []
    for record in frame.itertuples(index=False):
        cells = []
        for place, (column, value) in enumerate(zip(frame.columns, record, strict=True)):
            text = _shown(value, digits)
            text = text if column in markup else html.escape(text)
            names = named and place == 0 and column not in numeric
            tag = 'th scope="row"' if names else "td"
            cells.append(f"<{tag}{_right(column in numeric)}>{text}</{tag.split(maxsplit=1)[0]}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return View(
        f'<div class="faltcon-scroll"><table class="faltcon-table">{title}<thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


@dataclass
class _Node:
    value: int = 0
    children: dict[str, _Node] = field(default_factory=dict)


def _tree(folded: Mapping[str, int]) -> _Node:
    root = _Node()
    for stack, weight in folded.items():
        root.value += weight
        node = root
        for name in stack.split(";"):
            node = node.children.setdefault(name, _Node())
            node.value += weight
    return root


def _packed(node: _Node, names: dict[str, int], smallest: float, name: str) -> list[Any]:
    """[index of the name, value, children] with narrow children joined into one."""
    kept = {n: child for n, child in node.children.items() if child.value >= smallest}
    rest = sum(child.value for n, child in node.children.items() if n not in kept)
    number = names.setdefault(name, len(names))
    below = [_packed(child, names, smallest, n) for n, child in sorted(kept.items())]
    if rest:
        below.append([names.setdefault(FLAME_REST, len(names)), rest, []])
    return [number, node.value, below]


def _widest(folded: Mapping[str, int], count: int = 12) -> str:
    """Table of the functions that are in most samples, anywhere in the stack and at its end."""
    import pandas as pd  # noqa: PLC0415  slow to import

    anywhere: dict[str, int] = {}
    innermost: dict[str, int] = {}
    for stack, weight in folded.items():
        names = stack.split(";")
        for name in set(names):
            anywhere[name] = anywhere.get(name, 0) + weight
        innermost[names[-1]] = innermost.get(names[-1], 0) + weight
    total = sum(folded.values())
    widest = sorted(anywhere, key=lambda n: (-anywhere[n], n))[:count]
    frame = pd.DataFrame(
        {
            "function": widest,
            "in the stack, %": [100 * anywhere[n] / total for n in widest],
            "innermost, %": [100 * innermost.get(n, 0) / total for n in widest],
        }
    )
    return table(frame).html


def _colours(groups: int) -> list[str]:
    """The legend's colours: the palette of _js/flamegraph.js, then grey for the rest."""
    palette = ["#8ecae6", "#f4a261", "#a3d39c", "#e9c46a", "#cdb4db", "#f4978e", "#90d4c5"]
    palette.append("#c9cdd3")
    if groups > len(palette):
        raise UsageError(f"a flame graph has at most {len(palette)} groups of colour")
    return [*palette[:groups], "#dfe3e8"]


def _shown(value: Any, digits: int) -> str:
    if value is None or value != value:  # noqa: PLR0124  not a number
        return ""
    if isinstance(value, float):
        return f"{value:,.{digits}f}".replace(",", _THIN_SPACE)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", _THIN_SPACE)
    return str(value)


def _right(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def _json_script(text: str) -> str:
    # "</script>" inside a string would end the element.
    safe = text.replace("</", r"<\/")
    return f'<script type="application/json">{safe}</script>'


def _keep(name: str, svg: bytes, png: bytes) -> None:
    """Save a figure's pictures in the folder that FALTCON_FIGURES names, if it names one."""
    folder = os.environ.get(FIGURES_VARIABLE)
    if folder:
        write_bytes(Path(folder) / f"{name}.svg", svg)
        write_bytes(Path(folder) / f"{name}.png", png)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _csv_url(data: pd.DataFrame) -> str:
    return _data_url("text/csv;charset=utf-8", data.to_csv(index=False).encode())


def _origin_line(origin: str, links: Sequence[tuple[str, str, str]]) -> str:
    saves = " · ".join(f'<a href="{url}" download="{name}">{text}</a>' for text, name, url in links)
    return f'<p class="faltcon-origin">{origin}{"<br>Save: " + saves if saves else ""}</p>'
