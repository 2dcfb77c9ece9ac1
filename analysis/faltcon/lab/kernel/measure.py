"""The measurement: arms run interleaved over layouts, one JSON object at the end.

Each boot's result is written to the work folder under a name made from all that
it depends on, so a measurement that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from faltcon.errors import FormatError
from faltcon.files import sha256_of, write_text
from faltcon.lab.kernel import buckets as bucket_file
from faltcon.lab.kernel import count, cycles, initramfs, series
from faltcon.lab.kernel.base import kernel_dir, work_dir
from faltcon.lab.kernel.build import Arch, Build, Variant, build, compiler
from faltcon.provenance import describe_machine
from faltcon.stats import median_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from faltcon.counts import Sums
    from faltcon.lab.kernel.buckets import Buckets
    from faltcon.lab.kernel.steps import Steps

__all__ = [
    "ARMS",
    "CONNECTIONS",
    "DERIVED",
    "FIGURES",
    "SHARED",
    "Arm",
    "Layout",
    "layouts",
    "measure",
    "per_connection",
    "result",
]

FIGURES = (
    "total", "request_sock", "synack", "route", "faltcon", "others", "outside_window",
)  # fmt: skip
# Sums of figures. The route look-up is counted with `others` (where the code has it), or with
# the SYNACK (where the paper's table 2 puts _skb_refdst).
DERIVED: Mapping[str, tuple[str, ...]] = {
    "objects_route_in_others": ("request_sock", "synack", "faltcon"),
    "objects_route_in_synack": ("request_sock", "synack", "route", "faltcon"),
    "synack_with_route": ("synack", "route"),
    "others_with_route": ("others", "route"),
    "whole_connection": ("total", "outside_window"),
}


# Of a boot, where none are asked for: an instruction count has no noise to average.
CONNECTIONS: Mapping[Arch, int] = {Arch.X86_64: 800, Arch.UM: 20_000}


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
# The ablation of section 3.3: one archive with a lock instead of one for each CPU. It keeps
# structures alone: state is kept without a lock, by the CPU that the archive belongs to.
SHARED = (Arm("shared_level1", Variant.SHARED, 1),)


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
    figures = {
        "total": sum(parts.values()),
        **parts,
        "outside_window": sum(phase.outside.values()) / n,
    }
    for name, of in DERIVED.items():
        figures[name] = sum(figures.get(one, 0.0) for one in of)
    return figures


def _estimate(values: Sequence[float]) -> dict[str, float]:
    found = median_interval(values)
    return {"median": found.value, "low": found.low, "high": found.high}


def result(values: Mapping[str, Mapping[str, list[float]]], unit: str) -> dict[str, Any]:
    """The JSON object: medians and intervals by arm and figure, and relative to stock.

    `values` has for each arm and figure one value a layout, in the same order.
    """
    number = len(values["stock"]["total"])
    out: dict[str, Any] = {"unit": unit, "layouts": number}
    for arm, figures in values.items():
        out[arm] = {name: _estimate(found) for name, found in figures.items()}
        out[arm] |= {"unit": unit, "n": len(figures["total"]), "layouts": number}
    # Layout by layout: what a layout does to both arms drops out.
    out["relative"] = {
        arm: {
            name: _estimate([a / b - 1 for a, b in zip(found, stock, strict=True)])
            for name, found in figures.items()
            if all(stock := values["stock"][name])
        }
        for arm, figures in values.items()
        if arm != "stock"
    }
    return out


def _stored(file: Path) -> dict[str, float] | None:
    """A boot's figures, if it was run before."""
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text("utf-8"))["figures"]
        return {str(name): float(value) for name, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(file, "is no stored measurement", mend="delete it") from error


def measure(
    what: Build, steps: Steps, number: int, rounds: int, arms: Sequence[Arm] = ARMS
) -> dict[str, Any]:
    """Build what is missing, run the arms interleaved over the layouts, sum up.

    `what` gives base, architecture and configuration: under QEMU instructions
    are counted, in user-mode Linux cycles. An instruction count is the same in
    each phase of a boot, so there is one.
    """
    buckets = bucket_file.load()
    unit = "cycles" if what.arch is Arch.UM else "instructions"
    builds = {
        variant: Build(what.base, variant, what.arch, what.config, cycles=what.arch is Arch.UM)
        for variant in dict.fromkeys(arm.variant for arm in arms)
    }
    digest = series.digest(series.patches(what.base.name))
    for one in builds.values():
        build(one, steps)
    inputs = [
        kernel_dir() / "buckets.toml",
        kernel_dir() / "plugin" / "faltcon_count.c",
        initramfs.compile_program("drive", initramfs.DRIVE_SOURCES, steps),
    ]
    made_from = {
        variant: [sha256_of(file) for file in (*inputs, one.image)]
        for variant, one in builds.items()
    }
    folder = work_dir() / "measure"
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, dict[str, list[float]]] = {arm.name: {} for arm in arms}
    began, booted, total = time.monotonic(), 0, number * len(arms)
    for i, (layout, arm) in enumerate(((x, y) for x in layouts(number) for y in arms), start=1):
        load = count.Load(arm.level, layout.concurrent, max(1, rounds // layout.concurrent), 1)
        key = json.dumps([made_from[arm.variant], asdict(layout), asdict(load)])
        file = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        figures = _stored(file)
        if figures is None:
            figures = _boot(builds[arm.variant], load, buckets, steps, layout)
            about = {"kernel": builds[arm.variant].name, "layout": asdict(layout)}
            about |= {"load": asdict(load), "figures": figures}
            write_text(file, json.dumps(about) + "\n")
            booted += 1
        for name, value in figures.items():
            values[arm.name].setdefault(name, []).append(value)
        left = (time.monotonic() - began) / booted * (total - i) if booted else 0
        steps.say(
            f"boot {i}/{total}: layout {1 + (i - 1) // len(arms)} {arm.name}: "
            f"{figures['total']:.0f} {unit} from SYN to SYNACK; "
            f"about {left / 60:.0f} min left"
        )
    out = result(values, unit)
    out["base"] = what.base.version
    out["config"] = str(what.config)
    out["patch_series_sha256"] = digest
    out["compiler"] = compiler()
    out["cpu"] = describe_machine()["cpu_model"] if what.arch is Arch.UM else buckets.cpu
    out["load"] = {"connections_per_layout": rounds, "program": "kernel/tests/drive.c"}
    return out


def _boot(
    one: Build, load: count.Load, buckets: Buckets, steps: Steps, layout: Layout
) -> dict[str, float]:
    if one.arch is Arch.UM:
        return cycles.boot(one, load, steps, memory_mib=layout.memory_mib)
    phases = count.count(one, load, buckets, steps, memory_mib=layout.memory_mib)
    return per_connection(phases[0])
