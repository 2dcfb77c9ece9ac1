from __future__ import annotations

import io

import pandas as pd
import pytest

from faltcon.figures import model as figures
from faltcon.model import Policy
from faltcon.simulate import generate, memory, sweep


def svg(figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def lines(panel) -> list[list[float]]:
    return [list(line.get_ydata()) for line in panel.get_lines()]


def test_design_space__draws_the_table() -> None:
    trace = generate.zipf(2000, clients=20, rate=500)
    frame = sweep.one_at_a_time(trace, Policy(), 2, axes={"k_t": (0, 5), "cores": (1, 4)})
    figure = figures.design_space(frame, origin="synthetic: a test")
    panels = figure.get_axes()
    assert len(panels) == 4
    shares = frame["hit_share"].tolist()
    assert [lines(panel)[0] for panel in panels[:2]] == [shares[:2], shares[2:]]
    assert lines(panels[2])[0] == frame["objects_peak"].tolist()[:2]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0", "5"]
    assert "synthetic: a test" in figure.get_supxlabel()
    assert "<svg" in svg(figure)


def test_policies_compared__bars_are_the_shares() -> None:
    frame = pd.DataFrame(
        {
            "policy": ["slab cache", "FALTCON"],
            "objects_peak": [10, 2000],
            "memory_share": [0.9, 0.5],
            "state_share": [0.0, 0.5],
        }
    )
    figure = figures.policies_compared(frame, origin="x")
    (panel,) = figure.get_axes()
    widths = [patch.get_width() for patch in panel.patches]
    assert widths == [0.9, 0.5, 0.0, 0.5]
    assert panel.get_yticklabels()[1].get_text() == "FALTCON\n(2,000 objects)"


def test_archive_over_time__draws_every_column() -> None:
    frame = pd.DataFrame(
        {
            "time_s": [0, 1],
            "nodes": [1, 2],
            "f_pairs": [0, 1],
            "objects": [0, 3],
            "synacks": [0, 4],
            "hit_share": [None, 0.5],
        }
    )
    held, served = figures.archive_over_time(frame, origin="x").get_axes()
    assert lines(held) == [[1, 2], [0, 1], [0, 3], [0, 4]]
    assert lines(served)[0][1] == 0.5


def test_memory_at_rates__names_each_point() -> None:
    frame = memory.at_rates({"a campus": 800.0, "a server": 2e5}, 30, memory.Sizes(128, 300, 900))
    (panel,) = figures.memory_at_rates(frame, origin="x").get_axes()
    assert [text.get_text() for text in panel.texts] == ["a campus", "a server"]
    assert lines(panel) == [frame["nodes_most_bytes"].tolist()]


@pytest.mark.parametrize(
    ("value", "text"), [(999, "999 B"), (1000, "1 KB"), (2.5e9, "2.5 GB"), (3e15, "3000 TB")]
)
def test_bytes__readable(value: float, text: str) -> None:
    assert figures._bytes(value, 0) == text  # noqa: SLF001  a formatter that matplotlib calls
