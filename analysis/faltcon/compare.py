"""New recordings beside the committed ones: the same medians, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faltcon import connections, handshake, paths, provenance
from faltcon.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MARGIN", "compare", "medians"]

# A rerun on another machine is to give the same medians within so much.
MARGIN = 0.01


def medians(root: Path) -> pd.DataFrame:
    """Medians over layouts of every experiment under a folder of recordings.

    Columns experiment, arm, what (configuration and part, or server and value),
    instructions, layouts. Empty where nothing of figure 3 or 4 is recorded.
    """
    rows: list[pd.DataFrame] = []
    if provenance.recorded(root, handshake.EXPERIMENT):
        table = handshake.parts(handshake.load(root))
        keys = ["configuration", "arm", "layout"]
        totals = table.groupby(keys, as_index=False)["instructions"].sum()
        rows.append(
            totals.assign(
                experiment=handshake.EXPERIMENT,
                what=totals["configuration"] + ", SYN to SYNACK",
            )
        )
    for name in connections.EXPERIMENTS:
        if provenance.recorded(root, name):
            table = connections.costs(connections.load(name, root))
            what = table["server"] + " " + table["value"].astype(str)
            rows.append(table.assign(what=what))
    if not rows:
        return pd.DataFrame(columns=["experiment", "arm", "what", "instructions", "layouts"])
    found = pd.concat(rows, ignore_index=True).groupby(["experiment", "arm", "what"])
    return found.agg(
        instructions=("instructions", "median"), layouts=("layout", "nunique")
    ).reset_index()


def compare(new: Path, old: Path | None = None) -> pd.DataFrame:
    """Medians of both, for what both have: columns of `medians`, `committed` and `change`.

    old: data/raw if left out. change: a share. Raises UsageError where they
    have nothing in common.
    """
    keys = ["experiment", "arm", "what"]
    committed = medians(paths.raw_dir() if old is None else old)
    both = medians(new).merge(
        committed[[*keys, "instructions"]].rename(columns={"instructions": "committed"}), on=keys
    )
    if both.empty:
        raise UsageError(f"{new} holds no experiment of figure 3 or 4 that is committed, too")
    return both.assign(change=both["instructions"] / both["committed"] - 1)
