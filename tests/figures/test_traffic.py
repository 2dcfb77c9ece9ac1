from __future__ import annotations

import io

import pandas as pd
import pytest

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
    assert [bar.get_height() for bar in axes.patches] == [0.7, 0.2]
    lines = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert {0.74, 0.25, 0.4} <= set(lines)


def test_connections_per_page__a_point_a_variant_and_page() -> None:
    frame = pd.DataFrame(
        {"variant": ["h1", "h2"] * 2, "page": ["p", "p", "q", "q"], "connections": [17, 2, 16, 2]}
    )
    axes = drawn(traffic.connections_per_page(frame, origin=ORIGIN))
    assert axes.get_ylim()[0] == 0
    assert [label.get_text() for label in axes.get_xticklabels()] == ["p", "q"]


def test_f_pairs_by_threshold__a_line_a_choice() -> None:
    rows = [
        {"k_t": k_t, "f_pairs": 9 - k_t, "window_kind": kind, "count": count}
        for k_t in (1, 2, 3)
        for kind in ("sliding", "tumbling")
        for count in ("syn", "established")
    ]
    axes = drawn(traffic.f_pairs_by_threshold(pd.DataFrame(rows), origin=ORIGIN))
    with_data = [line for line in axes.lines if len(line.get_xdata())]
    assert len(with_data) == 4
    assert list(with_data[0].get_ydata()) == pytest.approx([8, 7, 6])
