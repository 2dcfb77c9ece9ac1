"""Figures that others have published, and sums of their histograms, each with its source.

Everything read here lies in data/paper/, typed from the sources named in the
files. The flow histograms behind the paper's section 1 are too large to keep;
their sums are kept, and computed anew where the histograms themselves are.
"""

from __future__ import annotations

import csv
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon import paths
from faltcon.errors import EmptyInputError, FormatError
from faltcon.files import reading, sha256_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FlowSum",
    "HttpSource",
    "SumsOrigin",
    "flow_sums",
    "histogram_folder",
    "http_sources",
    "origins",
    "recompute",
    "table",
    "transcribed_flow_sums",
]


@dataclass(frozen=True)
class HttpSource:
    """What a source says about one figure of the paper's section 2.2.1.

    `paper_value` and `source_value` are texts, because several sources give
    more than one number; `claims` are ids in claims.toml.
    """

    claims: tuple[str, ...]
    paper_value: str
    source: str
    source_value: str
    verdict: str


@dataclass(frozen=True)
class FlowSum:
    """Flows of a histogram whose size or length is at most a limit.

    `quantity` is "octets" or "packets" (of one flow), `limit` its largest
    value that counts (None: all flows). `flows`, `packets` and `octets` are
    totals over those flows.
    """

    file: str
    quantity: str
    limit: int | None
    flows: int
    packets: int
    octets: int


@dataclass(frozen=True)
class SumsOrigin:
    """Where the flow sums in hand come from, for the line under a figure."""

    recomputed: bool
    text: str


def http_sources() -> list[HttpSource]:
    """data/paper/http_sources.toml. Raises FormatError when a field is missing or odd."""
    file = paths.paper_dir() / "http_sources.toml"
    found = []
    for number, row in enumerate(_tables(file, "source"), start=1):
        texts = {
            key: _text(file, number, row, key)
            for key in ("paper_value", "source", "source_value", "verdict")
        }
        claims = row.get("claims")
        if not isinstance(claims, list) or not claims:
            raise FormatError(file, "names no claims", place=f"source {number}")
        found.append(HttpSource(claims=tuple(str(c) for c in claims), **texts))
    return found


def transcribed_flow_sums() -> list[FlowSum]:
    """The sums kept in data/paper/flow_histogram_sums.toml. Raises FormatError."""
    file = paths.paper_dir() / "flow_histogram_sums.toml"
    found = []
    for number, row in enumerate(_tables(file, "sum"), start=1):
        counts = {key: row.get(key) for key in ("flows", "packets", "octets")}
        for key, value in counts.items():
            if not isinstance(value, int) or value < 0:
                raise FormatError(file, f"{key} is no count", place=f"sum {number}")
        quantity = _text(file, number, row, "quantity")
        if quantity not in {"octets", "packets"}:
            raise FormatError(file, f"unknown quantity {quantity!r}", place=f"sum {number}")
        limit = row.get("at_most")
        name = _text(file, number, row, "file")
        found.append(FlowSum(name, quantity, limit, **counts))  # type: ignore[arg-type]
    return found


def histogram_folder() -> Path | None:
    """Folder with the histograms themselves, or None.

    `FALTCON_FLOW_HISTOGRAMS` names it; without that, a folder
    `flow-histograms` in a neighbour of the clone is looked for. The files are
    those of the public repository flow-models/agh_2015, with
    `histograms/tcp/size.csv` saved as `tcp-size.csv` and so on. Raises
    FormatError when the named folder has no such file.
    """
    named = os.environ.get("FALTCON_FLOW_HISTOGRAMS")
    if not named:
        neighbours = paths.project_root().parent
        found = sorted(neighbours.glob("*/flow-histograms/*/tcp-size.csv"))
        return found[0].parent if found else None
    folder = Path(named).expanduser()
    if not (folder / "tcp-size.csv").exists():
        raise FormatError(
            folder,
            "holds no tcp-size.csv",
            mend="let FALTCON_FLOW_HISTOGRAMS name the folder with it, or unset it",
        )
    return folder


