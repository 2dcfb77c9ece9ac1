from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon import bars, handshake, paths, provenance
from faltcon.counts import Sums
from faltcon.errors import UsageError
from faltcon.lab import experiment
from faltcon.lab.kernel import series

if TYPE_CHECKING:
    from pathlib import Path

BUCKETS = {
    "others": "others", "alloc": "request_sock", "make": "synack", "route": "route",
    "pull": "faltcon", "write": "client",
}  # fmt: skip
# Of a handshake: inside the window, outside it.
STOCK = ({"others": 500, "alloc": 200, "make": 300}, {"others": 4000, "alloc": 100, "write": 900})
KEPT = ({"others": 400, "pull": 200}, {"others": 4000, "pull": 100, "write": 100})


def boot(
    arm: str, layout: int, sums: tuple[dict[str, int], dict[str, int]], more: int = 0
) -> handshake.Boot:
    inside, outside = ({name: 10 * value for name, value in of.items()} for of in sums)
    outside["others"] += 10 * more
    return handshake.Boot(
        f"minimal-l{layout:02d}-{arm}", "measured-here", "minimal", arm, layout, 4,
        Sums(10, 0, inside, outside), BUCKETS,
    )  # fmt: skip


def boots(strangers: int) -> tuple[list[handshake.Boot], list[handshake.Boot]]:
    layouts = (1, 2, 3)
    repeated = [
        boot(arm, layout, STOCK if arm in {"stock", "level0"} else KEPT)
        for layout in layouts
        for arm in ("stock", "level0", "level2", "level3")
    ]
    unknown = [
        boot(arm, layout, STOCK, more=0 if arm == "stock" else strangers)
        for layout in layouts
        for arm in ("stock", "level2")
    ]
    return repeated, unknown


def test_instructions__each_limit_on_its_own_sums() -> None:
    found = bars.instructions(*boots(strangers=51))
    assert [(bar.value, bar.held) for bar in found] == [
        (pytest.approx(600 / 1000 - 1), True),  # the window
        (pytest.approx(-0.4), True),
        (pytest.approx(200 / 500 - 1), True),  # the objects
        (pytest.approx(-0.6), True),
        (pytest.approx(700 / 1100 - 1), True),  # with frees and keeps
        (0.0, True),
        (pytest.approx(51 / 5100), True),  # strangers; the client's 900 are not the server's
    ]
    assert all(bar.n == 3 for bar in found)


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.002, -0.002, 0.004, "yes"),
        (0.002, -0.002, 0.013, "yes by the median; the interval reaches past the limit"),
        (0.006, 0.004, 0.007, "missed by the median; the interval reaches past the limit"),
        (0.02, 0.01, 0.03, "missed"),
    ],
)
def test_table__an_interval_on_both_sides_of_the_limit_is_said(
    value: float, low: float, high: float, said: str
) -> None:
    bar = bars.Bar("it", 0.005, "within", "share", value, low, high, 10)
    assert bars.table([bar]).loc[0, "Held"] == said


def test_instructions__a_missed_limit_is_said() -> None:
    missed = bars.instructions(*boots(strangers=103))[-1]
    assert not missed.held
    shown = bars.table([missed])
    assert shown.loc[0, "Held"] == "missed"
    assert shown.loc[0, "Limit"] == "at most +2.0\N{NO-BREAK SPACE}%"


def test_instructions__without_an_arm_there_is_no_table() -> None:
    repeated, unknown = boots(strangers=0)
    with pytest.raises(UsageError, match="stock"):
        bars.instructions([b for b in repeated if b.arm != "stock"], unknown)


COUNTS = {
    "hits": {"hits": 9995, "misses": 5, "skb_pulls": 9980, "skb_allocs": 20},
    "idle": {"after_f_request_socks": 0, "after_f_synacks": 0},
} | {
    flood: {
        "max_pairs": 4096, "max_objects": 100, "most_nodes": 4096, "most_f_request_socks": 8,
        "during_syns": 1000, "during_cookies": 100, "during_hits": 890,
        "after_syns": 1000, "after_cookies": 0, "after_hits": 1000,
    }
    for flood in ("flood_syn", "flood_connect")
}  # fmt: skip


def test_counted__the_worst_boot_decides(tmp_path: Path) -> None:
    for number, kept in enumerate((0, 3)):
        folder = tmp_path / "bounds" / f"minimal-l0{number}-level2"
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text("{}")
        counts = COUNTS | {"idle": {"after_f_request_socks": kept, "after_f_synacks": 0}}
        lines = [f"bounds: {c} {n} {v}" for c, of in counts.items() for n, v in of.items()]
        (folder / "bounds.txt").write_text("\n".join(lines) + "\n")
    found = {bar.what: bar for bar in bars.counted(tmp_path)}
    assert found["hit rate of a warm pair, requests"].held
    assert not found["hit rate of a warm pair, SYNACKs"].held
    assert found["kept after the elimination timer without traffic"].value == 3
    assert not found["kept after the elimination timer without traffic"].held
    assert found["SYN flood: pairs held"].held
    assert not found["SYN flood: legitimate pair's hit rate meanwhile"].held
    assert found["SYN flood: the same one window later"].held
    shown = bars.table(list(found.values())).set_index("What")
    assert shown.loc["hit rate of a warm pair, requests", "Here"] == "99.95\N{NO-BREAK SPACE}%"
    assert shown.loc["SYN flood: pairs held", "Limit"] == "at most 4,096\N{NO-BREAK SPACE}pairs"


def test_recordings__strangers_are_whole_and_of_the_series_that_the_project_has() -> None:
    """Whoever changes the series records them anew: `faltcon lab run strangers --force`."""
    what = experiment.load("strangers")
    folders = provenance.runs(paths.raw_dir(), what.name)
    assert {folder.name for folder in folders} == {step.run for step in experiment.order(what)}
    patches = series.digest(series.patches(what.base))
    for folder in folders:
        document = provenance.load(folder)
        assert document["parameters"]["load"] == "strangers"
        stock = document["parameters"]["arm"] == "stock"
        assert document["kernel"]["patch_series_sha256"] == (None if stock else patches)
