from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.cli import run
from faltcon.errors import FormatError
from faltcon.lab import connection_plan, experiment
from faltcon.lab.kernel import account

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
name = "mine"
kind = "connections"
base = "6.1"
target = "qemu-icount"
configuration = "minimal"
levels = [0, 2]
layouts = 3
connections = 100
seed = 7

[[phases]]
server = "accept"
values = [0, 50]
layouts = 2

[[phases]]
server = "nginx"
values = [64]
layouts = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    return file


@pytest.mark.parametrize("name", ["fig4a", "fig4b"])
def test_load__the_projects_own(name: str) -> None:
    described = experiment.folder() / f"{name}.toml"
    assert connection_plan.is_plan(described)
    assert connection_plan.load(described).name == name


def test_is_plan__another_kind() -> None:
    assert not connection_plan.is_plan(experiment.folder() / "fig3.toml")


def test_phases__each_layout_has_what_it_is_to_have(file: Path) -> None:
    plan = connection_plan.load(file)
    boots = connection_plan.order(plan)
    assert {b.run for b in boots} == {
        f"l{layout:02d}-{kernel}" for layout in (1, 2, 3) for kernel in ("stock", "faltcon")
    }
    of = {b.run: connection_plan.phases(plan, b) for b in boots}
    assert len(of["l01-faltcon"]) == 2 * 3
    assert set(of["l03-faltcon"]) == {account.Phase(0, "nginx", 64), account.Phase(2, "nginx", 64)}
    assert {p.level for p in of["l01-stock"]} == {0}


def test_phases__same_seed_same_order(file: Path) -> None:
    plan = connection_plan.load(file)
    boot = connection_plan.order(plan)[0]
    assert connection_plan.phases(plan, boot) == connection_plan.phases(plan, boot)
    file.write_text(GOOD.replace("seed = 7", "seed = 8"))
    other = connection_plan.load(file)
    assert [connection_plan.phases(other, b) for b in connection_plan.order(other)] != [
        connection_plan.phases(plan, b) for b in connection_plan.order(plan)
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('base = "6.1"', "base = 6.1", "base is no text"),
        ("layouts = 3\nconnections", "layouts = 0\nconnections", "above 0"),
        ("levels = [0, 2]", "levels = [0, 9]", "there is not"),
        ("levels = [0, 2]", "levels = [0, 0]", "different numbers"),
        ('server = "nginx"', 'server = "caddy"', "unknown server"),
        ("layouts = 2", "layouts = 9", "more layouts"),
        ('target = "qemu-icount"', 'target = "um"', "unknown target"),
        ("seed = 7", "seed = 7\nfoo = 1", "unknown field 'foo'"),
        ("seed = 7", "", "lacks the field 'seed'"),
        ("seed = 7", "seed = ", "is not TOML"),
        ("values = [64]", "values = [64]\nmore = 1", "server, values and layouts"),
    ],
)
def test_load__says_what_is_wrong(file: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(FormatError, match=says):
        connection_plan.load(file)


def test_cli__dry_run_prints_the_order(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert run(["lab", "run", "mine", "--file", str(file), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "mine/l01-" in lines[0]
    assert "8081,64" in lines[0]


def test_stages__the_projects_own_file() -> None:
    found = account.load_stages()
    assert len(set(found.names)) == len(found.names)
    assert found.absorbing == {"client", "idle", "tick"}


def test_stages__a_name_twice(tmp_path: Path) -> None:
    file = tmp_path / "stages.toml"
    file.write_text(account.stages_file().read_text().replace('"epoll"', '"read"'))
    with pytest.raises(FormatError, match="read twice"):
        account.load_stages(file)


def test_write_list__lines_for_what_the_kernel_has(tmp_path: Path) -> None:
    names = [
        "tcp_v4_rcv", "__switch_to_asm", "__switch_to", "__x64_sys_getsid", "tcp_conn_request",
        "asm_sysvec_apic_timer_interrupt",
    ]  # fmt: skip
    system_map = tmp_path / "System.map"
    system_map.write_text(
        "".join(f"{0xFFFFFFFF81000000 + 16 * i:x} T {name}\n" for i, name in enumerate(names))
    )
    out = tmp_path / "list"
    account.write_list(account.load_stages(), system_map, out)
    lines = out.read_text().splitlines()
    assert "function ffffffff81000000 tcp_v4_rcv" in lines
    assert "from ffffffff81000010" in lines
    assert "interrupt ffffffff81000050" in lines
    assert sum(line.startswith("decide") for line in lines) == 1
    system_map.write_text("ffffffff81000000 T tcp_v4_rcv\n")
    with pytest.raises(FormatError, match="__switch_to_asm"):
        account.write_list(account.load_stages(), system_map, out)
