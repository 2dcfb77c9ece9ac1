"""The recordings of Figure 3 as tables: instructions from SYN to SYNACK, by part and by arm.

Between `faltcon.counts`, which knows the counter's output, and the chapter,
which knows arms and layouts. Section 4.2 of the paper.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faltcon import counts, paths, provenance
from faltcon.counts import OTHERS, Sums
from faltcon.errors import FormatError, UsageError
from faltcon.files import reading
from faltcon.model.costs import Costs
from faltcon.stats import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from faltcon.stats import Estimate

__all__ = [
    "ATTRIBUTIONS",
    "PARTS",
    "Boot",
    "by_function",
    "changes",
    "costs",
    "joined",
    "load",
    "of_parts",
    "of_server",
    "parts",
    "with_paths",
]

EXPERIMENT = "fig3"
COUNTS, FUNCTIONS = "counts.txt", "functions.tsv"
COLUMNS = ["region", "function", "bucket"]
# As the paper's legend has them (Figure 3), and the route look-up, which it does not name.
PARTS = ("request_sock", "synack", "faltcon", "route", OTHERS)
# The kept structures, and the operations that keep them.
OBJECTS = ("request_sock", "synack", "faltcon")
# The system calls of the client, which is a program in the guest.
CLIENT = "client"
# Where the route look-up is counted: with the rest, as the code has it, or with the SYNACK,
# where table 2 puts _skb_refdst.
ATTRIBUTIONS: Mapping[str, Mapping[str, str]] = {
    "route in others": {"route": OTHERS},
    "route in SYNACK": {"route": "synack"},
}


@dataclass(frozen=True)
class Boot:
    """One recorded boot.

    arm: stock, level0 to level3 or shared_level1. layout: what this boot shares with those of
    the same number. sums: since the load began, by function. bucket_of: the
    part that a function belonged to when it was recorded.
    """

    run: str
    origin: str
    configuration: str
    arm: str
    layout: int
    concurrent: int
    sums: Sums
    bucket_of: Mapping[str, str]


def load(
    root: Path | None = None,
    *,
    configuration: str | None = None,
    experiment: str = EXPERIMENT,
) -> list[Boot]:
    """Every recorded boot of an experiment that counts handshakes, in order of the run's name.

    root: folder of recordings, data/raw if left out. Raises UsageError where
    there are none and InputError for a run that cannot be read.
    """
    folders = provenance.runs(paths.raw_dir() if root is None else root, experiment)
    boots = [_read(folder) for folder in folders]
    found = [b for b in boots if configuration in {None, b.configuration}]
    if not found:
        raise UsageError(f"no recording of {experiment} in the configuration {configuration!r}")
    return found


def _read(folder: Path) -> Boot:
    document = provenance.load(folder)
    parameters = document["parameters"]
    for name in ("configuration", "arm", "layout", "concurrent_handshakes"):
        if name not in parameters:
            raise FormatError(folder / provenance.FILE_NAME, f"says no {name}")
    names = _functions(folder / FUNCTIONS)
    snapshots = counts.parse(folder / COUNTS, list(names))
    if len(snapshots) < 2:
        raise FormatError(folder / COUNTS, "holds a single snapshot", mend="record it again")
    sums = snapshots[1].since(snapshots[0])
    if sums.windows < 1:
        raise FormatError(folder / COUNTS, "no SYN was answered", mend="record it again")
    return Boot(
        run=folder.name,
        origin=document["origin"],
        configuration=str(parameters["configuration"]),
        arm=str(parameters["arm"]),
        layout=int(parameters["layout"]),
        concurrent=int(parameters["concurrent_handshakes"]),
        sums=sums,
        bucket_of=names,
    )


def _functions(file: Path) -> dict[str, str]:
    """Function to bucket, in the order of the regions. Raises FormatError naming the line."""
    with reading(file):
        lines = file.read_bytes().decode("utf-8", errors="replace").splitlines()
    rows = list(csv.reader(lines, delimiter="\t"))
    if not rows or rows[0] != COLUMNS:
        raise FormatError(file, "is no table of regions", place="line 1")
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS) or row[0] != str(number - 2) or row[1] in found:
            raise FormatError(file, "is no region of its own", place=f"line {number}")
        found[row[1]] = row[2]
    return found


def parts(boots: Iterable[Boot]) -> pd.DataFrame:
    """Instructions of a handshake by part: one row a boot and part.

    Columns run, configuration, arm, layout, part (see PARTS), instructions
    (from SYN to SYNACK, a connection), outside (the same part's, before the
    SYN and after the SYNACK; the client's share of the guest is in it).
    """
    rows = []
    for boot in boots:
        grouped = boot.sums.grouped(boot.bucket_of)
        rows += [
            {
                "run": boot.run,
                "configuration": boot.configuration,
                "arm": boot.arm,
                "layout": boot.layout,
                "part": part,
                "instructions": grouped.inside.get(part, 0) / boot.sums.windows,
                "outside": grouped.outside.get(part, 0) / boot.sums.windows,
            }
            for part in PARTS
        ]
    return pd.DataFrame(rows)


def with_paths(boots: Iterable[Boot]) -> pd.DataFrame:
    """From SYN to SYNACK, with every path that allocates, frees or keeps either object.

    Columns as of `parts`, one row a boot, part `paths`: the window, and what is
    spent on both objects and on FALTCON's operations before and after it.
    """
    return _one_part(
        boots,
        "paths",
        lambda inside, outside: sum(inside.values()) + sum(outside.get(p, 0) for p in OBJECTS),
    )


def of_server(boots: Iterable[Boot]) -> pd.DataFrame:
    """All that the guest's kernel executes for a connection, but for the client's system calls.

    Columns as of `parts`, one row a boot, part `server`: from SYN to accept()
    and close(), with timers, deferred work and whatever else the kernel does
    meanwhile.
    """
    return _one_part(
        boots,
        "server",
        lambda inside, outside: (
            sum(inside.values()) + sum(outside.values()) - outside.get(CLIENT, 0)
        ),
    )


def _one_part(
    boots: Iterable[Boot],
    part: str,
    number: Callable[[Mapping[str, int], Mapping[str, int]], int],
) -> pd.DataFrame:
    rows = []
    for boot in boots:
        sums = boot.sums.grouped(boot.bucket_of)
        rows.append(
            {
                "run": boot.run,
                "configuration": boot.configuration,
                "arm": boot.arm,
                "layout": boot.layout,
                "part": part,
                "instructions": number(sums.inside, sums.outside) / boot.sums.windows,
            }
        )
    return pd.DataFrame(rows)


def of_parts(table: pd.DataFrame, attribution: str) -> pd.DataFrame:
    """The table of `parts` with the route look-up counted as the attribution says.

    Raises UsageError for an unknown attribution (see ATTRIBUTIONS).
    """
    if attribution not in ATTRIBUTIONS:
        raise UsageError(f"no attribution {attribution!r}; there are {', '.join(ATTRIBUTIONS)}")
    moved = table.assign(part=table["part"].replace(dict(ATTRIBUTIONS[attribution])))
    keys = ["run", "configuration", "arm", "layout", "part"]
    return moved.groupby(keys, sort=False, as_index=False)[["instructions", "outside"]].sum()


def joined(table: pd.DataFrame) -> pd.DataFrame:
    """The table with both kept structures and FALTCON's own operations as one part, `objects`.

    Work on a kept structure is done by FALTCON's functions; only this sum does not
    depend on where one ends and the other begins.
    """
    return table.assign(part=table["part"].replace(dict.fromkeys(OBJECTS, "objects")))


def changes(
    table: pd.DataFrame, over: str = "instructions", *, base: str = "stock"
) -> dict[tuple[str, str], Estimate]:
    """Change against stock, by arm and part (and `total`), as a share: -0.31 is 31 % less.

    Layout by layout, so that what a layout does to both arms drops out; then
    the median over layouts with its 95 % interval. A part that stock does not
    have is left out. base: another arm to compare with. Raises UsageError
    where an arm lacks a layout of it.
    """
    keys = ["configuration", "layout", "arm"]
    totals = table.groupby(keys, as_index=False)[over].sum().assign(part="total")
    long = pd.concat([totals, table[[*keys, "part", over]]], ignore_index=True)
    wide = long.pivot_table(
        index=["configuration", "layout"], columns=["arm", "part"], values=over, aggfunc="sum"
    )
    arms, names = list(dict.fromkeys(table["arm"])), list(dict.fromkeys(long["part"]))
    if base not in arms:
        raise UsageError(f"there is no recording of the arm {base} to compare with")
    found: dict[tuple[str, str], Estimate] = {}
    for arm in sorted(set(arms) - {base}):
        for part in names:
            ours, stock = wide[arm, part], wide[base, part]
            if ours.isna().any() or stock.isna().any():
                raise UsageError(f"{arm} and {base} were not recorded in the same layouts")
            if (stock > 0).all():
                found[arm, part] = interval(list(ours / stock - 1))
    return found


def by_function(boots: Iterable[Boot]) -> pd.DataFrame:
    """Instructions from SYN to SYNACK by function: median over layouts, one column an arm.

    Index: function, with its bucket as the first column. A call counts with
    what it calls, up to the next function of the list.
    """
    rows = [
        {
            "arm": boot.arm,
            "function": name,
            "bucket": boot.bucket_of[name],
            "instructions": value / boot.sums.windows,
        }
        for boot in boots
        for name, value in boot.sums.inside.items()
        if value
    ]
    long = pd.DataFrame(rows, columns=["arm", "function", "bucket", "instructions"])
    wide = long.pivot_table(
        index=["bucket", "function"], columns="arm", values="instructions", aggfunc="median"
    )
    return wide.fillna(0.0).reset_index(level="bucket")


def costs(boots: Iterable[Boot], arm: str = "level2") -> Costs:
    """What a handshake costs the model: medians over layouts, by part (PARTS), in instructions.

    stock: the arm stock. hit: `arm`, whose load is one f-pair's. miss: no arm
    misses each time, so it is level0 and all of FALTCON's operations on a hit,
    which is more than a miss does. From SYN to SYNACK; of FALTCON's operations
    and of what concerns the kept structures and the route also what comes later
    (f_push). The same of `others` is left out: it is the client's for the most
    part. Raises UsageError where an arm was not recorded.
    """
    found = list(boots)
    table = parts(found)
    later = table["outside"].where(table["part"] != OTHERS, 0)
    table = table.assign(instructions=table["instructions"] + later)
    wide = table.pivot_table(index="part", columns="arm", values="instructions", aggfunc="median")
    missing = {"stock", "level0", arm} - set(wide.columns)
    if missing:
        raise UsageError(f"no recording of figure 3 with the arm {', '.join(sorted(missing))}")
    of_arm = {str(name): wide[name].to_dict() for name in wide.columns}
    of_part = {
        part: {
            "stock": float(of_arm["stock"][part]),
            "miss": float(of_arm[arm if part == "faltcon" else "level0"][part]),
            "hit": float(of_arm[arm][part]),
        }
        for part in PARTS
    }
    origins = sorted({boot.origin for boot in found})
    configurations = sorted({boot.configuration for boot in found})
    origin = f"{', '.join(origins)}: {len(found)} boots of {EXPERIMENT}"
    return Costs("instructions", f"{origin} ({', '.join(configurations)}), {arm}", of_part)
