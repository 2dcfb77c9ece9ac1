from __future__ import annotations

import io

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from faltcon.errors import UsageError
from faltcon.figures import fig1, style

PAPER_LAYERS = {"tx": 0.56, "rx": 0.62}
PAPER_PHASES = {"establishment": 0.46, "shutdown": 0.14, "data": 0.40}


@pytest.fixture(autouse=True)
def _close():  # type: ignore[no-untyped-def]
    yield
    plt.close("all")


def layers(runs: int = 3) -> pd.DataFrame:
    parts = {"tx": {"tcp": 0.5, "ip": 0.3, "core": 0.2}, "rx": {"tcp": 0.6, "socket": 0.4}}
    return pd.DataFrame(
        {"run": str(run), "direction": way, "layer": layer, "share": share + 0.01 * (run - 1)}
        for run in range(runs)
        for way, shares in parts.items()
        for layer, share in shares.items()
    )


def phases(runs: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        {"run": str(run), "phase": phase, "share": share + 0.01 * (run - 1)}
        for run in range(runs)
        for phase, share in {"establishment": 0.4, "data": 0.2, "shutdown": 0.4}.items()
    )


def texts(figure: plt.Figure) -> str:
    axes = figure.axes[0]
    legend = axes.get_legend()
    found = [text.get_text() for text in axes.texts]
    found += [text.get_text() for text in legend.get_texts()] if legend else []
    found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return " | ".join([*found, figure.get_supxlabel(), axes.get_title()])


def test_layers_figure__bars_reach_the_whole_and_the_paper_stands_beside() -> None:
    figure = fig1.layers_figure(layers(), PAPER_LAYERS, origin="measured-here")
    tops = {
        round(bar.get_x() + bar.get_width() / 2, 2): bar.get_y() + bar.get_height()
        for bar in figure.axes[0].patches
    }
    assert len(tops) == 4
    assert list(tops.values()) == pytest.approx([100] * 4)
    shown = texts(figure)
    for expected in ("TX\nhere", "RX\npaper", "56", "62", "50", "60", "n = 3", "measured for this"):
        assert expected in shown


def test_layers_figure__interval_of_tcp() -> None:
    figure = fig1.layers_figure(layers(), PAPER_LAYERS, origin="measured-here")
    [low, high] = figure.axes[0].collections[0].get_segments()[0][:, 1]
    assert 49 <= low <= 50 <= high <= 51


def test_layers_figure__one_run_has_no_interval() -> None:
    figure = fig1.layers_figure(layers(runs=1), {}, origin="synthetic")
    assert not figure.axes[0].collections
    assert "n = 1" in texts(figure)


def test_phases_figure__heights_and_paper() -> None:
    figure = fig1.phases_figure(phases(), PAPER_PHASES, origin="measured-here")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([40, 46, 20, 40, 40, 14])
    assert "establishment" in texts(figure)


def test_rule_figure__a_row_a_rule_and_setup_a_point_a_size() -> None:
    table = pd.DataFrame(
        {"run": str(run), "variant": rule, "setup": setup, "response_bytes": size, "share": 0.4}
        for run in range(2)
        for rule in ("innermost", "ack-as-data")
        for setup in ("veth", "loopback")
        for size in (64, 4096)
    )
    figure = fig1.rule_figure(table, 0.46, origin="measured-here")
    points = [
        line for line in figure.axes[0].lines if line.get_marker() == "o" and len(line.get_xdata())
    ]
    assert len(points) == 8
    shown = texts(figure)
    for expected in ("innermost, veth", "ack-as-data, loopback", "4,096 B", "paper: 46 %", "n = 2"):
        assert expected in shown


def test_figures__refuse_tables_that_lack_columns_or_rows() -> None:
    with pytest.raises(UsageError, match="lacks the column layer"):
        fig1.layers_figure(layers().drop(columns="layer"), {}, origin="synthetic")
    with pytest.raises(UsageError, match="no rows"):
        fig1.phases_figure(phases().iloc[:0], {}, origin="synthetic")


def test_figures__render_without_warnings() -> None:
    for form in ("png", "svg"):
        figure = fig1.layers_figure(layers(), PAPER_LAYERS, origin="measured-here")
        figure.savefig(io.BytesIO(), format=form)


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [style.GREYS["dark"], style.PAPER, "black"])
def test_style__text_has_contrast_on_the_card(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_style__card_is_white() -> None:
    style.apply()
    assert mpl.rcParams["figure.facecolor"] == "white"
    assert mpl.rcParams["savefig.facecolor"] == "white"
