"""Flow histograms of the flow-models project, and the shares that the paper takes from one.

Each row counts the flows whose length (in packets) or size (in octets) lies in
[bin_lo, bin_hi). The flows of agh_2015 are one direction of five values, cut by
timeouts, and count all packets: not TCP connections, and not data packets.

Source: section 1 of the paper (75 % of flows are below 2 KB, 48 % have at most
two packets); flow-models, docs/formats.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faltcon.errors import FormatError
from faltcon.files import open_binary, reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COLUMNS", "read", "share_below"]

COLUMNS = ("bin_lo", "bin_hi", "flows_sum", "packets_sum", "octets_sum")


def read(file: str | Path) -> pd.DataFrame:
    """A histogram: columns COLUMNS, integers, a row a bin, in order of `bin_lo`.

    Raises InputError, or FormatError where the columns are not there, a cell is
    no whole number, or bins overlap.
    """
    with reading(file), open_binary(file) as stream:
        try:
            frame = pd.read_csv(stream, usecols=list(COLUMNS), dtype="int64")
        except (ValueError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(
                file,
                f"is no flow histogram ({reason})",
                mend=f"its columns must be {', '.join(COLUMNS)}",
            ) from error
    frame = frame[list(COLUMNS)]
    overlapping = (frame["bin_lo"].to_numpy()[1:] < frame["bin_hi"].to_numpy()[:-1]).any()
    if overlapping or (frame["bin_hi"] <= frame["bin_lo"]).any():
        raise FormatError(file, "has bins that overlap or hold nothing", mend="download it again")
    return frame


def share_below(histogram: pd.DataFrame, limit: int, weight: str = "flows_sum") -> float:
    """Share of flows (or of `packets_sum`, `octets_sum`) whose length or size is below `limit`.

    Exact where `limit` is a bin's edge; a bin that the limit cuts in two counts
    in part, as if its flows lay evenly in it. An empty histogram has share NaN.
    """
    total = int(histogram[weight].sum())
    if not total:
        return float("nan")
    width = histogram["bin_hi"] - histogram["bin_lo"]
    inside = ((limit - histogram["bin_lo"]) / width).clip(0.0, 1.0)
    return float((histogram[weight] * inside).sum() / total)
