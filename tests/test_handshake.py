from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from faltcon import handshake, paths, provenance
from faltcon.cli import run
from faltcon.errors import FormatError, InputError, UsageError
from faltcon.files import sha256_of
from faltcon.lab import experiment
from faltcon.lab.kernel import series
from faltcon.model.costs import read_costs

if TYPE_CHECKING:
    from pathlib import Path

FUNCTIONS = (
    "region\tfunction\tbucket\n0\tothers\tothers\n1\tinet_reqsk_alloc\trequest_sock\n"
    "2\ttcp_make_synack\tsynack\n3\tinet_csk_route_req\troute\n"
)
# Instructions of a handshake by region, of each arm.
HANDSHAKE = {"stock": (500, 100, 200, 200), "level2": (480, 20, 50, 50)}


def counts_of(arm: str, more: int) -> str:
    """Ten handshakes between two snapshots, each part `more` longer."""
    regions = [(1000, 50, 0, 0), tuple(10 * (n + more) for n in HANDSHAKE[arm])]
    lines = []
    for number, parts in enumerate(regions):
        lines.append(f"snapshot {number} windows {10 * number} user {number} lost 0")
        before = regions[0] if number else (0,) * 4
        lines += [
            f"region {place} inside {value + old} outside {7 * number} calls {number}"
            for place, (value, old) in enumerate(zip(parts, before, strict=True))
        ]
    return "\n".join(lines) + "\n"


def write(root: Path, arm: str, layout: int, configuration: str = "minimal") -> Path:
    folder = root / "fig3" / f"{configuration}-l{layout:02d}-{arm}"
    folder.mkdir(parents=True)
    (folder / "counts.txt").write_text(counts_of(arm, layout - 1))
    (folder / "functions.tsv").write_text(FUNCTIONS)
    parameters = {
        "configuration": configuration, "arm": arm, "layout": layout, "concurrent_handshakes": 4,
    }  # fmt: skip
    document = {"origin": "measured-here", "parameters": parameters}
    (folder / provenance.FILE_NAME).write_text(json.dumps(document))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for layout in (1, 2, 3):
        for arm in HANDSHAKE:
            write(tmp_path, arm, layout)
    return tmp_path


def test_parts__of_one_handshake(root: Path) -> None:
    table = handshake.parts(handshake.load(root))
    first = table[(table["arm"] == "stock") & (table["layout"] == 1)].set_index("part")
    assert dict(first["instructions"]) == {
        "request_sock": 100, "synack": 200, "faltcon": 0, "route": 200, "others": 500,
    }  # fmt: skip
    assert first["outside"]["route"] == 0.7
    assert len(table) == 3 * 2 * len(handshake.PARTS)


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        ("route in others", {"others": 700, "synack": 200}),
        ("route in SYNACK", {"others": 500, "synack": 400}),
    ],
)
def test_of_parts__the_route_moves_and_the_sum_stays(
    root: Path, attribution: str, expected: dict[str, float]
) -> None:
    table = handshake.parts(handshake.load(root))
    moved = handshake.of_parts(table, attribution)
    stock = moved[(moved["arm"] == "stock") & (moved["layout"] == 1)].set_index("part")
    for part, value in expected.items():
        assert stock["instructions"][part] == value
    assert moved["instructions"].sum() == pytest.approx(table["instructions"].sum())
    assert "route" not in set(moved["part"])


def test_of_parts__an_unknown_attribution_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="route in others"):
        handshake.of_parts(handshake.parts(handshake.load(root)), "somewhere")


def test_changes__are_taken_layout_by_layout(root: Path) -> None:
    table = handshake.of_parts(handshake.parts(handshake.load(root)), "route in others")
    found = handshake.changes(table)
    # Layouts 1 to 3 add 0, 1 and 2 to each of the four regions.
    expected = [(600 + 4 * more) / (1000 + 4 * more) - 1 for more in range(3)]
    total = found["level2", "total"]
    assert total.value == pytest.approx(sorted(expected)[1])
    assert total.n == 3
    assert total.low >= min(expected) - 1e-9
    assert total.high <= max(expected) + 1e-9
    # Stock spends nothing on FALTCON: there is nothing to compare with.
    assert ("level2", "faltcon") not in found


def test_joined__structures_and_operations_are_one_part_and_the_sum_stays(root: Path) -> None:
    table = handshake.of_parts(handshake.parts(handshake.load(root)), "route in others")
    joined = handshake.joined(table)
    assert set(joined["part"]) == {"objects", "others"}
    found = handshake.changes(joined)
    assert found["level2", "total"] == handshake.changes(table)["level2", "total"]
    assert found["level2", "objects"].value == pytest.approx(74 / 302 - 1, abs=0.01)


def test_changes__an_arm_that_lacks_a_layout_is_refused(root: Path) -> None:
    write(root, "stock", 4)
    with pytest.raises(UsageError, match="same layouts"):
        handshake.changes(handshake.parts(handshake.load(root)))


def test_changes__without_stock_there_is_no_comparison(root: Path) -> None:
    table = handshake.parts(handshake.load(root))
    with pytest.raises(UsageError, match="stock"):
        handshake.changes(table[table["arm"] != "stock"])


def test_by_function__medians_over_layouts(root: Path) -> None:
    found = handshake.by_function(handshake.load(root))
    assert found.loc["inet_reqsk_alloc", "stock"] == 101
    assert found.loc["inet_reqsk_alloc", "level2"] == 21
    assert found.loc["inet_reqsk_alloc", "bucket"] == "request_sock"


