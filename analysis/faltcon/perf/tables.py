"""The tables that this stage hands on, with their declared columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa

from faltcon.perf.fold import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from faltcon.perf.breakdown import Breakdown
    from faltcon.perf.classify import Classifier
    from faltcon.perf.samples import Sample

__all__ = [
    "CLASSES",
    "LAYER_SHARES",
    "PHASE_SHARES",
    "SAMPLES",
    "classes_table",
    "layer_shares",
    "phase_shares",
    "samples_table",
]

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

# One row a run, direction and layer. share: of the direction's weight.
LAYER_SHARES = pa.DataFrameSchema(
    {
        "run": pa.Column("str"),
        "variant": pa.Column("str"),
        "direction": pa.Column("str"),
        "layer": pa.Column("str"),
        "share": pa.Column("float64", pa.Check.in_range(0, 1)),
    },
    strict=True,
    coerce=True,
)

# One row a run and phase. share: by the variant's rule (Breakdown.phase_shares).
PHASE_SHARES = pa.DataFrameSchema(
    {
        "run": pa.Column("str"),
        "variant": pa.Column("str"),
        "phase": pa.Column("str"),
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


def layer_shares(runs: Mapping[str, Breakdown]) -> pd.DataFrame:
    """Shares of layers within each direction, one run after the other (schema LAYER_SHARES)."""
    rows = []
    for run, breakdown in runs.items():
        for direction in breakdown.by("direction"):
            weights = breakdown.by("layer", direction)
            rows += [
                {
                    "run": run,
                    "variant": breakdown.variant,
                    "direction": direction,
                    "layer": layer,
                    "share": weight / weights.total(),
                }
                for layer, weight in weights.items()
            ]
    return LAYER_SHARES.validate(pd.DataFrame(rows, columns=list(LAYER_SHARES.columns)))


def phase_shares(runs: Mapping[str, Breakdown]) -> pd.DataFrame:
    """Shares of the phases by each run's variant of the rules (schema PHASE_SHARES)."""
    rows = [
        {"run": run, "variant": breakdown.variant, "phase": phase, "share": share}
        for run, breakdown in runs.items()
        for phase, share in breakdown.phase_shares().items()
    ]
    return PHASE_SHARES.validate(pd.DataFrame(rows, columns=list(PHASE_SHARES.columns)))
