from __future__ import annotations

import pandas as pd
import pytest

from faltcon import claims
from faltcon.verdicts.evidence import Evidence
from faltcon.verdicts.registry import ANSWERS

IDS = (
    "gain-max-abstract", "gain-mean", "gain-small-sizes", "gain-2-cores", "gain-18-cores",
    "gain-all-cores", "saturation-size", "gain-range-end",
)  # fmt: skip


def evidence(window_left: float, *, smallest: float = 30_000.0) -> Evidence:
    """Recordings in which level 2 leaves so many of 4000 instructions of the window."""
    rows = [
        (experiment, f"l{layout}-{arm}", arm, layout, server, value, rest + window + layout, window)
        for experiment, values in (("fig4a", (64,)), ("fig4b", (64, 2048, 65536)))
        for layout in (1, 2, 3)
        for arm, window in (("stock", 4000.0), ("level2", window_left))
        for server, value, rest in (
            ("accept", 0, smallest),
            *(("nginx", size, 60_000.0 + 10 * size) for size in values),
        )
    ]
    columns = ["experiment", "run", "arm", "layout", "server", "value", "instructions", "window"]
    table = pd.DataFrame(rows, columns=columns)
    found = Evidence()
    found.__dict__["_connection_costs"] = {
        name: table[table["experiment"] == name] for name in ("fig4a", "fig4b")
    }
    return found


def answer(name: str, of: Evidence) -> tuple[str, float | None]:
    finding = ANSWERS[name](claims.get(name), of)
    return finding.verdict, finding.ours


def test_gain__the_papers_is_out_of_reach_where_the_handshake_is_a_small_part() -> None:
    of = evidence(3000.0)
    assert answer("gain-mean", of)[0] == "not reproduced"
    verdict, ours = answer("gain-max-abstract", of)
    assert verdict == "not reproduced"
    assert ours == pytest.approx(100 * (64_000 + 642) / (63_000 + 642) - 100, abs=0.01)


def test_gain__partly_where_some_server_gains_as_much() -> None:
    of = evidence(0.0, smallest=10_000.0)
    assert answer("gain-max-abstract", of)[0] == "partly"
    assert answer("gain-mean", of)[0] == "partly"


def test_gain__small_sizes_end_where_the_papers_do() -> None:
    finding = ANSWERS["gain-small-sizes"](claims.get("gain-small-sizes"), evidence(3000.0))
    assert "65536" not in finding.why
    assert finding.sources[0].startswith("data/raw/fig4b")


def test_ahead__on_one_core_is_part_of_the_claim_and_behind_is_none() -> None:
    assert answer("gain-all-cores", evidence(3000.0))[0] == "partly"
    assert answer("gain-all-cores", evidence(4500.0))[0] == "not reproduced"


@pytest.mark.parametrize("name", ["gain-2-cores", "gain-18-cores", "saturation-size"])
def test_what_was_not_tested__says_what_to_expect(name: str) -> None:
    finding = ANSWERS[name](claims.get(name), evidence(3000.0))
    assert finding.verdict == "cannot be tested here"
    assert "evel 2 saves" in finding.estimate


@pytest.mark.parametrize("name", IDS)
def test_nothing_recorded__cannot_be_tested(name: str) -> None:
    none = Evidence()
    none.__dict__["_connection_costs"] = {"fig4a": pd.DataFrame(), "fig4b": pd.DataFrame()}
    assert answer(name, none) == ("cannot be tested here", None)
