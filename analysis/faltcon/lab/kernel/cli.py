"""`faltcon lab kernel`: build, boot, test and measure kernels with the FALTCON series."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from faltcon.errors import CheckFailedError, UsageError
from faltcon.lab.kernel.base import load
from faltcon.lab.kernel.build import TOOLS, Arch, Build, Config, Variant
from faltcon.lab.kernel.steps import Steps, need

__all__ = ["app"]


class Target(StrEnum):
    """What the arms run on, and so what is counted."""

    QEMU_ICOUNT = "qemu-icount"
    UM = "um"


app = typer.Typer(no_args_is_help=True, help="Build, boot, test and measure kernels.")

BaseOption = Annotated[
    str | None, typer.Option("--base", help="Base kernel, a name in kernel/base.toml.")
]
VariantOption = Annotated[Variant, typer.Option("--variant", help="With or without the series.")]
ArchOption = Annotated[Arch, typer.Option("--arch", help="QEMU's guest, or user-mode Linux.")]
ConfigOption = Annotated[Config, typer.Option("--config", help="Which kernel options.")]
SourceOption = Annotated[
    Path | None, typer.Option("--source", help="A kernel tree to use instead of the base's.")
]


@app.command(
    name="build",
    epilog="Examples:  faltcon lab kernel build   |   faltcon lab kernel build --arch um   |   "
    "faltcon lab kernel build --variant stock --source ~/linux-5.1",
)
def build_command(
    *,
    base: BaseOption = None,
    variant: VariantOption = Variant.FALTCON,
    arch: ArchOption = Arch.X86_64,
    config: ConfigOption = Config.MINIMAL,
    source: SourceOption = None,
    jobs: Annotated[int | None, typer.Option(help="Parallel jobs; all CPUs if left out.")] = None,
) -> None:
    """Fetch, patch, configure and build a kernel; print the path of its bootable image."""
    from faltcon.lab.kernel.build import build

    what = Build(load(base), variant, arch, config, source)
    steps = Steps(what.folder / "logs")
    typer.echo(str(build(what, steps, jobs)))


@app.command(
    epilog="Examples:  faltcon lab kernel path --base 6.1 --variant stock --arch x86_64",
)
def path(
    base: BaseOption = None,
    variant: VariantOption = Variant.FALTCON,
    arch: ArchOption = Arch.X86_64,
    config: ConfigOption = Config.MINIMAL,
) -> None:
    """Print the path of a kernel's bootable image. Exit 1 if it is not built yet."""
    what = Build(load(base), variant, arch, config)
    if not what.image.exists():
        raise CheckFailedError(
            f"{what.image} is not built; run: faltcon lab kernel build --base {what.base.name} "
            f"--variant {variant} --arch {arch} --config {config}"
        )
    typer.echo(str(what.image))


def _check_choice(*, only: bool, programs: bool, each_patch: bool, out: bool) -> None:
    """Raise UsageError for tests that do not go together."""
    if each_patch and (only or programs):
        raise UsageError("--each-patch has a test of its own; leave out the names and --programs")
    if out and (only or programs or each_patch):
        raise UsageError(
            "a recording is of all tests; leave out --out, or the names, --programs and "
            "--each-patch"
        )


