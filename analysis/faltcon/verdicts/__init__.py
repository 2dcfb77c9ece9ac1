"""Verdicts: each claim of the paper, answered from the data at hand.

`check` recomputes every answer; `committed` reads the verdicts that the
project stands by, from data/paper/verdicts.toml, so that a change shows.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon import claims, paths
from faltcon.errors import FormatError
from faltcon.files import reading, write_text

# Imported for what they register.
from faltcon.verdicts import absent as _absent
from faltcon.verdicts import figure1 as _figure1
from faltcon.verdicts import figure3 as _figure3
from faltcon.verdicts import figure4 as _figure4
from faltcon.verdicts import motivation as _motivation
from faltcon.verdicts.evidence import Evidence
from faltcon.verdicts.finding import VERDICTS, Finding, Origin, Verdict
from faltcon.verdicts.registry import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from faltcon.claims import Claim

__all__ = [
    "VERDICTS",
    "Answered",
    "Finding",
    "Origin",
    "Verdict",
    "check",
    "committed",
    "committed_file",
    "write",
]

del _absent, _figure1, _figure3, _figure4, _motivation

_HEADER = """\
# The verdict on each claim of claims.toml, as `faltcon claims check --write` last found it.
# `faltcon claims check` computes them anew and fails where one differs.
"""


@dataclass(frozen=True)
class Answered:
    """A claim with its answer."""

    claim: Claim
    finding: Finding


def check(evidence: Evidence | None = None, only: Collection[str] = ()) -> list[Answered]:
    """Answer every claim, or only those with these ids, in the paper's order.

    Raises UsageError for an id that no claim has, InputError for data that cannot be read.
    """
    evidence = evidence or Evidence()
    for name in only:
        claims.get(name)
    wanted = [c for c in claims.load() if not only or c.id in only]
    return [Answered(c, ANSWERS[c.id](c, evidence)) for c in wanted]


def committed_file() -> Path:
    """Where the committed verdicts lie. Always the project's own."""
    return paths.paper_dir() / "verdicts.toml"


def committed(file: Path | None = None) -> dict[str, Verdict]:
    """The committed verdicts by the claims' ids. Raises FormatError naming the entry."""
    file = file or committed_file()
    with reading(file):
        text = file.read_bytes().decode("utf-8", errors="replace")
    mend = "restore it from git, or write it with `faltcon claims check --write`"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend=mend) from error
    for name, verdict in table.items():
        if verdict not in VERDICTS:
            raise FormatError(file, f"unknown verdict {verdict!r}", place=name, mend=mend)
    return table


def write(answered: Iterable[Answered], file: Path | None = None) -> None:
    """Commit these verdicts: write them to the file, whole or not at all."""
    rows = [f'{row.claim.id} = "{row.finding.verdict}"' for row in answered]
    write_text(file or committed_file(), _HEADER + "\n".join(rows) + "\n")
