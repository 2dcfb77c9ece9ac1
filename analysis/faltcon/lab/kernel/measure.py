"""The measurement: arms run interleaved over layouts, one JSON object at the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon.lab.kernel import buckets as bucket_file
from faltcon.lab.kernel import series
from faltcon.lab.kernel.build import Build, Variant, build
from faltcon.lab.kernel.count import Load, count
from faltcon.stats import median_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faltcon.lab.kernel.count import Sums
    from faltcon.lab.kernel.steps import Steps

__all__ = ["ARMS", "FIGURES", "Arm", "Layout", "layouts", "measure", "per_connection", "result"]

FIGURES = (
    "total", "request_sock", "synack", "route", "faltcon", "others", "outside_window",
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One side of the comparison: a kernel, and the sysctl in it."""

    name: str
    variant: Variant
    level: int


ARMS = (
    Arm("stock", Variant.STOCK, 0),
    Arm("level0", Variant.FALTCON, 0),
    Arm("level1", Variant.FALTCON, 1),
    Arm("level2", Variant.FALTCON, 2),
    Arm("level3", Variant.FALTCON, 3),
)


@dataclass(frozen=True)
class Layout:
    """What differs from boot to boot, since one boot's count repeats exactly.

    Memory moves every allocation; the number of concurrent handshakes changes
    what the slabs and the archive hold.
    """

    memory_mib: int
    concurrent: int


def layouts(number: int) -> list[Layout]:
    """The first `number` layouts: every run uses the same ones."""
    return [Layout(640 + 48 * i, (1, 4, 8, 16, 50)[i % 5]) for i in range(number)]


def per_connection(phase: Sums) -> dict[str, float]:
    """A phase's instructions for one connection, by figure.

    `total` and its parts are inside the window; `outside_window` is the rest of
    the guest's kernel, the client's system calls among it.
    """
    n = phase.windows
    parts = {name: value / n for name, value in phase.inside.items()}
    return {
        "total": sum(parts.values()),
        **parts,
        "outside_window": sum(phase.outside.values()) / n,
    }


def result(values: dict[str, dict[str, list[float]]], unit: str, number: int) -> dict[str, Any]:
    """The JSON object: medians and intervals by arm and figure, and relative to stock."""
    out: dict[str, Any] = {"unit": unit, "layouts": number, "relative": {}}
    for arm, figures in values.items():
        out[arm] = {
            name: {"median": e.value, "low": e.low, "high": e.high}
            for name, e in ((name, median_interval(found)) for name, found in figures.items())
        }
        out[arm]["n"] = len(figures["total"])
    for arm, figures in values.items():
        if arm == "stock":
            continue
        # Layout by layout: what a layout does to both arms drops out.
        pairs = zip(figures["total"], values["stock"]["total"], strict=True)
        change = median_interval([ours / stock - 1 for ours, stock in pairs])
        both = zip(
            (a + b for a, b in zip(figures["total"], figures["outside_window"], strict=True)),
            (
                a + b
                for a, b in zip(
                    values["stock"]["total"], values["stock"]["outside_window"], strict=True
                )
            ),
            strict=True,
        )
        whole = median_interval([ours / stock - 1 for ours, stock in both])
        out["relative"][arm] = {
            "total": {"median": change.value, "low": change.low, "high": change.high},
            "whole_connection": {"median": whole.value, "low": whole.low, "high": whole.high},
        }
    return out


def measure(
    what: Build, steps: Steps, number: int, rounds: int, arms: Sequence[Arm] = ARMS
) -> dict[str, Any]:
    """Build what is missing, run the arms interleaved over the layouts, sum up.

    `what` gives base, architecture and configuration. Deterministic within a
    boot, so one phase a boot.
    """
    buckets = bucket_file.load()
    builds = {
        variant: Build(what.base, variant, what.arch, what.config)
        for variant in {arm.variant for arm in arms}
    }
    for one in builds.values():
        build(one, steps)
    values: dict[str, dict[str, list[float]]] = {}
    for number_of, layout in enumerate(layouts(number), start=1):
        for arm in arms:
            load = Load(arm.level, layout.concurrent, max(1, rounds // layout.concurrent), 1)
            phase = count(builds[arm.variant], load, buckets, steps, memory_mib=layout.memory_mib)[
                0
            ]
            figures = values.setdefault(arm.name, defaultdict(list))
            for name, value in per_connection(phase).items():
                figures[name].append(value)
            total = figures["total"][-1]
            steps.say(f"layout {number_of}/{number} {arm.name}: {total:.0f} instructions")
    out = result(values, "instructions", number)
    out["base"] = what.base.version
    out["config"] = str(what.config)
    out["patch_series_sha256"] = series.digest(series.patches(what.base.name))
    out["cpu"] = buckets.cpu
    out["load"] = {"connections_per_layout": rounds, "program": "kernel/tests/drive.c"}
    return out
