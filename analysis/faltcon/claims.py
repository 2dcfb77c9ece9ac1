"""What the paper claims, as data: data/paper/claims.toml, read and checked.

Every number of the paper that a chapter shows comes from here, so that it is
typed once, with its section, and next to how it can be checked.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from faltcon import paths
from faltcon.errors import FormatError, UsageError
from faltcon.files import reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Bound", "Check", "Claim", "get", "load", "value"]

Bound = Literal["exactly", "up to", "more than", "about", "at least", "for example", "in words"]
Check = Literal[
    "measured here",  # a recording of ours answers it
    "recomputed",  # from data that others published
    "calculated",  # from the paper's own numbers
    "read in source",  # from the kernel's or the tools' sources
    "patched kernel",  # needs FALTCON itself, running
    "not checkable",  # the paper leaves out what a check would need
]
UNITS = (
    "%", "B", "GHz", "Gbit/s", "KB", "connections", "cores", "repetitions", "requests", "s", "x",
)  # fmt: skip
# In the order of the paper, for the check that none was mistyped.
SECTIONS = (
    "Abstract", "1", "2.1", "2.2.1", "2.2.2", "3", "3.1", "3.1.1", "3.1.2", "3.2", "3.3",
    "4.1", "4.2", "4.3", "5",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    `text` says it in our words; `value` is the paper's number in `unit`, None
    where it claims in words; `of` names what a share is a share of; `place` is
    the figure or table, empty for running text; `how` says how it can be
    checked and `chapter` where this book does, empty where it does not.
    """

    id: str
    section: str
    place: str
    text: str
    bound: Bound
    value: float | None
    unit: str
    of: str
    check: Check
    how: str
    chapter: str

    @property
    def shown(self) -> str:
        """The value as a table shows it: "up to 19 %"; empty for a claim in words."""
        if self.value is None:
            return ""
        number = f"{self.value:g} {self.unit}"
        return number if self.bound == "exactly" else f"{self.bound} {number}"

    @property
    def where(self) -> str:
        """Section, with figure or table: "section 4.3, Figure 4a"."""
        section = self.section if self.section == "Abstract" else f"section {self.section}"
        return f"{section}, {self.place}" if self.place else section


def load(file: Path | None = None) -> list[Claim]:
    """Every claim, in the paper's order.

    Raises FormatError naming the claim and its field where one is missing,
    unknown, of the wrong type or given twice; InputError where the file cannot
    be read.
    """
    file = paths.paper_dir() / "claims.toml" if file is None else file
    with reading(file):
        text = file.read_bytes().decode("utf-8", errors="replace")
    try:
        rows = tomllib.loads(text).get("claim")
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="mend it or restore it") from error
    if not isinstance(rows, list) or not rows:
        raise FormatError(file, "has no [[claim]] tables", mend="restore it from git")
    claims: list[Claim] = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise FormatError(file, "is no table", place=f"claim {number}")
        claim = _claim(file, f"claim {number} {row.get('id', '')}".strip(), row)
        if any(claim.id == other.id for other in claims):
            raise FormatError(file, "its id is taken", place=f"claim {number} {claim.id}")
        claims.append(claim)
    return claims


@functools.cache
def _by_id() -> dict[str, Claim]:
    return {claim.id: claim for claim in load()}


def get(name: str) -> Claim:
    """The claim with this id. Raises UsageError where there is none."""
    try:
        return _by_id()[name]
    except KeyError:
        raise UsageError(f"no claim {name!r} in data/paper/claims.toml") from None


def value(name: str) -> float:
    """The number of the claim with this id, in its unit. Raises UsageError for one in words."""
    number = get(name).value
    if number is None:
        raise UsageError(f"the claim {name!r} is in words and has no number")
    return number


def _claim(file: Path, place: str, row: Mapping[str, Any]) -> Claim:
    fields = {field.name for field in dataclasses.fields(Claim)}
    for key in row:
        if key not in fields:
            raise FormatError(file, f"unknown field {key!r}", place=place)
    texts = _texts(file, place, row, fields - {"value"})
    _one_of(file, place, "section", texts["section"], SECTIONS)
    _one_of(file, place, "bound", texts["bound"], get_args(Bound))
    _one_of(file, place, "check", texts["check"], get_args(Check))
    number = row.get("value")
    if (number is None) != (texts["bound"] == "in words"):
        raise FormatError(file, "a claim has a value, or its bound is 'in words'", place=place)
    if number is not None:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise FormatError(file, "value is no number", place=place)
        _one_of(file, place, "unit", texts["unit"], UNITS)
        if texts["unit"] == "%" and not texts["of"]:
            raise FormatError(file, "a share must say of what (field of)", place=place)
    return Claim(value=None if number is None else float(number), **texts)  # type: ignore[arg-type]


def _texts(file: Path, place: str, row: Mapping[str, Any], keys: set[str]) -> dict[str, str]:
    texts = {}
    for key in sorted(keys):
        given = row.get(key, "" if key in {"place", "of", "chapter", "unit"} else None)
        if not isinstance(given, str):
            raise FormatError(file, f"{key} is missing or no text", place=place)
        texts[key] = given.strip()
    for key in ("id", "section", "text", "how"):
        if not texts[key]:
            raise FormatError(file, f"{key} is empty", place=place)
    return texts


def _one_of(
    file: Path, place: str, key: str, given: str, known: tuple[str, ...] | list[str]
) -> None:
    if given not in known:
        raise FormatError(
            file, f"{key} is {given!r}", place=place, mend=f"use one of: {', '.join(known)}"
        )