def flow_sums() -> tuple[list[FlowSum], SumsOrigin]:
    """The sums, recomputed where the histograms are present, else as transcribed."""
    kept = transcribed_flow_sums()
    folder = histogram_folder()
    if folder is None:
        text = "transcribed sums (data/paper/flow_histogram_sums.toml)"
        return kept, SumsOrigin(recomputed=False, text=text)
    for name, origin in origins().items():
        if sha256_of(folder / name) != origin["sha256"]:
            raise FormatError(folder / name, "is another file than the sums were taken from")
    fresh = [recompute(folder / row.file, row.quantity, row.limit) for row in kept]
    text = "recomputed for this page from the histograms of flow-models/agh_2015"
    return fresh, SumsOrigin(recomputed=True, text=text)


def recompute(file: Path, quantity: str, limit: int | None) -> FlowSum:
    """Add up one histogram: comma-separated, bins [bin_lo, bin_hi) of a flow's size or length.

    Counts the bins whose largest value, bin_hi - 1, is at most `limit`. Raises
    FormatError when the columns are others or a bin straddles the limit.
    """
    from faltcon.traffic import histograms  # noqa: PLC0415  imports pandas, which is slow

    frame = histograms.read(file)
    if limit is not None:
        if ((frame["bin_lo"] <= limit) & (frame["bin_hi"] - 1 > limit)).any():
            raise FormatError(file, f"a bin straddles {limit}", mend="choose a bin's edge")
        frame = frame[frame["bin_hi"] - 1 <= limit]
    flows, packets, octets = (int(frame[column].sum()) for column in histograms.COLUMNS[2:])
    return FlowSum(file.name, quantity, limit, flows, packets, octets)


def table(name: str) -> tuple[pd.DataFrame, list[str]]:
    """A published table data/paper/published_<name>.tsv and the comment lines that say its source.

    Columns are as in the file's header; numbers are read as numbers. Raises
    InputError or FormatError naming the file.
    """
    import pandas as pd  # noqa: PLC0415  slow to import

    file = paths.paper_dir() / f"published_{name}.tsv"
    with reading(file):
        lines = file.read_text(encoding="utf-8").splitlines()
    comments = [line.lstrip("# ") for line in lines if line.startswith("#")]
    rows = list(csv.reader((x for x in lines if not x.startswith("#")), delimiter="\t"))
    if not rows:
        raise EmptyInputError(file, "has no rows", mend="restore it from git")
    header, *body = rows
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise FormatError(
                file, f"has {len(row)} fields of {len(header)}", place=f"row {number}"
            )
    frame = pd.DataFrame(body, columns=header)
    for column in header:
        numbers = pd.to_numeric(frame[column].replace("", None), errors="coerce")
        if (numbers.notna() | (frame[column] == "")).all():
            frame[column] = numbers
    return frame, comments


def origins() -> dict[str, dict[str, str]]:
    """For each histogram file: its path in the public repository, and its sha256."""
    file = paths.paper_dir() / "flow_histogram_sums.toml"
    return {
        _text(file, number, row, "file"): {
            "path": _text(file, number, row, "path"),
            "sha256": _text(file, number, row, "sha256"),
        }
        for number, row in enumerate(_tables(file, "histogram"), start=1)
    }


def _tables(file: Path, name: str) -> list[dict[str, Any]]:
    """The array of tables `name` of a TOML file."""
    with reading(file):
        text = file.read_bytes().decode("utf-8", errors="replace")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="restore it from git") from error
    rows = document.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise FormatError(file, f"has no [[{name}]] tables", mend="restore it from git")
    return rows


def _text(file: Path, number: int, row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise FormatError(file, f"{key} is missing or no text", place=f"entry {number}")
    return value
