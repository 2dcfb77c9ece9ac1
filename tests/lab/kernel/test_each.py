from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon.ktap import Report
from faltcon.lab.kernel import build as kernels
from faltcon.lab.kernel import each, selftest, series
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build, Variant, fragments
from faltcon.lab.kernel.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from faltcon.lab.kernel.build import Build as Kernel


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warned: int, broken: int) -> Report:
    """All patches, where patch `warned` has a warning and the kernel of `broken` does not end."""
    built: list[int] = []
    monkeypatch.setattr(kernels, "build", lambda what, _steps: built.append(what.first))

    def warnings(what: Kernel, files: Collection[str], _steps: Steps) -> list[str]:
        assert files == series.touched([series.patches(load().name)[what.first - 1]])
        return ["a.c:1:1: warning: odd"] if what.first == warned else []

    def boot(what: Kernel, _steps: Steps, only: Collection[str], *, cpus: int) -> Report:
        assert list(only) == [each.SMOKE]
        assert cpus == 2
        ended = what.first != broken
        return Report(passed=["smoke__connections"] if ended else [], finished=ended)

    monkeypatch.setattr(kernels, "warnings", warnings)
    monkeypatch.setattr(selftest, "run_selftest", boot)
    report = each.run_each(Build(load()), Steps(tmp_path))
    assert built == list(range(1, len(series.patches(load().name)) + 1))
    return report


def test_each_patch_is_one_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = run(monkeypatch, tmp_path, warned=0, broken=0)
    assert report.passed == [patch.stem for patch in series.patches(load().name)]
    assert report.good


@pytest.mark.parametrize(("warned", "broken"), [(2, 0), (0, 2)])
def test_a_warning_or_a_kernel_that_does_not_boot_fails_its_patch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warned: int, broken: int
) -> None:
    report = run(monkeypatch, tmp_path, warned, broken)
    assert report.failed == [series.patches(load().name)[1].stem]
    assert not report.good


def test_kernels_of_some_patches_share_a_folder_that_is_not_the_whole_series(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    one, two, whole = (Build(load(), Variant.KUNIT, first=n) for n in (1, 2, 0))
    assert one.folder == two.folder != whole.folder
    assert "tests.config" in [part.name for part in fragments(whole)]
    assert "tests.config" not in [part.name for part in fragments(one)]


def test_warnings_are_of_the_files_that_are_built_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    what = Build(load())
    steps = Steps(what.folder / "logs")
    (what.folder / "net").mkdir(parents=True)
    (what.folder / "net" / "a.o").touch()
    (what.folder / "Makefile").write_text(
        "net/a.o:\n\t@echo net/a.c:1:1: warning: odd $(W)\n\t@touch $@\n"
    )
    told = kernels.warnings(what, ["net/a.c", "net/b.c", "net/a.h"], steps)
    assert told == ["net/a.c:1:1: warning: odd 1"]
    assert kernels.warnings(what, ["net/b.c"], steps) == []
