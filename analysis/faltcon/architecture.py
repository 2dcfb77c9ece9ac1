"""The page on the house: which module stands on which, from the contract that the checks keep."""

from __future__ import annotations

import ast
import html
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faltcon import book, paths
from faltcon.errors import FormatError
from faltcon.files import reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Module", "modules", "table"]


@dataclass(frozen=True)
class Module:
    """A module or package right below `faltcon`.

    layer: 0 for the lowest; a module imports from lower layers alone. purpose:
    the first line of its docstring. lines: of Python, packages with all their
    modules.
    """

    name: str
    layer: int
    purpose: str
    lines: int


def modules(project: Path | None = None) -> list[Module]:
    """Every module that the contract in pyproject.toml names, from the top down.

    Raises FormatError where the contract is missing or names a module that is not there.
    """
    project = project or paths.project_root()
    file = project / "pyproject.toml"
    with reading(file):
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    contracts = settings.get("tool", {}).get("importlinter", {}).get("contracts", [])
    layers = next((c["layers"] for c in contracts if c.get("type") == "layers"), None)
    if layers is None:
        raise FormatError(file, "has no contract on layers", mend="restore it from git")
    found = [
        _read(project, name.strip(), height, file)
        for height, layer in enumerate(reversed(layers))
        for name in layer.split("|")
    ]
    return sorted(found, key=lambda module: (-module.layer, module.name))


def _read(project: Path, name: str, layer: int, contract: Path) -> Module:
    place = project / "analysis" / name.replace(".", "/")
    single, package = place.with_suffix(".py"), place / "__init__.py"
    first = single if single.exists() else package
    if not first.exists():
        raise FormatError(contract, f"the layers name {name}, which is not there")
    files = [single] if first == single else sorted(place.rglob("*.py"))
    docstring = ast.get_docstring(ast.parse(first.read_text(encoding="utf-8"))) or ""
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    return Module(name, layer, docstring.partition("\n")[0], lines)


def table(found: list[Module]) -> book.View:
    """The modules as the page shows them, from the top down."""
    rows = [(m.layer, m.name, _markup(m.purpose), m.lines) for m in found]
    frame = pd.DataFrame(rows, columns=["Layer", "Module", "What it is for", "Lines"])
    return book.table(frame, markup=["What it is for"], named=False)


def _markup(docstring: str) -> str:
    """A docstring's line as HTML: what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(docstring))
