"""`faltcon lab record`: make recordings under data/raw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltcon import paths
from faltcon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from faltcon.lab.cases import Case
    from faltcon.lab.progress import Progress
    from faltcon.lab.scenarios import Scenario

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Record profiles and traffic under data/raw (root: it makes network namespaces).",
)

Out = Annotated[Path | None, typer.Option(help="Folder of recordings; data/raw if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Record again what is there already.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Record at most this many, then stop.")]
Seed = Annotated[int, typer.Option(help="Decides order, content and schedules.")]


@app.callback()
def _group() -> None:
    """Keep this a group."""


@app.command(
    epilog="Examples:  faltcon lab record bottleneck --repetitions 1 --seconds 5 --out /tmp/raw   "
    "|   faltcon lab record bottleneck --variant veth --variant loopback --repetitions 3   "
    "|   faltcon lab record bottleneck --set book"
)
def bottleneck(
    *,
    repetitions: Annotated[int, typer.Option(min=1, max=99, help="Recordings a kind.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Length of each.")] = 10,
    variant: Annotated[
        list[str] | None, typer.Option(help="napi (default), veth or loopback; may be repeated.")
    ] = None,
    response_bytes: Annotated[
        list[int] | None,
        typer.Option(min=1, max=10_000_000, help="Body size; 64 if left out; may be repeated."),
    ] = None,
    wanted_set: Annotated[
        str | None, typer.Option("--set", help="`book`: all that the book's chapter reads.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="ab -c.")] = 50,
    frequency: Annotated[int, typer.Option(min=1, max=20_000, help="Samples a second.")] = 997,
    event: Annotated[str, typer.Option(help="perf event; auto: cycles or cpu-clock.")] = "auto",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 8080,
    server_cpu: Annotated[int, typer.Option(min=0, help="CPU of the server (napi).")] = 1,
    client_cpu: Annotated[int, typer.Option(min=0, help="CPU of the client (napi).")] = 0,
    max_other: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of other programs (napi).")
    ] = 0.1,
    attempts: Annotated[
        int, typer.Option(min=1, help="Times to try while other programs disturb.")
    ] = 3,
    out: Out = None,
    seed: Seed = 20210824,
    limit: Limit = None,
    force: Force = False,
) -> None:
    """Profile a web server under repeated connections (the paper's section 2.2.2).

    What is recorded already is left alone, so an interrupted command goes on where
    it stopped.
    """
    from faltcon.lab import bottleneck as lab
    from faltcon.lab import cases as kinds
    from faltcon.lab.interrupts import guarded
    from faltcon.lab.progress import Progress

    variants = variant or ["napi"]
    for name in variants:
        if name not in kinds.VARIANTS:
            raise UsageError(f"no variant {name!r}; there are {', '.join(kinds.VARIANTS)}")
    if wanted_set is None:
        cases = kinds.plan(variants, response_bytes or [64], repetitions, seed)
    elif variant or response_bytes:
        raise UsageError("--set names variants and sizes itself; leave --variant and the sizes out")
    elif wanted_set == "book":
        cases = kinds.shuffled(kinds.BOOK_SET, seed)
    else:
        raise UsageError(f"no set {wanted_set!r}; there is `book`")
    settings = lab.Settings(
        seconds=seconds,
        concurrency=concurrency,
        frequency_hz=frequency,
        event=event,
        port=port,
        server_cpu=server_cpu,
        client_cpu=client_cpu,
        max_other_share=max_other,
    )
    lab.require({case.variant for case in cases}, settings)
    root = out if out is not None else paths.raw_dir()
    _sweep(root, lab.EXPERIMENT)
    todo = list(enumerate(cases, start=1)) if force else lab.missing(root, cases)
    now = todo[:limit]
    with Progress(len(now)) as progress:
        for order, case in now:
            progress.begin(case.run)

            def work(stack: ExitStack, order: int = order, case: Case = case) -> Path:
                return lab.record(
                    stack, root, case, settings, seed=seed, order=order, tell=progress.tell
                )

            typer.echo(_retry(lambda: guarded(work), attempts, progress))
            progress.end()
    done, left = len(now), len(todo) - len(now)
    typer.echo(f"{done} recorded, {len(cases) - len(todo)} were there already, {left} left")


@app.command(
    epilog="Examples:  faltcon lab record traffic   |   "
    "faltcon lab record traffic --scenario h2tls-chromium --force --out /tmp/raw"
)
def traffic(
    *,
    scenario: Annotated[
        list[str] | None, typer.Option(help="One by name; may be repeated; all if left out.")
    ] = None,
    server_cpu: Annotated[int, typer.Option(min=0, help="CPU of the server.")] = 1,
    client_cpu: Annotated[int, typer.Option(min=0, help="CPU of the client.")] = 0,
    out: Out = None,
    seed: Seed = 20210824,
    limit: Limit = None,
    force: Force = False,
) -> None:
    """Capture HTTP/1.1 (closing and kept), HTTP/2 in TLS and in clear text (section 2.2.1).

    Clients are ab, wrk, curl and headless Chromium on a local site. What is
    recorded already is left alone.
    """
    from faltcon.lab import traffic as lab
    from faltcon.lab.interrupts import guarded
    from faltcon.lab.progress import Progress

    scenarios = lab.select(scenario)
    settings = lab.Settings(seed=seed, server_cpu=server_cpu, client_cpu=client_cpu)
    lab.require(scenarios, settings)
    root = out if out is not None else paths.raw_dir()
    _sweep(root, lab.EXPERIMENT)
    todo = scenarios if force else lab.missing(root, scenarios)
    now = todo[:limit]
    with Progress(len(now)) as progress:
        for one in now:
            progress.begin(one.run)

            def work(stack: ExitStack, one: Scenario = one) -> Path:
                return lab.record(stack, root, one, settings, tell=progress.tell)

            typer.echo(guarded(work))
            progress.end()
    done, left = len(now), len(todo) - len(now)
    typer.echo(f"{done} recorded, {len(scenarios) - len(todo)} were there already, {left} left")


def _retry(once: Callable[[], Path], attempts: int, progress: Progress) -> Path:
    """Record; again where other programs disturbed it, but not for ever."""
    from faltcon.lab.bottleneck import DisturbedRunError

    for _ in range(attempts - 1):
        try:
            return once()
        except DisturbedRunError as error:
            progress.say(f"{error}; recording it again")
    return once()


def _sweep(root: Path, experiment: str) -> None:
    """Remove what a recorder that was killed outright could not."""
    from faltcon.lab import netns, run_folder, scratch

    scratch.sweep()
    netns.sweep()
    run_folder.sweep(root, experiment)
