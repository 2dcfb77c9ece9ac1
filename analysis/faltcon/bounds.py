"""What the archive holds and costs on several CPUs, as kernel/tests/bounds.c counted it in a guest.

Cases: `hits` (a warm pair), `idle` (nobody comes any more), `flood_syn` and
`flood_connect` (strangers, beside a client that is none). Section 3.1 of the paper.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from faltcon import paths, provenance
from faltcon.errors import EmptyInputError, FormatError
from faltcon.files import reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EXPERIMENT", "LINES", "MARK", "load", "parse", "rates"]

EXPERIMENT = "bounds"
LINES = "bounds.txt"
MARK = "bounds: "
_LINE = re.compile(r"bounds: (\w+) (\w+) (-?\d+)")


def parse(file: Path) -> dict[tuple[str, str], int]:
    """What one boot counted: (case, name) to a number.

    Raises FormatError naming a line that is not the program's, or is there
    twice; EmptyInputError where there is none.
    """
    with reading(file):
        lines = file.read_bytes().decode("utf-8", errors="replace").splitlines()
    found: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, start=1):
        if line == f"{MARK}done":
            continue
        row = _LINE.fullmatch(line)
        if row is None or (row[1], row[2]) in found:
            raise FormatError(file, "is no count of its own", place=f"line {number}")
        found[row[1], row[2]] = int(row[3])
    if not found:
        raise EmptyInputError(file, "holds no count", mend="record it again")
    return found


def load(root: Path | None = None) -> pd.DataFrame:
    """Every recorded boot: one row a boot, one column a case and name (`hits.syns`).

    Index: the run's name. Raises UsageError where there is no recording, InputError
    for one that cannot be read.
    """
    folders = provenance.runs(paths.raw_dir() if root is None else root, EXPERIMENT)
    rows = [
        {f"{case}.{name}": value for (case, name), value in parse(folder / LINES).items()}
        for folder in folders
    ]
    return pd.DataFrame(rows, index=[folder.name for folder in folders])


def rates(table: pd.DataFrame) -> pd.DataFrame:
    """Hit rates as shares, one row a boot of `load`.

    Columns requests and skbs: of a warm pair, of all its SYNs; flood_syn and
    flood_connect: of the legitimate client's SYNs that took no cookie while a
    flood went on; the same with `.after`: one window later.
    """
    hits = table["hits.hits"], table["hits.misses"]
    skbs = table["hits.skb_pulls"], table["hits.skb_allocs"]
    found = {"requests": hits[0] / (hits[0] + hits[1]), "skbs": skbs[0] / (skbs[0] + skbs[1])}
    for flood in ("flood_syn", "flood_connect"):
        for when, name in (("during", flood), ("after", f"{flood}.after")):
            of = f"{flood}.{when}"
            found[name] = table[f"{of}_hits"] / (table[f"{of}_syns"] - table[f"{of}_cookies"])
    return pd.DataFrame(found)