def test_load__by_configuration(root: Path) -> None:
    write(root, "stock", 1, "debian")
    assert len(handshake.load(root)) == 7
    assert [b.arm for b in handshake.load(root, configuration="debian")] == ["stock"]
    with pytest.raises(UsageError, match="no recording"):
        handshake.load(root, configuration="none")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("functions.tsv", "nonsense\n", "no table of regions"),
        ("functions.tsv", FUNCTIONS + "9\tx\ty\n", "line 6"),
        ("functions.tsv", FUNCTIONS + "4\tothers\tothers\n", "line 6"),
        ("counts.txt", "snapshot 0 windows 1 user 1 lost 0\n", "single snapshot"),
        ("counts.txt", "snapshot 0 windows 1 user 1 lost 0\n" * 2, "no SYN was answered"),
        ("provenance.json", '{"origin": "measured-here", "parameters": {}}', "says no"),
    ],
)
def test_load__bad_recordings_are_named(root: Path, name: str, content: str, problem: str) -> None:
    folder = write(root, "stock", 9)
    (folder / name).write_text(content)
    with pytest.raises(FormatError, match=problem) as caught:
        handshake.load(root)
    assert str(folder / name) in str(caught.value)


def test_load__a_missing_file_is_an_input_error(root: Path) -> None:
    (write(root, "stock", 9) / "counts.txt").unlink()
    with pytest.raises(InputError, match=r"counts\.txt"):
        handshake.load(root)


def test_changes__against_another_arm(root: Path) -> None:
    table = handshake.parts(handshake.load(root))
    found = handshake.changes(table, base="level2")
    assert found["stock", "total"].value == pytest.approx(1004 / 604 - 1)
    with pytest.raises(UsageError, match="level9"):
        handshake.changes(table, base="level9")


def test_with_paths__counts_the_objects_outside_the_window_too(root: Path) -> None:
    found = handshake.with_paths(handshake.load(root))
    stock = found[(found["arm"] == "stock") & (found["layout"] == 1)]
    # 1000 in the window; each region has 0.7 outside it, two of them the objects'.
    assert list(stock["instructions"]) == [pytest.approx(1001.4)]
    assert set(found["part"]) == {"paths"}


def test_of_server__leaves_the_clients_system_calls_out(root: Path) -> None:
    for arm in HANDSHAKE:
        file = root / "fig3" / f"minimal-l01-{arm}" / "functions.tsv"
        file.write_text(FUNCTIONS.replace("inet_csk_route_req\troute", "__x64_sys_write\tclient"))
    found = handshake.of_server(handshake.load(root))
    stock = found[(found["arm"] == "stock") & (found["layout"] == 1)]
    # Its 200 inside the window stay: what is in there has been received.
    assert list(stock["instructions"]) == [pytest.approx(1000 + 3 * 0.7)]


def test_recordings__are_of_the_series_and_buckets_that_the_project_has() -> None:
    """Whoever changes the series records figure 3 anew: `faltcon lab run fig3 --force`."""
    kernel = paths.project_root() / "kernel"
    expected = {
        "buckets_sha256": sha256_of(kernel / "buckets.toml"),
        "plugin_sha256": sha256_of(kernel / "plugin" / "faltcon_count.c"),
    }
    patches = series.digest(series.patches("6.1"))
    folders = provenance.runs(paths.raw_dir(), "fig3")
    for folder in folders:
        document = provenance.load(folder)
        for name, value in expected.items():
            assert document["parameters"][name] == value, (folder.name, name)
        stock = document["parameters"]["arm"] == "stock"
        assert document["kernel"]["patch_series_sha256"] == (None if stock else patches)


def test_recordings__every_arm_in_every_layout_of_the_experiment() -> None:
    what = experiment.load("fig3")
    there = {folder.name for folder in provenance.runs(paths.raw_dir(), what.name)}
    assert there == {step.run for step in experiment.order(what)}


def test_costs__are_the_medians_and_a_miss_costs_all_operations(root: Path) -> None:
    for layout in (1, 2, 3):
        folder = write(root, "stock", layout + 10)
        document = json.loads((folder / provenance.FILE_NAME).read_text())
        document["parameters"] |= {"arm": "level0", "layout": layout}
        (folder / provenance.FILE_NAME).write_text(json.dumps(document))
    found = handshake.costs(handshake.load(root))
    # The middle layout of three adds 1; regions but `others` count what comes later, 0.7.
    assert found.parts["request_sock"]["stock"] == pytest.approx(101.7)
    assert found.parts["request_sock"]["hit"] == pytest.approx(21.7)
    assert found.parts["others"]["hit"] == pytest.approx(481)
    assert found.parts["faltcon"] == {"stock": 0, "miss": 0, "hit": 0}
    assert found.unit == "instructions"
    assert "measured-here" in found.origin


def test_costs__without_an_arm_are_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="level0"):
        handshake.costs(handshake.load(root))


def test_costs__of_the_recording_are_read_by_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "costs"]) == 0
    file = tmp_path / "costs.json"
    file.write_text(capsys.readouterr().out)
    costs = read_costs(file)
    boots = handshake.load(configuration="minimal")
    assert costs == handshake.costs(boots)
    # Each kind has every part, and FALTCON's operations are on a hit.
    assert set(costs.parts) == set(handshake.PARTS)
    assert costs.parts["faltcon"]["hit"] > costs.parts["faltcon"]["stock"] == 0
