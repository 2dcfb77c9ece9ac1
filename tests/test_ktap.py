from __future__ import annotations

import pytest

from faltcon.ktap import parse

END = "the end"


def report(text: str) -> tuple[list[str], list[str], list[str]]:
    found = parse(text.splitlines(), END)
    return found.passed, found.failed, found.skipped


def test_results_are_counted_by_kind() -> None:
    text = f"KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no such thing\n{END}"
    assert report(text) == (["a"], ["b"], ["c"])
    assert parse(text.splitlines(), END).summary() == "1 passed, 1 failed"


def test_all_passed_is_good() -> None:
    assert parse(["1..1", "ok 1 a", END], END).good


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["1..2", "ok 1 a", END], "1 planned tests gave no result"),
        (["1..1", "ok 1 a"], "the guest ended before its tests did"),
    ],
)
def test_what_is_missing_is_no_pass(lines: list[str], problem: str) -> None:
    found = parse(lines, END)
    assert not found.good
    assert problem in found.problems
    assert found.summary().endswith(", 1 failed")


def test_nothing_at_all_is_no_pass() -> None:
    assert not parse([END], END).good


def test_subtests_count_instead_of_their_sum() -> None:
    text = f"1..1\n    1..2\n    ok 1 x\n    not ok 2 y\nnot ok 1 suite\n{END}"
    assert report(text) == (["x"], ["y"], [])


# What KUnit prints of a suite with a parametrised case, then the guest's own tests.
KUNIT = f"""\
KTAP version 1
1..1
    # Subtest: tcp_faltcon
    1..2
        # Subtest: faltcon_scenario__counters
        ok 1 threshold__three
        not ok 2 window__edge
    # faltcon_scenario__counters: pass:1 fail:1 skip:0 total:2
    not ok 1 - faltcon_scenario__counters
    ok 2 - faltcon_slot__generation
# tcp_faltcon: pass:1 fail:1 skip:0 total:2
not ok 1 - tcp_faltcon
KTAP version 1
1..1
ok 1 wire__same
{END}"""


def test_of_nested_suites_only_leaves_count() -> None:
    found = parse(KUNIT.splitlines(), END)
    assert found.passed == ["threshold__three", "faltcon_slot__generation", "wire__same"]
    assert found.failed == ["window__edge"]
    assert not found.problems


def test_a_suite_that_fails_without_a_failed_leaf_is_a_failure() -> None:
    text = f"1..1\n    1..1\n    ok 1 x\nnot ok 1 suite\n{END}"
    assert report(text) == (["x"], ["suite"], [])


@pytest.mark.parametrize("lost", ["    ok 2 - faltcon_slot__generation\n", "ok 1 wire__same\n"])
def test_a_plan_not_fulfilled_is_a_problem_at_any_depth(lost: str) -> None:
    found = parse(KUNIT.replace(lost, "").splitlines(), END)
    assert found.problems == ["1 planned tests gave no result"]


def test_two_runs_add_up_and_both_must_finish() -> None:
    first, second = parse(["1..1", "ok 1 a", END], END), parse(["1..1", "ok 1 b"], END)
    first.add(second)
    assert first.passed == ["a", "b"]
    assert not first.good
    assert first.summary() == "2 passed, 1 failed"


@pytest.mark.parametrize(
    "line",
    [
        "[    1.0] BUG: KASAN: use-after-free in tcp_conn_request+0x10",
        "[    1.0] WARNING: CPU: 0 PID: 1 at net/ipv4/tcp.c:1",
        "WARNING: suspicious RCU usage",
        "BUG: KCSAN: data-race in a / b",
        "unreferenced object 0xffff (size 8):",
    ],
)
def test_a_splat_of_the_kernel_is_a_failure(line: str) -> None:
    found = parse(["1..1", "ok 1 a", line, END], END)
    assert found.splats == [line]
    assert not found.good
    assert found.summary() == "1 passed, 1 failed"


def test_carriage_returns_of_a_serial_line_are_no_matter() -> None:
    assert parse(["1..1\r\n", "ok 1 a\r\n", f"{END}\r\n"], END).good


def test_a_report_on_the_way_to_power_off_counts() -> None:
    found = parse(["1..1", "ok 1 a", END, "BUG: KASAN: use-after-free in f", "not ok 2 b"], END)
    assert found.splats == ["BUG: KASAN: use-after-free in f"]
    assert found.failed == []
    assert not found.good


RULE = "=" * 66


def test_a_race_counts_where_our_code_takes_part() -> None:
    def race(function: str) -> list[str]:
        return [
            RULE,
            "BUG: KCSAN: data-race in tick_nohz_stop_tick / tick_nohz_next_event",
            "",
            "read to 0xffff of 4 bytes by interrupt on cpu 0:",
            f" {function}+0x1/0x2",
            RULE,
        ]

    found = parse(["1..1", *race("tcp_ack"), *race("__tcp_faltcon_release"), "ok 1 a", END], END)
    assert len(found.splats) == len(found.foreign) == 1
    assert not found.good
    assert parse(["1..1", *race("tcp_ack"), "ok 1 a", END], END).good
    # A console that ends within a report: it may be ours.
    assert parse(["1..1", "ok 1 a", END, *race("tcp_ack")[:-1]], END).splats
