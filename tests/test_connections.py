from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import zstandard

from faltcon import connections, paths, provenance, stages
from faltcon.errors import FormatError, InputError, UsageError
from faltcon.files import sha256_of
from faltcon.lab import connection_plan
from faltcon.lab import experiment as described
from faltcon.lab.kernel import account, series

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (*stages.GIVEN, "idle", connections.TIMERS, stages.WINDOW)
COUNT = 10
# From SYN to SYNACK, of each arm; everything else takes 900 in each.
WINDOW = {"stock": 100, "level0": 104, "level2": 50, "level3": 40}


def phase(window: int, more: int = 0) -> list[str]:
    return [
        "stage 1 instructions 9000 calls 0",
        "function user-space 9000",
        "stage 2 instructions 7000 calls 0",
        "function tun_get_user 7000",
        f"stage 5 instructions {COUNT * (window + more)} calls {COUNT}",
        f"function tcp_conn_request {COUNT * (window + more)}",
    ]


def write(root: Path, kernel: str, layout: int, levels: tuple[int, ...]) -> Path:
    folder = root / "fig4a" / f"l{layout:02d}-{kernel}"
    folder.mkdir(parents=True)
    lines: list[str] = []
    for number, level in enumerate(levels):
        arm = "stock" if kernel == "stock" else f"level{level}"
        lines += [f"interval {2 * number} lost 0", f"stage 5 instructions 1 calls {COUNT}"]
        lines += [f"interval {2 * number + 1} lost 0", *phase(WINDOW[arm], layout)]
    lines += [f"interval {2 * len(levels)} lost 0"]
    lines += [f"stage 4 instructions {2 * COUNT * len(levels) * 3} calls 1"]
    lines += [f"interval {2 * len(levels) + 1} lost 0"]
    text = "\n".join(lines) + "\n"
    (folder / stages.COUNTS).write_bytes(zstandard.compress(text.encode()))
    (folder / stages.STAGES).write_text("".join(f"{name}\n" for name in NAMES))
    parameters = {
        "kernel": kernel, "layout": layout, "concurrent": 5, "connections": COUNT,
        "phases": " ".join(f"{level},accept,0" for level in levels),
    }  # fmt: skip
    document = {"origin": "measured-here", "parameters": parameters}
    (folder / provenance.FILE_NAME).write_text(json.dumps(document))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for layout in (1, 2, 3):
        write(tmp_path, "stock", layout, (0,))
        write(tmp_path, "faltcon", layout, (3, 0, 2))
    return tmp_path


def test_costs__of_a_connection_with_its_time_wait(root: Path) -> None:
    table = connections.costs(connections.load("fig4a", root))
    stock = table[(table["arm"] == "stock") & (table["layout"] == 2)].iloc[0]
    # User space, SYN to SYNACK, and the timer's work shared among all connections.
    assert stock["instructions"] == 900 + 102 + 3
    assert stock["window"] == 102
    assert stock["user"] == 900


def test_load__arms_of_one_boot_keep_their_order(root: Path) -> None:
    found = connections.load("fig4a", root)
    assert [p.arm for p in found if p.run == "l01-faltcon"] == ["level3", "level0", "level2"]


def test_changes__layout_by_layout(root: Path) -> None:
    table = connections.costs(connections.load("fig4a", root))
    found = connections.changes(table, "level2")["accept", 0]
    assert found.n == 3
    assert found.value == pytest.approx(1005 / 955 - 1)
    assert connections.changes(table, "level0")["accept", 0].high < 0


def test_time_wait__the_cost_of_waiting_itself_is_left_out() -> None:
    assert connections.time_wait([(100, 5000 + 300), (400, 5000 + 1200)]) == pytest.approx(3)
    assert connections.time_wait([(100, 300), (100, 500)]) == pytest.approx(4)


def test_savings__in_instructions(root: Path) -> None:
    table = connections.costs(connections.load("fig4a", root))
    assert set(connections.savings(table, "level3")["saved"]) == {60.0}


def test_changes__an_arm_that_was_not_recorded(root: Path) -> None:
    table = connections.costs(connections.load("fig4a", root))
    with pytest.raises(UsageError, match="level1"):
        connections.changes(table, "level1")


