from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faltcon import architecture, paths
from faltcon.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = """
[[tool.importlinter.contracts]]
name = "x"
type = "layers"
layers = ["faltcon.upper", "faltcon.left | faltcon.right"]
"""


def test_modules__every_module_of_the_package_has_its_layer() -> None:
    package = paths.project_root() / "analysis" / "faltcon"
    there = {
        f"faltcon.{entry.stem}"
        for entry in package.iterdir()
        if (entry.suffix == ".py" and entry.stem != "__init__") or (entry / "__init__.py").exists()
    }
    assert {module.name for module in architecture.modules()} == there


def test_modules__each_says_what_it_is_for() -> None:
    for module in architecture.modules():
        assert len(module.purpose) > 10, module.name
        assert module.lines > 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(LAYERS)
    package = tmp_path / "analysis" / "faltcon"
    package.mkdir(parents=True)
    (package / "upper.py").write_text('"""Upper."""\n')
    (package / "left.py").write_text('"""Left.\n\nMore.\n"""\n')
    (package / "right").mkdir()
    (package / "right" / "__init__.py").write_text('"""Right."""\n')
    (package / "right" / "inner.py").write_text("x = 1\ny = 2\n")
    return tmp_path


def test_modules__from_the_top_down_with_purpose_and_size(project: Path) -> None:
    found = architecture.modules(project)
    assert [(m.name, m.layer, m.purpose, m.lines) for m in found] == [
        ("faltcon.upper", 1, "Upper.", 1),
        ("faltcon.left", 0, "Left.", 4),
        ("faltcon.right", 0, "Right.", 3),
    ]


def test_modules__a_name_without_a_module_is_an_error(project: Path) -> None:
    (project / "analysis" / "faltcon" / "left.py").unlink()
    with pytest.raises(FormatError, match=r"faltcon\.left"):
        architecture.modules(project)


def test_modules__no_contract_is_an_error(project: Path) -> None:
    (project / "pyproject.toml").write_text("")
    with pytest.raises(FormatError, match="no contract"):
        architecture.modules(project)
