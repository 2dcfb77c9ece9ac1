"""Samples over time, a column a second and a row a part of a second (a subsecond heat map).

Source of the form: Brendan Gregg, "Subsecond-offset heat maps" (2013).
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import numpy as np

from faltcon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from faltcon.perf.samples import Sample

__all__ = ["heat_page", "subsecond"]

ROWS = 50


def subsecond(samples: Iterable[Sample], *, file: str, rows: int = ROWS) -> NDArray[np.int64]:
    """Number of samples, shape (rows, seconds); row 0 is the first part of each second.

    Seconds count from the first sample's whole second on perf's clock. Raises
    InputError where the samples have no time.
    """
    times = np.array([sample.time_s for sample in samples if sample.time_s is not None])
    if not len(times):
        raise InputError(file, "no sample has a time", mend="record with time (perf record -T)")
    seconds = np.floor(times).astype(np.int64)
    parts = np.minimum(((times - seconds) * rows).astype(np.int64), rows - 1)
    columns = seconds - seconds.min()
    width = int(columns.max()) + 1
    counts = np.bincount(parts * width + columns, minlength=rows * width)
    return counts.reshape(rows, width)


def heat_page(counts: NDArray[np.int64], *, title: str, note: str) -> bytes:
    """One HTML file with the map as a picture, and its numbers as a table by second."""
    rows, width = counts.shape
    largest = max(1, int(counts.max()))
    cell = max(4, min(16, 960 // width))
    squares = [
        f'<rect x="{column * cell}" y="{(rows - 1 - row) * 8}" width="{cell}" height="8" '
        f'fill-opacity="{count / largest:.3f}"><title>second {column}, '
        f"{1000 * row // rows} ms: {count}</title></rect>"
        for row in range(rows)
        for column, count in enumerate(counts[row].tolist())
        if count
    ]
    quiet = [int((counts[:, column] == 0).sum()) for column in range(width)]
    body = "".join(
        f'<tr><th scope="row">{column}</th><td>{int(counts[:, column].sum())}</td>'
        f"<td>{int(counts[:, column].max())}</td><td>{quiet[column]}</td></tr>"
        for column in range(width)
    )
    text, words = html.escape(title), html.escape(note)
    alt = html.escape(f"{int(counts.sum())} samples over {width} seconds; numbers in the table")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.4 system-ui; margin: 1rem; background: Canvas; color: CanvasText; }}
svg {{ max-width: 100%; border: 1px solid; fill: #d9480f; }}
td, th {{ padding: 0 1rem 0 0; text-align: right; }}
</style></head><body><main><h1>{text}</h1>
<svg role="img" aria-label="{alt}" width="{width * cell}" height="{rows * 8}"
viewBox="0 0 {width * cell} {rows * 8}">{"".join(squares)}</svg>
<p>A column is a second, its foot the second's beginning; the fuller the colour, the more samples
(most: {largest} in {1000 / rows:.0f} ms). {words}</p>
<table><caption>Samples by second</caption><thead><tr><th scope="col">second</th>
<th scope="col">samples</th><th scope="col">most in a part</th><th scope="col">empty parts</th></tr>
</thead><tbody>{body}</tbody></table>
<script type="application/json">{json.dumps(counts.tolist())}</script>
</main></body></html>
""".encode()