def test_stage_table__medians(root: Path) -> None:
    table = connections.stage_table(connections.load("fig4a", root), "accept", 0)
    assert table.loc[stages.WINDOW, "level2"] == 52
    assert list(table.columns) == ["stock", "level0", "level2", "level3"]
    with pytest.raises(UsageError, match="nginx"):
        connections.stage_table(connections.load("fig4a", root), "nginx", 64)


def test_check__the_clients_work_on_the_servers_side(tmp_path: Path) -> None:
    text = "\n".join(["interval 0 lost 0", "interval 1 lost 0", *phase(100)])
    text += "\ninterval 2 lost 0\ninterval 3 lost 0\n"
    file = tmp_path / "out"

    def checked(changed: str) -> None:
        stages.check(stages.read_boot(changed, NAMES, 1, file), COUNT, file)

    checked(text)
    with pytest.raises(FormatError, match="client's instructions"):
        checked(text.replace("function tcp_conn_request", "function tun_get_user"))
    with pytest.raises(FormatError, match="of TCP counted as the client"):
        checked(text.replace("function tun_get_user", "function tcp_ack"))
    with pytest.raises(FormatError, match="as many SYNs"):
        checked(text.replace(f"calls {COUNT}", "calls 7"))
    with pytest.raises(FormatError, match="told apart"):
        checked(text.replace("stage 2 instructions 7000 calls 0\nfunction tun_get_user 7000\n", ""))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (stages.COUNTS, b"plain"),
        (stages.COUNTS, zstandard.compress(b"interval 0 lost 0\n")),
        (stages.STAGES, b"others\n"),
        (provenance.FILE_NAME, b'{"origin": "measured-here", "parameters": {}}'),
    ],
)
def test_load__damage_names_the_file(root: Path, name: str, content: bytes) -> None:
    (root / "fig4a" / "l01-stock" / name).write_bytes(content)
    with pytest.raises(InputError):
        connections.load("fig4a", root)


def test_load__fewer_handshakes_than_connections(root: Path) -> None:
    file = root / "fig4a" / "l01-stock" / stages.COUNTS
    text = zstandard.decompress(file.read_bytes()).replace(b"calls 10\n", b"calls 1\n")
    file.write_bytes(zstandard.compress(text))
    with pytest.raises(FormatError, match="SYNs"):
        connections.load("fig4a", root)


def test_load__no_such_experiment(root: Path) -> None:
    with pytest.raises(UsageError, match="fig4a, fig4b"):
        connections.load("fig9", root)


@pytest.mark.parametrize("experiment", connections.EXPERIMENTS)
def test_load__the_projects_recordings_keep_client_and_server_apart(experiment: str) -> None:
    if not provenance.recorded(paths.raw_dir(), experiment):
        pytest.skip(f"{experiment} is not recorded")
    for found in connections.load(experiment):
        own, share = stages.strays(found.counts)
        assert own == 0, found.run
        assert share < stages.STRAY_SHARE, found.run


@pytest.mark.parametrize("experiment", connections.EXPERIMENTS)
def test_recordings__are_of_the_series_stages_and_plugin_that_the_project_has(
    experiment: str,
) -> None:
    """Whoever changes the series records them anew: `faltcon lab run fig4a --force`."""
    if not provenance.recorded(paths.raw_dir(), experiment):
        pytest.skip(f"{experiment} is not recorded")
    expected = {
        "stages_sha256": sha256_of(account.stages_file()),
        "plugin_sha256": sha256_of(account.plugin_source()),
    }
    patches = series.digest(series.patches("6.1"))
    plan = connection_plan.load(described.folder() / f"{experiment}.toml")
    folders = provenance.runs(paths.raw_dir(), experiment)
    assert {folder.name for folder in folders} == {b.run for b in connection_plan.order(plan)}
    for folder in folders:
        document = provenance.load(folder)
        for name, value in expected.items():
            assert document["parameters"][name] == value, (folder.name, name)
        stock = document["parameters"]["kernel"] == "stock"
        assert document["kernel"]["patch_series_sha256"] == (None if stock else patches)
