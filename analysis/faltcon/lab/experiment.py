"""An experiment as data: which kernels, arms and layouts, in which order."""

from __future__ import annotations

import random
import tomllib
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from faltcon import paths
from faltcon.errors import FormatError, UsageError
from faltcon.files import reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Experiment", "Step", "folder", "load", "names", "order"]

ARMS = ("stock", "level0", "level1", "level2", "level3", "shared_level1")


@dataclass(frozen=True)
class Experiment:
    """What an experiment file says.

    target: what is counted, instructions of one CPU or events on several;
    layouts: boots of each arm; connections: of one boot; seed: of the order of
    the arms within a layout; load: who connects, one client again and again or
    every time another one.
    """

    name: str
    base: str
    target: Literal["qemu-icount", "qemu"]
    configurations: tuple[str, ...]
    arms: tuple[str, ...]
    layouts: int
    connections: int
    seed: int
    load: Literal["repeated", "strangers"] = "repeated"


@dataclass(frozen=True)
class Step:
    """One recording: configuration, layout (from 1) and arm, with its place in the order."""

    place: int
    configuration: str
    layout: int
    arm: str

    @property
    def run(self) -> str:
        """The folder's name."""
        return f"{self.configuration}-l{self.layout:02d}-{self.arm}"


def folder() -> Path:
    """Where the project's experiments are described."""
    return paths.project_root() / "data" / "experiments"


def names() -> list[str]:
    """The experiments that the project describes."""
    return sorted(file.stem for file in folder().glob("*.toml"))


def load(name: str, file: Path | None = None) -> Experiment:
    """Read an experiment, by its name or from a file of the reader's own.

    Raises UsageError for an unknown name, FormatError naming a field that is
    missing, unknown or of the wrong type.
    """
    if file is None:
        if name not in names():
            raise UsageError(f"no experiment {name!r}; there are: {', '.join(names())}")
        file = folder() / f"{name}.toml"
    with reading(file):
        text = file.read_bytes().decode("utf-8", errors="replace")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="mend it or restore it") from error
    known = {field.name: field.default for field in fields(Experiment)}
    found = {key: value for key, value in known.items() if value is not MISSING} | found
    for key in sorted(set(known) ^ set(found)):
        problem = "unknown field" if key in found else "lacks the field"
        raise FormatError(file, f"{problem} {key!r}", mend="compare with data/experiments")
    return Experiment(
        name=_text(file, found, "name"),
        base=_text(file, found, "base"),
        target=_one_of(file, found, "target", ("qemu-icount", "qemu")),
        configurations=_list(file, found, "configurations", ("minimal", "debian")),
        arms=_list(file, found, "arms", ARMS),
        layouts=_count(file, found, "layouts"),
        connections=_count(file, found, "connections"),
        seed=_count(file, found, "seed"),
        load=_one_of(file, found, "load", ("repeated", "strangers")),
    )


def order(experiment: Experiment) -> list[Step]:
    """Every recording in its order: layout by layout, the arms of each shuffled by the seed.

    Arms are interleaved, so that what changes slowly on the machine meets all of them.
    """
    steps: list[Step] = []
    for configuration in experiment.configurations:
        for layout in range(1, experiment.layouts + 1):
            arms = list(experiment.arms)
            random.Random(f"{experiment.seed} {configuration} {layout}").shuffle(arms)  # noqa: S311
            for arm in arms:
                steps.append(Step(len(steps) + 1, configuration, layout, arm))
    return steps


def _text(file: Path, found: dict[str, Any], key: str) -> str:
    value = found[key]
    if not isinstance(value, str) or not value:
        raise FormatError(file, f"{key} is no text", place=key)
    return value


def _one_of(file: Path, found: dict[str, Any], key: str, known: tuple[str, ...]) -> Any:
    value = _text(file, found, key)
    if value not in known:
        raise FormatError(file, f"unknown {key} {value!r}", mend=f"use one of: {', '.join(known)}")
    return value


def _list(file: Path, found: dict[str, Any], key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    value = found[key]
    if not isinstance(value, list) or not value or len(set(map(str, value))) != len(value):
        raise FormatError(file, "is no list of different names", place=key)
    for name in value:
        if name not in known:
            raise FormatError(
                file, f"unknown name {name!r}", place=key, mend=f"use: {', '.join(known)}"
            )
    return tuple(value)


def _count(file: Path, found: dict[str, Any], key: str) -> int:
    value = found[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FormatError(file, "is no whole number above 0", place=key)
    return value
