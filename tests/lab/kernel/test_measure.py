from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from faltcon.counts import Sums
from faltcon.errors import FormatError, ToolFailedError
from faltcon.lab.kernel import measure
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import Build
from faltcon.lab.kernel.steps import Steps

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.lab.kernel.count import Load


def test_parts_sum_to_the_total() -> None:
    phase = Sums(10, 50, {"others": 100, "route": 40}, {"others": 900, "route": 0})
    found = measure.per_connection(phase)
    assert {name: found[name] for name in ("total", "others", "route", "outside_window")} == {
        "total": 14.0, "others": 10.0, "route": 4.0, "outside_window": 90.0,
    }  # fmt: skip
    assert found["others_with_route"] == 14.0
    assert found["synack_with_route"] == 4.0
    assert found["whole_connection"] == 104.0


def test_change_is_taken_layout_by_layout() -> None:
    # The second layout costs both arms twice as much; the change is 10 % in each.
    values = {
        "stock": {"total": [100.0, 200.0], "faltcon": [0.0, 0.0]},
        "level2": {"total": [90.0, 180.0], "faltcon": [5.0, 6.0]},
    }
    found = measure.result(values, "instructions")
    assert found["relative"]["level2"]["total"]["median"] == pytest.approx(-0.1)
    assert found["relative"]["level2"]["total"]["high"] == pytest.approx(-0.1)
    # Of nothing there is no share.
    assert "faltcon" not in found["relative"]["level2"]
    assert found["stock"]["n"] == found["stock"]["layouts"] == 2
    assert found["stock"]["unit"] == "instructions"
    assert "stock" not in found["relative"]


def test_layouts_differ_and_are_the_same_each_time() -> None:
    assert len(set(measure.layouts(10))) == 10
    assert measure.layouts(3) == measure.layouts(10)[:3]


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Load, int]]:
    """Boots made so far; the fifth fails the first time."""
    made: list[tuple[str, Load, int]] = []
    failures = [5]

    def count(
        one: Build, load: Load, _buckets: object, _steps: Steps, memory_mib: int
    ) -> list[Sums]:
        if len(made) + 1 in failures:
            failures.clear()
            raise ToolFailedError(["drive"], 1, "no more")
        made.append((str(one.variant), load, memory_mib))
        inside = {"others": 1000 - 100 * load.level, "route": 0, "synack": 0}
        return [Sums(10, 0, inside, {"others": 9000})]

    def build(one: Build, _steps: Steps) -> Path:
        one.folder.mkdir(parents=True, exist_ok=True)
        one.image.write_text(one.name)
        return one.image

    program = tmp_path / "drive"
    program.write_text("drive")
    monkeypatch.setenv("FALTCON_KERNEL_DIR", str(tmp_path))
    monkeypatch.setattr(measure, "build", build)
    monkeypatch.setattr(measure.count, "count", count)
    monkeypatch.setattr(measure.initramfs, "compile_program", lambda *_: program)
    return made


def run(tmp_path: Path) -> dict[str, object]:
    steps = Steps(tmp_path / "logs", Console(file=io.StringIO()))
    return measure.measure(Build(load()), steps, 2, 100)


def test_an_interrupted_measurement_goes_on_where_it_stopped(
    boots: list[tuple[str, Load, int]], tmp_path: Path
) -> None:
    with pytest.raises(ToolFailedError):
        run(tmp_path)
    assert len(boots) == 4
    found = run(tmp_path)
    assert len(boots) == 10
    assert len(set(boots)) == 10
    assert [variant for variant, *_ in boots[:5]] == ["stock", *["faltcon"] * 4]
    assert set(found) >= {"stock", "level0", "level1", "level2", "level3", "relative"}
    run(tmp_path)
    assert len(boots) == 10


def test_another_kernel_is_measured_anew(
    boots: list[tuple[str, Load, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolFailedError):
        run(tmp_path)
    run(tmp_path)
    monkeypatch.setattr(measure, "sha256_of", lambda file: f"another {file}")
    run(tmp_path)
    assert len(boots) == 20


def test_a_damaged_result_is_named(boots: list[tuple[str, Load, int]], tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError):
        run(tmp_path)
    assert boots
    next(iter((tmp_path / "measure").glob("*.json"))).write_text("[]")
    with pytest.raises(FormatError, match="is no stored measurement; delete it"):
        run(tmp_path)
