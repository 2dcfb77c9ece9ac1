from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.lab.kernel import initramfs, planted, selftest
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build, Variant
from faltcon.lab.kernel.steps import Steps
from faltcon.model import script

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.ktap import Report
    from faltcon.lab.kernel.guest import Guest


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Guest]]:
    """The kernels that would boot, with their guests; each passes one test of its own name."""
    boots: list[tuple[str, Guest]] = []

    def run(what: Build, _archive: Path, guest: Guest, _log: Path, _show: object) -> list[str]:
        boots.append((str(what.variant), guest))
        if set(planted.APPEND) <= set(guest.append):
            return [*reports(planted.BUGS[what.variant]), planted.LAST]
        return ["1..1", f"ok 1 on_{what.variant}", initramfs.END_MARK]

    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    monkeypatch.setattr(selftest, "build", lambda *_: None)
    monkeypatch.setattr(selftest, "run", run)
    monkeypatch.setattr(initramfs, "compile_program", lambda *_: tmp_path / "program")
    monkeypatch.setattr(initramfs, "make", lambda *_: tmp_path / "archive")
    return boots


def reports(bugs: dict[str, str]) -> list[str]:
    """A console on which each bug is reported."""
    texts = {
        "sleep": "BUG: sleeping function called from invalid context at mutex.c",
        "push-while-referenced": "WARNING: CPU: 0 PID: 9 at a.c:1 __tcp_faltcon_release+0x1/0x2",
        "leak": "unreferenced object 0xffff (size 300):",
        "use-after-keep": "BUG: KASAN: slab-out-of-bounds in planted_use_after_keep+0x1/0x2",
        "use-after-keep-skb": "BUG: KASAN: slab-out-of-bounds in planted_use_after_keep_skb+0x1",
        "double-push": "BUG: KASAN: slab-out-of-bounds in __tcp_faltcon_release+0x1/0x2",
        "foreign-cpu": "BUG: KCSAN: data-race in planted_count / planted_count",
    }
    return [
        line
        for bug in bugs
        for line in (f"planted: begin {bug}", texts[bug], f"planted: end {bug}")
    ]


def run_all(variant: Variant, tmp_path: Path, *only: str) -> Report:
    return selftest.run_all(Build(load(), variant), Steps(tmp_path), only)


def test_the_series_is_tested_in_the_guest_and_by_kunit(
    booted: list[tuple[str, Guest]], tmp_path: Path
) -> None:
    report = run_all(Variant.FALTCON, tmp_path)
    assert report.passed == ["on_faltcon", "on_kunit"]
    assert report.good
    assert [guest.append for _, guest in booted] == [(), ("ignore_loglevel",)]


def test_named_tests_run_alone(booted: list[tuple[str, Guest]], tmp_path: Path) -> None:
    assert run_all(Variant.FALTCON, tmp_path, "wire__").passed == ["on_faltcon"]
    assert len(booted) == 1


def test_the_suites_own_kernel_boots_once(booted: list[tuple[str, Guest]], tmp_path: Path) -> None:
    assert run_all(Variant.KUNIT, tmp_path).passed == ["on_kunit"]
    assert booted[0][1].append == ("ignore_loglevel",)


@pytest.mark.parametrize("variant", [Variant.DEBUG, Variant.KCSAN])
def test_a_kernel_that_checks_itself_must_report_what_is_planted(
    variant: Variant, booted: list[tuple[str, Guest]], tmp_path: Path
) -> None:
    report = run_all(variant, tmp_path)
    bugs = [f"planted__{name}" for name in planted.BUGS[variant]]
    assert report.passed == [f"on_{variant}", *bugs]
    assert report.good
    assert len(booted) == 2
    assert all("slab_nomerge" in guest.append for _, guest in booted)


def test_the_storm_is_for_kernels_that_check_themselves(
    booted: list[tuple[str, Guest]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(initramfs, "make", lambda _, run, *__: lines.append(run) or tmp_path)
    run_all(Variant.DEBUG, tmp_path)
    run_all(Variant.FALTCON, tmp_path)
    assert lines[0] == f"selftest\nstorm {selftest.STORM_S}"
    assert lines[2] == "selftest"
    assert booted


def test_a_bug_without_its_report_is_a_failure() -> None:
    bugs = {"leak": "unreferenced object", "sleep": "sleeping function"}
    lines = ["unreferenced object", "planted: begin leak", "planted: end leak"]
    report = planted.judge([*lines, "planted: begin sleep", "sleeping function"], bugs)
    assert report.failed == ["planted__leak"]
    assert report.passed == ["planted__sleep"]
    assert not report.good
    assert planted.judge([planted.LAST], {}).finished


def test_no_scenario_is_skipped_for_want_of_cpus() -> None:
    assert max(one.parameters["cpus"] for one in script.load()) <= selftest.KUNIT_CPUS


def test_the_boot_before_the_first_test_is_not_shown() -> None:
    lines: list[str] = []
    show = selftest.Shown(lines.append)
    console = ["Linux version", "KTAP version 1", "1..1", initramfs.START_MARK, "ok 1 a"]
    for line in (*console, initramfs.END_MARK, "reboot: Power down"):
        show(line)
    assert lines == ["KTAP version 1", "1..1", "ok 1 a"]
