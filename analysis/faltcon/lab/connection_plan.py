"""An experiment on whole connections as data: kernels, layouts and the phases of each boot."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from faltcon.errors import FormatError
from faltcon.files import reading
from faltcon.lab.kernel.account import PORTS, Phase

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KERNELS", "Boot", "Plan", "Wanted", "is_plan", "load", "order", "phases"]

KIND = "connections"
KERNELS: tuple[Literal["stock", "faltcon"], ...] = ("stock", "faltcon")
LEVELS = range(4)
WORDS = ("name", "base", "target", "configuration")
NUMBERS = ("layouts", "connections", "seed")


@dataclass(frozen=True)
class Wanted:
    """Phases for each level: a server, its values, and how many of the layouts have them."""

    server: Literal["accept", "nginx"]
    values: tuple[int, ...]
    layouts: int


@dataclass(frozen=True)
class Plan:
    """What an experiment file of this kind says.

    levels: on the kernel with the series; the stock kernel has level 0 alone.
    connections: of one phase. seed: of the order of boots and phases.
    """

    name: str
    base: str
    configuration: str
    levels: tuple[int, ...]
    layouts: int
    connections: int
    seed: int
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class Boot:
    """One recording: layout (from 1) and kernel, with its place in the order."""

    place: int
    layout: int
    kernel: Literal["stock", "faltcon"]

    @property
    def run(self) -> str:
        """The folder's name."""
        return f"l{self.layout:02d}-{self.kernel}"


def _document(file: Path) -> dict[str, Any]:
    with reading(file):
        text = file.read_bytes().decode("utf-8", errors="replace")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="mend it or restore it") from error


def is_plan(file: Path) -> bool:
    """Whether an experiment file is of this kind. Raises FormatError for one that is not TOML."""
    return _document(file).get("kind") == KIND


def load(file: Path) -> Plan:
    """Read a plan. Raises FormatError naming a field that is missing, unknown or wrong."""
    found = _document(file)
    known = {*WORDS, *NUMBERS, "kind", "levels", "phases"}
    for key in sorted(known ^ set(found)):
        problem = "unknown field" if key in found else "lacks the field"
        raise FormatError(file, f"{problem} {key!r}", mend="compare with data/experiments")
    for key in WORDS:
        if not isinstance(found[key], str) or not found[key]:
            raise FormatError(file, f"{key} is no text", place=key)
    for key in NUMBERS:
        _count(file, found[key], key)
    for key, only in (("target", "qemu-icount"), ("configuration", "minimal"), ("kind", KIND)):
        if found[key] != only:
            raise FormatError(file, f"unknown {key} {found[key]!r}", mend=f"use {only}")
    levels = _numbers(file, found["levels"], "levels")
    if any(level not in LEVELS for level in levels):
        raise FormatError(file, "has a level that there is not", place="levels", mend="0 to 3")
    tables = found["phases"]
    if not isinstance(tables, list) or not tables:
        raise FormatError(file, "has no phases", mend="add a table [[phases]]")
    wanted = tuple(_wanted(file, table, found["layouts"]) for table in tables)
    return Plan(
        found["name"], found["base"], found["configuration"], levels, found["layouts"],
        found["connections"], found["seed"], wanted,
    )  # fmt: skip


def _wanted(file: Path, table: Any, layouts: int) -> Wanted:
    if not isinstance(table, dict) or set(table) != {"server", "values", "layouts"}:
        raise FormatError(file, "phases have server, values and layouts", place="phases")
    if table["server"] not in PORTS:
        known = ", ".join(PORTS)
        raise FormatError(file, f"unknown server {table['server']!r}", mend=f"use one of: {known}")
    number = _count(file, table["layouts"], "phases.layouts")
    if number > layouts:
        raise FormatError(file, "more layouts than there are", place="phases.layouts")
    return Wanted(table["server"], _numbers(file, table["values"], "phases.values"), number)


def _numbers(file: Path, value: Any, place: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise FormatError(file, "is no list of different numbers", place=place)
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int) or one < 0:
            raise FormatError(file, "is no list of different numbers", place=place)
    return tuple(value)


def _count(file: Path, value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FormatError(file, "is no whole number above 0", place=place)
    return value


def order(plan: Plan) -> list[Boot]:
    """Every boot in its order: layout by layout, the kernels of each shuffled by the seed."""
    found: list[Boot] = []
    for layout in range(1, plan.layouts + 1):
        kernels = list(KERNELS)
        random.Random(f"{plan.seed} {layout}").shuffle(kernels)  # noqa: S311
        for kernel in kernels:
            found.append(Boot(len(found) + 1, layout, kernel))
    return found


def phases(plan: Plan, boot: Boot) -> tuple[Phase, ...]:
    """The phases of a boot in their order, which the seed gives: level and value take turns."""
    levels = plan.levels if boot.kernel == "faltcon" else (0,)
    found = [
        Phase(level, one.server, value)
        for one in plan.wanted
        if boot.layout <= one.layouts
        for value in one.values
        for level in levels
    ]
    random.Random(f"{plan.seed} {boot.layout} {boot.kernel}").shuffle(found)  # noqa: S311
    return tuple(found)
