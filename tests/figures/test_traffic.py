from __future__ import annotations

import io
import itertools

import pandas as pd

from faltcon.figures import traffic

ORIGIN = "measured here"


def drawn(figure):
    """The figure's axes, after proving that it can be drawn and that it says its origin."""
    figure.savefig(io.BytesIO(), format="svg")
    assert any(ORIGIN in text.get_text() for text in [*figure.texts, figure._supxlabel])  # noqa: SLF001
    (axes,) = figure.axes
    assert axes.get_xlabel() or axes.get_ylabel()
    return axes


def test_transactions_per_connection__shares_are_right() -> None:
    frame = pd.DataFrame(
        {"variant": ["close"] * 4 + ["keep-alive"] * 2, "transactions": [1, 1, 1, 1, 1, 30]}
    )
    axes = drawn(traffic.transactions_per_connection(frame, origin=ORIGIN))
    assert len(axes.lines) == 2
    steps = {tuple(line.get_ydata()) for line in axes.lines}
    assert (0.0, 0.5, 1.0) in steps
    assert axes.get_xscale() == "log"


def test_single_transaction_shares__bars_and_the_papers_lines() -> None:
    frame = pd.DataFrame(
        {"variant": ["a", "b"], "share": [0.7, 0.2], "low": [0.6, 0.1], "high": [0.75, 0.3]}
    )
    paper = {"HTTP/1: 74 %": 0.74, "HTTP/2: 25 %": 0.25, "all: 40 %": 0.4}
    axes = drawn(traffic.single_transaction_shares(frame, paper, origin=ORIGIN))
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    lines = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert {0.74, 0.25, 0.4} <= set(lines)
    assert {"70%", "20%", *paper} <= {text.get_text() for text in axes.texts}


def test_connections_per_page__a_point_a_variant_and_page() -> None:
    frame = pd.DataFrame(
        {"variant": ["h1", "h2"] * 2, "page": ["p", "p", "q", "q"], "connections": [17, 2, 16, 2]}
    )
    axes = drawn(traffic.connections_per_page(frame, origin=ORIGIN))
    assert axes.get_ylim()[0] == 0
    assert [label.get_text() for label in axes.get_xticklabels()] == ["p", "q"]
    assert axes.get_legend() is None
    (legend,) = axes.get_figure().legends
    assert [text.get_text() for text in legend.get_texts()] == ["h1", "h2"]
    assert legend.get_title().get_text() == ""


def test_no_figure_is_cut_at_its_edge() -> None:
    """A text that leaves the canvas is lost in the report, and on the page in the worst case."""
    shares = pd.DataFrame(
        {"variant": ["h1keepalive-chromium", "h2c"], "share": [0.7, 0.0], "low": [0.7, 0.0]}
    )
    pairs = pd.concat(
        pd.DataFrame(
            {"k_t": [1, 50], "f_pairs": [7, 1], "window_kind": "sliding", "count": counted}
        )
        for counted in ("syn", "established")
    )
    loads = pd.DataFrame({"variant": "HTTP/1.1, keep-alive", "page": ["p"], "connections": [17]})
    for figure in (
        traffic.single_transaction_shares(
            shares.assign(high=shares["share"]), {"paper: 74 %": 0.74}, origin=ORIGIN
        ),
        traffic.f_pairs_by_threshold(pairs, origin=ORIGIN),
        traffic.connections_per_page(loads, origin=ORIGIN),
    ):
        figure.savefig(io.BytesIO(), format="png", dpi="figure")
        titles = [panel.title.get_window_extent() for panel in figure.axes]
        titles += [panel._left_title.get_window_extent() for panel in figure.axes]  # noqa: SLF001
        drawn_titles = sorted((b for b in titles if b.width > 1), key=lambda b: b.x0)
        for left, right in itertools.pairwise(drawn_titles):
            assert left.x1 < right.x0
        inside = figure.get_tightbbox()
        assert inside.x0 >= -0.02
        assert inside.y0 >= -0.02
        assert inside.x1 <= figure.get_figwidth() + 0.02
        assert inside.y1 <= figure.get_figheight() + 0.02


def test_f_pairs_by_threshold__a_line_a_choice() -> None:
    rows = [
        {"k_t": k_t, "f_pairs": 9 - k_t, "window_kind": kind, "count": count}
        for k_t in (1, 2, 3)
        for kind in ("sliding", "tumbling")
        for count in ("syn", "established")
    ]
    figure = traffic.f_pairs_by_threshold(pd.DataFrame(rows), origin=ORIGIN)
    figure.savefig(io.BytesIO(), format="svg")
    assert ORIGIN in figure.get_supxlabel()
    assert [panel.get_title(loc="left") or panel.get_title() for panel in figure.axes] == [
        "counting established connections",
        "counting SYNs",
    ]
    for panel in figure.axes:
        assert [list(line.get_ydata()) for line in panel.lines] == [[8, 7, 6], [8, 7, 6]]
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words == ["sliding window", "tumbling window"]


def test_lorenz__curve_and_diagonal():
    frame = pd.DataFrame({"f_keys_share": [0, 0.5, 1], "connections_share": [0, 0.1, 1]})
    axes = drawn(traffic.lorenz(frame, origin=ORIGIN))
    assert [list(line.get_ydata()) for line in axes.lines] == [[0, 0.1, 1], [0, 1]]