@app.command(
    name="test",
    epilog="Examples:  faltcon lab kernel test --base 6.1   |   "
    "faltcon lab kernel test --variant debug --cpus 8   |   faltcon lab kernel test wire__   |   "
    "faltcon lab kernel test --programs   |   faltcon lab kernel test --each-patch",
)
def run_tests(
    *,
    only: Annotated[
        list[str] | None, typer.Argument(help="Parts of test names; all tests if left out.")
    ] = None,
    base: BaseOption = None,
    variant: VariantOption = Variant.FALTCON,
    arch: ArchOption = Arch.X86_64,
    config: ConfigOption = Config.MINIMAL,
    cpus: Annotated[int, typer.Option(min=1, max=16, help="The guest's virtual CPUs.")] = 2,
    storm: Annotated[
        int | None,
        typer.Option(min=0, help="Seconds of storm; 60 on debug and kcsan, none elsewhere."),
    ] = None,
    programs: Annotated[
        bool,
        typer.Option(
            "--programs", help="Run nginx, lighttpd, curl, ab and wrk in the guest instead."
        ),
    ] = False,
    each_patch: Annotated[
        bool,
        typer.Option(
            "--each-patch", help="Build, boot and connect after each patch of the series instead."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Keep the run as a recording in this folder (data/raw).")
    ] = None,
) -> None:
    """Boot a kernel, run the tests in it and the KUnit suite; print KTAP. Exit 0 when all pass."""
    from faltcon.lab.kernel import each, keep, selftest

    if variant is Variant.STOCK:
        raise UsageError("the stock kernel has nothing to test; choose another --variant")
    _check_choice(only=bool(only), programs=programs, each_patch=each_patch, out=out is not None)
    what = Build(load(base), variant, arch, config)
    need(*TOOLS, *(() if arch is Arch.UM else ("qemu-system-x86_64",)), "busybox")
    steps = Steps(what.folder / "logs")
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        typer.echo(line)

    began, start = time.time(), time.monotonic()
    if each_patch:
        report = each.run_each(what, steps, cpus=cpus, on_line=show)
    elif programs:
        report = selftest.run_programs(what, steps, cpus, show)
    else:
        report = selftest.run_all(what, steps, only or (), cpus=cpus, on_line=show, storm_s=storm)
    if report.foreign:
        typer.echo(f"# {len(report.foreign)} races in which none of our functions takes part:")
    for line in (*dict.fromkeys(report.foreign), *report.splats, *report.problems):
        typer.echo(f"# {line}")
    if out is not None:
        seconds = time.monotonic() - start
        kept = keep.keep(out, what, report, lines, cpus=cpus, began=began, seconds=seconds)
        steps.say(f"kept in {kept}")
    typer.echo(report.summary())
    if not report.good:
        raise CheckFailedError(f"the tests did not all pass on {what.name}")


@app.command(
    name="lint",
    epilog="Examples:  faltcon lab kernel lint   |   faltcon lab kernel lint --base 5.10",
)
def lint_command(base: BaseOption = None) -> None:
    """Check the series by checkpatch, W=1 and sparse. Exit 0 when they say nothing new."""
    from faltcon.lab.kernel.lint import lint

    what = load(base)
    need(*TOOLS)
    found = lint(what, Steps(Build(what).folder / "logs"))
    for line in found:
        typer.echo(line)
    typer.echo(f"{len(found)} complaints")
    if found:
        raise CheckFailedError(f"the series for {what.name} is not clean")


@app.command(
    epilog="Examples:  faltcon lab kernel measure --base 6.1 --target qemu-icount --json   |   "
    "faltcon lab kernel measure --target um --connections 20000   |   "
    "faltcon lab kernel measure --layouts 3 --connections 400",
)
def measure(
    *,
    base: BaseOption = None,
    target: Annotated[Target, typer.Option("--target", help="Instructions or cycles.")] = (
        Target.QEMU_ICOUNT
    ),
    config: ConfigOption = Config.MINIMAL,
    layouts: Annotated[int, typer.Option(min=1, help="Boots an arm.")] = 10,
    connections: Annotated[
        int | None,
        typer.Option(min=50, help="Connections a boot; 800 for instructions, 20000 for cycles."),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Also the archive that all CPUs share (section 3.3).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, no table.")] = False,
) -> None:
    """Compare the levels with the stock kernel from SYN to SYNACK, by part; stop and go on."""
    from faltcon.lab.kernel import measure as work

    arch = Arch.UM if target is Target.UM else Arch.X86_64
    what = Build(load(base), Variant.FALTCON, arch, config)
    need(*TOOLS, "taskset" if arch is Arch.UM else "qemu-system-x86_64", "busybox")
    steps = Steps(what.folder / "logs")
    arms = (*work.ARMS, *work.SHARED) if shared else work.ARMS
    connections = connections or work.CONNECTIONS[arch]
    found = work.measure(what, steps, layouts, connections, arms)
    if as_json:
        typer.echo(json.dumps(found))
        return
    names = [name for name in work.FIGURES if name in found["stock"]]
    typer.echo(f"{found['unit']:14}" + "".join(f"{name:>15}" for name in names))
    for arm in (one.name for one in arms):
        figures = found[arm]
        line = "".join(f"{figures[name]['median']:15.0f}" for name in names)
        change = found["relative"].get(arm, {}).get("total", {}).get("median")
        typer.echo(f"{arm:14}{line}" + ("" if change is None else f"  {change:+.1%}"))
