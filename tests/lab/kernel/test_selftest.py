from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.lab.kernel import initramfs, selftest
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build, Variant
from faltcon.lab.kernel.steps import Steps
from faltcon.model import script

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.kernel.guest import Guest
    from faltcon.lab.kernel.ktap import Report


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Guest]]:
    """The kernels that would boot, with their guests; each passes one test of its own name."""
    boots: list[tuple[str, Guest]] = []

    def run(what: Build, _archive: Path, guest: Guest, _log: Path, _show: object) -> list[str]:
        boots.append((str(what.variant), guest))
        return ["1..1", f"ok 1 on_{what.variant}", initramfs.END_MARK]

    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    monkeypatch.setattr(selftest, "build", lambda *_: None)
    monkeypatch.setattr(selftest, "run", run)
    monkeypatch.setattr(initramfs, "compile_program", lambda *_: tmp_path / "program")
    monkeypatch.setattr(initramfs, "make", lambda *_: tmp_path / "archive")
    return boots


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


@pytest.mark.parametrize("variant", [Variant.DEBUG, Variant.KUNIT])
def test_a_kernel_that_holds_the_suite_boots_once(
    variant: Variant, booted: list[tuple[str, Guest]], tmp_path: Path
) -> None:
    assert run_all(variant, tmp_path).passed == [f"on_{variant}"]
    assert booted[0][1].append == ("ignore_loglevel",)


def test_no_scenario_is_skipped_for_want_of_cpus() -> None:
    assert max(one.parameters["cpus"] for one in script.load()) <= selftest.KUNIT_CPUS


def test_the_boot_before_the_first_test_is_not_shown() -> None:
    lines: list[str] = []
    show = selftest.Shown(lines.append)
    for line in ("Linux version", "KTAP version 1", "1..1", initramfs.START_MARK, "ok 1 a"):
        show(line)
    assert lines == ["KTAP version 1", "1..1", "ok 1 a"]
