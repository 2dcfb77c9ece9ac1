# ruff: noqa: E501  header lines are quoted as perf writes them
from __future__ import annotations

import time

import pytest

from faltcon.perf.grammar import parse_frame, parse_header
from faltcon.perf.samples import Frame, is_kernel_dso

HEADERS = [
    ("java 25607 4794564.109216: cycles:", ("java", None, 25607, None, 4794564.109216, "cycles")),
    ("java 12688 [002] 6544038.708352: cpu-clock: ", ("java", None, 12688, 2, 6544038.708352, "cpu-clock")),
    ("V8 WorkerThread 24636/25607 [000] 94564.109216: cycles:", ("V8 WorkerThread", 24636, 25607, 0, 94564.109216, "cycles")),
    ("java 19983 cycles:", ("java", None, 19983, None, None, "cycles")),
    ("node-v011 31912 cpu-clock: ", ("node-v011", None, 31912, None, None, "cpu-clock")),
    ("my app 2 [x] 7/8 [001] 1.000001:  250000 cpu-clock:uhH: ", ("my app 2 [x]", 7, 8, 1, 1.000001, "cpu-clock:uhH")),
    ("perf   977/977   [000] 7628263.042515: cycles: ", ("perf", 977, 977, 0, 7628263.042515, "cycles")),
    ("a 5 1.5: cycles:", ("a", None, 5, None, 1.5, "cycles")),
    ("         swapper     0 [001]   12.345678:     250000 cycles: ", ("swapper", None, 0, 1, 12.345678, "cycles")),
    (":-1 -1 [000] 1.5: cycles: ", (":-1", None, -1, 0, 1.5, "cycles")),
    ("x 1/2 [000] d.h2. 1.5: cycles: ", ("x", 1, 2, 0, 1.5, "cycles")),
    ("x 1/2 [000] 1.5: sched:sched_switch: prev_comm=a prev_pid=3", ("x", 1, 2, 0, 1.5, "sched:sched_switch")),
    ("x 1/2 [000] 1.500000001:", ("x", 1, 2, 0, 1.500000001, None)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fields"), HEADERS)
def test_parse_header__forms(line: str, fields: tuple[object, ...]) -> None:
    sample = parse_header(line, expected=False)
    assert sample is not None
    found = (sample.comm, sample.pid, sample.tid, sample.cpu, sample.time_s, sample.event)
    assert found == fields


def test_parse_header__period() -> None:
    with_period = parse_header("dd 1 2.5:   10101010 cpu-clock: ", expected=True)
    assert with_period is not None
    assert (with_period.period, with_period.weight) == (10101010, 10101010)
    without = parse_header("dd 1 2.5: cpu-clock: ", expected=True)
    assert without is not None
    assert (without.period, without.weight) == (None, 1)


def test_parse_header__bare_only_after_a_blank_line() -> None:
    bare = parse_header("lighttpd 123/124 [001]", expected=True)
    assert bare is not None
    assert (bare.tid, bare.event) == (124, None)
    assert parse_header("lighttpd 123/124 [001]", expected=False) is None


def test_parse_header__frame_on_its_line() -> None:
    line = "false 64414 20110.539270:      34467 cycles:u:  ffffffff9aa3c8de [unknown] ([unknown])"
    sample = parse_header(line, expected=True)
    assert sample is not None
    assert sample.event == "cycles:u"
    assert sample.frames == (Frame(0xFFFFFFFF9AA3C8DE, "[unknown]", None, "[unknown]"),)


def test_parse_header__hex_comm_is_no_frame() -> None:
    sample = parse_header("     dd 29776 66.771979: probe:f: (ffffffffba398b80)", expected=True)
    assert sample is not None
    assert sample.comm == "dd"
    assert sample.frames == ()


@pytest.mark.parametrize(
    "line",
    [
        "iperf 27409/28744 [000] 441995.13",
        "iperf 27409/28744 [000] 441995.133575: cpu-cl",
        "ffffffff8103d0ca native_write_msr_safe ([kernel.kallsyms])",
        "\tffffffff8103d0ca LazyCompile:~body 12 evalmachine: (/tmp/perf-7.map)",
        "THIS IS NO HEADER",
    ],
)
def test_parse_header__other_lines(line: str) -> None:
    assert parse_header(line, expected=False) is None


FRAMES = [
    ("\t    ffffffff81 f+0x1f ([kernel.kallsyms])", 0xFFFFFFFF81, "f", 0x1F, "[kernel.kallsyms]"),
    ("7f72 JavaCalls::call_helper(JavaValue, Thread) (/home/x/libjvm.so)", 0x7F72, "JavaCalls::call_helper(JavaValue, Thread)", None, "/home/x/libjvm.so"),
    ("  12 [unknown] (/memfd:pulse (deleted))", 0x12, "[unknown]", None, "/memfd:pulse (deleted)"),
    ("  12 operator() (/bin/x)", 0x12, "operator()", None, "/bin/x"),
    ("  12  (/bin/x)", 0x12, "", None, "/bin/x"),
    ("  12 f (/srv/a)b)", 0x12, "f", None, "/srv/a)b"),
    ("  12 main.(*T).go+0xa (/bin/a b)", 0x12, "main.(*T).go", 0xA, "/bin/a b"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "address", "symbol", "offset", "dso"), FRAMES)
def test_parse_frame__forms(
    line: str, address: int, symbol: str, offset: int | None, dso: str
) -> None:
    assert parse_frame(line) == Frame(address, symbol, offset, dso)


@pytest.mark.parametrize(
    "line", ["\tTHIS_IS_A_WEIRD_LINE", "\tffff f", "\tffff f (x", "\tffff f(x)", ")", ""]
)
def test_parse_frame__other_lines(line: str) -> None:
    assert parse_frame(line) is None


@pytest.mark.parametrize("character", [" ", "(", ")", "1", "[", "a ", "1 ", " 1/"])
def test_grammar__long_hostile_lines_take_no_time(character: str) -> None:
    line = character * 200_000
    start = time.perf_counter()
    parse_header("a" + line, expected=True)
    parse_header(line, expected=True)
    parse_frame(line)
    parse_frame("\tff " + line + ")")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("dso", "kernel"),
    [
        ("[kernel.kallsyms]", True),
        ("[guest.kernel.kallsyms]", True),
        ("[nf_conntrack]", True),
        ("/lib/modules/4.3.0/build/vmlinux", True),
        ("/lib/modules/6.1.0/kernel/net/veth.ko.xz", True),
        ("[unknown]", False),
        ("[vdso]", False),
        ("[heap]", False),
        ("/usr/bin/vi", False),
    ],
)
def test_is_kernel_dso(dso: str, kernel: bool) -> None:
    assert is_kernel_dso(dso) is kernel
