"""One capture as one HTML page that can be sent to a colleague: tables and plots, no links out.

No address and no payload is on the page.
"""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from faltcon.figures import traffic as figures
from faltcon.traffic import analytics
from faltcon.traffic.pairs import COUNTS, WINDOW_KINDS, repetition
from faltcon.traffic.render import LABELS
from faltcon.traffic.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faltcon.traffic.mining import Mined

__all__ = ["page"]

NS = 1_000_000_000
THRESHOLDS = (0, 1, 2, 3, 5, 10, 20, 50)
WINDOW_NS = 5 * NS
TIMERS_NS = (10 * NS, 60 * NS)
SERVED = (
    "Shares of the connections that come while their f-key is kept, were there one archive "
    "without a limit."
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}"
    "th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}"
    "figure{margin:1.5rem 0;overflow-x:auto}figcaption{color:#555}"
)


def page(name: str, mined: Mined) -> str:
    """The whole page as HTML. `name` is shown as the capture's name."""
    found = analytics.arrivals(mined.tables.connections, established=True)
    start = mined.first_tcp_ns or 0
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{html.escape(name)}: repeated connections</title><style>{STYLE}</style>",
        f"<main><h1>Repeated connections in {html.escape(name)}</h1>",
        "<h2>What the capture holds</h2>",
        _totals(summarize(name, mined)),
        "<h2>f-pairs</h2>",
        _figure(
            figures.f_pairs_by_threshold(_f_pairs(mined), origin=name),
            "f-keys with more than k_t connections in 5 s, by kind of window and of connection",
        ),
    ]
    if len(found.keys):
        parts += [
            _figure(
                figures.lorenz(analytics.lorenz(found.keys), origin=name),
                f"Lorenz curve of {found.keys.max() + 1:,} f-keys by their connections",
            ),
            "<h2>What FALTCON could serve</h2>",
            f"<p>{SERVED}</p>",
            _served(found, start),
        ]
    gaps = analytics.inter_arrivals_ns(found.times_ns, found.keys)
    if len(gaps):
        distances = analytics.reuse_distances(found.times_ns, found.keys)
        parts += ["<h2>When f-keys come back</h2>", _quantiles(gaps, distances)]
    parts.append("</main></html>")
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = "".join(f"<th scope=col>{html.escape(one)}</th>" for one in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(one))}</td>" for one in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _totals(answer: dict[str, Any]) -> str:
    rows = [(label.strip(), f"{answer[key]:,}") for key, label in LABELS.items()]
    rows += [(f"skipped: {reason}", f"{count:,}") for reason, count in answer["skipped"].items()]
    note = "<p>The file ends in the middle of a record.</p>" if answer["truncated"] else ""
    return _table(("what", "number"), rows) + note


def _f_pairs(mined: Mined) -> pd.DataFrame:
    rows = [
        {
            "k_t": k_t,
            "window_kind": kind,
            "count": count,
            "f_pairs": repetition(
                mined.tables.connections,
                k_t=k_t,
                window_ns=WINDOW_NS,
                kind=kind,  # type: ignore[arg-type]
                count=count,  # type: ignore[arg-type]
                start_ns=mined.first_tcp_ns,
            ).f_pairs,
        }
        for k_t in THRESHOLDS
        for kind in WINDOW_KINDS
        for count in COUNTS
    ]
    return pd.DataFrame(rows)


def _served(found: analytics.Arrivals, start_ns: int) -> str:
    shares = analytics.served_shares(
        found,
        thresholds=THRESHOLDS,
        windows_ns=[WINDOW_NS],
        timers_ns=TIMERS_NS,
        start_ns=start_ns,
    )
    rows = [
        (
            int(row["k_t"]),
            f"{row['timer_s']:g} s",
            f"{row['connections_share']:.1%}",
            f"{row['packets_share']:.1%}",
            f"{row['bytes_share']:.1%}",
        )
        for row in shares.to_dict("records")
    ]
    return _table(("k_t", "timer", "connections", "packets", "bytes"), rows)


def _quantiles(gaps_ns: np.ndarray[Any, Any], distances: np.ndarray[Any, Any]) -> str:
    levels = (10, 50, 90, 99)
    times = np.percentile(gaps_ns, levels) / NS
    others = np.percentile(distances, levels)
    return _table(
        ("percentile", "time since the f-key's last connection", "other f-keys in between"),
        [
            (f"{level} %", f"{seconds:.6g} s", f"{number:.0f}")
            for level, seconds, number in zip(levels, times, others, strict=True)
        ],
    )


def _figure(figure: Figure, caption: str) -> str:
    with io.StringIO() as target:
        figure.savefig(target, format="svg", metadata={"Date": None})
        svg = target.getvalue()
    # The drawing alone: an XML prologue has no place inside HTML.
    svg = svg[svg.index("<svg") :].replace(
        "<svg", f'<svg role="img" aria-label="{html.escape(caption)}"', 1
    )
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"
