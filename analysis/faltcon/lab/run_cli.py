"""`faltcon lab run`: make the recordings of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faltcon import paths

__all__ = ["EXAMPLES", "run"]

EXAMPLES = (
    "Examples:  faltcon lab run fig3   |   faltcon lab run fig4a --out /tmp/raw   |   "
    "faltcon lab run fig3 --file mine.toml --dry-run"
)


def run(
    experiment: Annotated[str, typer.Argument(help="Its name: fig3, fig4a or fig4b.")],
    *,
    file: Annotated[
        Path | None, typer.Option(help="An experiment file of your own instead of the project's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of recordings; data/raw if left out.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Record again what is there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the recordings in their order, make none.")
    ] = False,
) -> None:
    """Record an experiment, arms interleaved; interrupted, it goes on where it stopped."""
    from faltcon.lab import connection_plan
    from faltcon.lab import experiment as experiments

    described = file or experiments.folder() / f"{experiment}.toml"
    if described.exists() and connection_plan.is_plan(described):
        _connections(described, out, force=force, dry_run=dry_run)
        return
    what = experiments.load(experiment, file)
    if dry_run:
        for step in experiments.order(what):
            typer.echo(f"{step.place}\t{what.name}/{step.run}")
        return
    from faltcon.lab import handshakes
    from faltcon.lab.kernel.base import work_dir
    from faltcon.lab.kernel.build import TOOLS
    from faltcon.lab.kernel.steps import Steps, need

    need(*TOOLS, "qemu-system-x86_64", "busybox")
    root = out if out is not None else paths.raw_dir()
    made = handshakes.record(what, root, Steps(work_dir() / "logs"), force=force)
    typer.echo(f"{made} recordings made under {root / what.name}")


def _connections(described: Path, out: Path | None, *, force: bool, dry_run: bool) -> None:
    """The same for an experiment on whole connections."""
    from faltcon.lab import connection_plan, connections

    plan = connection_plan.load(described)
    if dry_run:
        for boot in connection_plan.order(plan):
            words = " ".join(phase.word for phase in connection_plan.phases(plan, boot))
            typer.echo(f"{boot.place}\t{plan.name}/{boot.run}\t{words}")
        return
    from faltcon.lab.kernel.base import work_dir
    from faltcon.lab.kernel.build import TOOLS
    from faltcon.lab.kernel.steps import Steps, need

    need(*TOOLS, "qemu-system-x86_64", "busybox", "nginx")
    root = out if out is not None else paths.raw_dir()
    made = connections.record(plan, root, Steps(work_dir() / "logs"), force=force)
    typer.echo(f"{made} recordings made under {root / plan.name}")
