"""The tables that this stage hands on, with their declared columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa

from faltcon.perf.fold import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faltcon.perf.breakdown import Breakdown
    from faltcon.perf.classify import Classifier
    from faltcon.perf.samples import Sample

__all__ = ["CLASSES", "SAMPLES", "classes_table", "samples_table"]

# One row a sample. weight: the period in the event's unit (weight_unit of the
# classes table), or 1; stack: folded, outermost frame first, without comm.
SAMPLES = pa.DataFrameSchema(
    {
        "comm": pa.Column("str"),
        "pid": pa.Column("Int64", nullable=True),
        "tid": pa.Column("int64"),
        "cpu": pa.Column("Int64", nullable=True),
        "time_s": pa.Column("Float64", nullable=True),
        "event": pa.Column("str", nullable=True),
        "weight": pa.Column("int64", pa.Check.ge(1)),
        "stack": pa.Column("str"),
        "direction": pa.Column("str"),
        "layer": pa.Column("str"),
        "phase": pa.Column("str"),
    },
    strict=True,
    coerce=True,
)

# One row a class of one file. share: of the weight of all the file's samples.
CLASSES = pa.DataFrameSchema(
    {
        "file": pa.Column("str"),
        "event": pa.Column("str"),
        "variant": pa.Column("str"),
        "direction": pa.Column("str"),
        "layer": pa.Column("str"),
        "phase": pa.Column("str"),
        "samples": pa.Column("int64", pa.Check.ge(1)),
        "weight": pa.Column("int64", pa.Check.ge(1)),
        "weight_unit": pa.Column("str", pa.Check.isin(["ns", "cycles", "samples", "events"])),
        "share": pa.Column("float64", pa.Check.in_range(0, 1)),
    },
    strict=True,
    coerce=True,
)


def samples_table(samples: Iterable[Sample], classifier: Classifier) -> pd.DataFrame:
    """One row a sample, with its class (schema SAMPLES)."""
    folder = Folder()
    rows = []
    for sample in samples:
        found = classifier.classify(sample.frames)
        rows.append(
            {
                "comm": sample.comm,
                "pid": sample.pid,
                "tid": sample.tid,
                "cpu": sample.cpu,
                "time_s": sample.time_s,
                "event": sample.event,
                "weight": sample.weight,
                "stack": folder.stack_of(sample),
                "direction": found.direction,
                "layer": found.layer,
                "phase": found.phase,
            }
        )
    return SAMPLES.validate(pd.DataFrame(rows, columns=list(SAMPLES.columns)))


def classes_table(breakdowns: Iterable[Breakdown]) -> pd.DataFrame:
    """One row a class and file, in the order of the files (schema CLASSES)."""
    rows = [
        {
            "file": breakdown.file,
            "event": breakdown.event or "",
            "variant": breakdown.variant,
            "direction": found.direction,
            "layer": found.layer,
            "phase": found.phase,
            "samples": samples,
            "weight": breakdown.weights[found],
            "weight_unit": breakdown.weight_unit,
            "share": breakdown.weights[found] / breakdown.weight,
        }
        for breakdown in breakdowns
        for found, samples in sorted(breakdown.samples_by_class.items())
    ]
    return CLASSES.validate(pd.DataFrame(rows, columns=list(CLASSES.columns)))
