from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.counts import OTHERS
from faltcon.errors import FormatError
from faltcon.lab.kernel import buckets

if TYPE_CHECKING:
    from pathlib import Path

MAP = """ffffffff81000000 T tcp_v4_rcv
ffffffff81000100 t tcp_make_synack
ffffffff81000200 T ip_build_and_send_pkt
ffffffff81000300 T asm_sysvec_call_function
ffffffff81000400 t twice
ffffffff81000500 t twice
ffffffff81001000 T irq_entries_start
ffffffff82000000 D tcp_hashinfo
"""


@pytest.fixture
def system_map(tmp_path: Path) -> Path:
    file = tmp_path / "System.map"
    file.write_text(MAP)
    return file


def test_the_projects_file_gives_each_function_one_bucket() -> None:
    found = buckets.load()
    assert found.names[0] == OTHERS
    assert set(found.functions.values()) == set(found.names)
    assert {"request_sock", "synack", "route", "faltcon", "client"} == set(found.names[1:])


def test_a_function_in_two_buckets_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "buckets.toml"
    file.write_text(
        '[window]\nopen=["a"]\nclose=["b"]\n[guest]\ncpu="max"\n[buckets]\nx=["f"]\ny=["f"]\n'
    )
    with pytest.raises(FormatError, match="has f in x and in y"):
        buckets.load(file)


def test_symbols_are_text_and_unambiguous(system_map: Path) -> None:
    found = buckets.symbols(system_map)
    assert found["tcp_make_synack"] == 0xFFFFFFFF81000100
    assert "twice" not in found
    assert "tcp_hashinfo" not in found


def test_the_list_has_window_regions_and_interrupts(system_map: Path, tmp_path: Path) -> None:
    target = tmp_path / "list"
    absent = buckets.write_list(buckets.load(), system_map, target)
    lines = target.read_text().splitlines()
    number = buckets.load().regions.index("tcp_make_synack")
    assert "ffffffff81000000 0 1" in lines
    assert f"ffffffff81000100 {number} 0" in lines
    assert "ffffffff81000200 0 2" in lines
    assert "interrupt ffffffff81000300" in lines
    assert "interrupt ffffffff81001008" in lines
    assert "inet_reqsk_alloc" in absent
    assert not any(line.startswith("thunk") for line in lines)


def test_a_call_within_another_has_its_callers_region(tmp_path: Path) -> None:
    file = tmp_path / "System.map"
    file.write_text(
        MAP
        + "ffffffff81002000 T inet_csk_accept\nffffffff81002100 T kmem_cache_free\n"
        + "ffffffff81003000 T __x86_indirect_thunk_array\n"
        + "ffffffff81003000 T __x86_indirect_thunk_rax\n"
        + "ffffffff810031e0 T __x86_indirect_thunk_r15\n"
    )
    buckets.write_list(buckets.load(), file, tmp_path / "list")
    regions = buckets.load().regions
    free = regions.index("kmem_cache_free in inet_csk_accept")
    lines = (tmp_path / "list").read_text().splitlines()
    assert f"ffffffff81002100 {free} 0 {regions.index('inet_csk_accept')}" in lines
    assert "thunk ffffffff81003000 ffffffff81003200" in lines


@pytest.mark.parametrize(
    "within",
    ['{ caller = "g", bucket = "x" }', '{ caller = "f", bucket = "y" }', '{ caller = "f" }'],
)
def test_a_call_within_nothing_known_is_refused(tmp_path: Path, within: str) -> None:
    file = tmp_path / "buckets.toml"
    file.write_text(
        '[window]\nopen=["a"]\nclose=["b"]\n[guest]\ncpu="max"\n[buckets]\nx=["f"]\n'
        f"[within]\nh = {within}\n"
    )
    with pytest.raises(FormatError, match="bucket"):
        buckets.load(file)


def test_a_kernel_without_the_window_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "System.map"
    file.write_text("ffffffff81000000 T tcp_v4_rcv\n")
    with pytest.raises(FormatError, match="has no ip_build_and_send_pkt"):
        buckets.write_list(buckets.load(), file, tmp_path / "list")


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "System.map"
    file.write_text("hello\n")
    with pytest.raises(FormatError, match="line 1"):
        buckets.symbols(file)
