"""`faltcon model`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltcon.errors import FaltconError, UsageError
from faltcon.model import UNLIMITED, Counted, Eliminate, Policy, Scope, Steering, WindowKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from faltcon.simulate.answers import Setting
    from faltcon.simulate.inputs import Loaded

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Run the model of FALTCON over captures, tables of connections and synthetic traces.",
)

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Captures, HAR, Zeek or nfdump logs, or Parquet; - reads a capture."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, one a file.")]
KT = Annotated[int, typer.Option("--k-t", min=0, help="An f-pair has more connections than this.")]
Window = Annotated[str, typer.Option(help="Length of the window: 5s, 500ms, 2m.")]
Timer = Annotated[str, typer.Option(help="Interval of the elimination timer.")]
Cores = Annotated[int, typer.Option(min=1, max=4096, help="CPUs, each with its archive.")]
Kind = Annotated[WindowKind, typer.Option("--window-kind", help="How windows follow each other.")]
Count = Annotated[Counted, typer.Option("--count", help="What counts against k_t.")]
ScopeOption = Annotated[Scope, typer.Option("--scope", help="Count for each CPU or for all.")]
EliminateOption = Annotated[
    Eliminate, typer.Option("--eliminate", help="Connections in an interval that are too few.")
]
SteeringOption = Annotated[Steering, typer.Option("--steering", help="How packets find their CPU.")]
MaxPairs = Annotated[int, typer.Option(min=0, help="Nodes, all CPUs together.")]
MaxObjects = Annotated[int, typer.Option(min=0, help="Objects kept of each kind.")]


@app.command(
    epilog="Examples:  faltcon model run trace.pcap --k-t 3 --window 5s --timer 30s   |   "
    "faltcon model run --json --cores 8 *.pcap   |   "
    "faltcon model run trace.pcap --sweep design-space.svg. "
    "Exit codes: 0 all files were run; 1 some failed; 2 usage."
)
def run(
    files: Files,
    as_json: AsJson = False,
    k_t: KT = 3,
    window: Window = "5s",
    timer: Timer = "30s",
    cores: Cores = 1,
    window_kind: Kind = WindowKind.TUMBLING,
    count: Count = Counted.ESTABLISHED,
    scope: ScopeOption = Scope.CPU,
    eliminate: EliminateOption = Eliminate.NONE,
    steering: SteeringOption = Steering.RSS,
    max_pairs: MaxPairs = UNLIMITED,
    max_objects: MaxObjects = UNLIMITED,
    plain: Annotated[
        bool, typer.Option("--plain", help="Run the plain model, not its compiled twin.")
    ] = False,
    costs: Annotated[
        Path | None, typer.Option(help="Measured costs (JSON): say what was saved.")
    ] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Vary each parameter and write the figure here.")
    ] = None,
) -> None:
    """Count what FALTCON would have done with the handshakes of captures.

    Each file is a trace of its own, run from an empty archive.
    """
    from faltcon.model.costs import read_costs
    from faltcon.simulate.answers import Setting, run_answer
    from faltcon.traffic.pairs import parse_duration_ns

    policy = Policy(
        k_t=k_t,
        window_ns=parse_duration_ns(window),
        timer_ns=parse_duration_ns(timer),
        max_pairs=max_pairs,
        max_objects=max_objects,
        window_kind=window_kind,
        scope=scope,
        counted=count,
        eliminate=eliminate,
    )
    read = read_costs(costs) if costs is not None else None
    setting = Setting(policy, cores, steering, not plain, read)
    if sweep is not None:
        _sweep(files, setting, sweep)
        return
    answers = _each(files, lambda file, loaded: run_answer(file, loaded, setting))
    _print(answers, as_json)


def _each(
    files: Sequence[str], answer: Callable[[str, Loaded], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The answer for each file in order; for a file that fails, one that holds its error."""
    from faltcon.simulate.answers import failed
    from faltcon.simulate.inputs import load
    from faltcon.simulate.render import reading_progress

    for file in files:
        try:
            with reading_progress(file) as progress:
                loaded = load(file, progress=progress)
            found = answer(file, loaded)
        except FaltconError as error:
            yield failed(file, str(error))
        else:
            yield found


def _print(answers: Iterator[dict[str, Any]], as_json: bool) -> None:
    from faltcon.simulate.render import run_table

    failures = 0
    kept = []
    for one in answers:
        failures += one["error"] is not None
        if as_json:
            typer.echo(json.dumps(one, ensure_ascii=False))
        else:
            kept.append(one)
    if not as_json:
        run_table([one for one in kept if one["error"] is None])
        sys.stdout.flush()
        for one in kept:
            if one["error"] is not None:
                typer.echo(f"faltcon: {one['error']}", err=True)
    if failures:
        raise typer.Exit(1)


def _sweep(files: Sequence[str], setting: Setting, target: Path) -> None:
    from faltcon.figures import model as figures
    from faltcon.files import atomic_write
    from faltcon.simulate.inputs import load
    from faltcon.simulate.render import reading_progress, steps
    from faltcon.simulate.sweep import AXES, one_at_a_time

    if len(files) != 1:
        raise UsageError(f"--sweep draws one file, not {len(files)}; name one")
    kind = target.suffix.lstrip(".")
    if kind not in {"svg", "png", "pdf"}:
        raise UsageError(f"--sweep {target}: name a file that ends in .svg, .png or .pdf")
    with reading_progress(files[0]) as progress:
        loaded = load(files[0], progress=progress)
    with steps(sum(len(values) for values in AXES.values()), "runs") as step:
        frame = one_at_a_time(
            loaded.trace, setting.policy, setting.cores, steering=setting.steering, progress=step
        )
    figure = figures.design_space(frame, origin=Path(files[0]).name)
    with atomic_write(target) as stream:
        figure.savefig(stream, format=kind)
    typer.echo(f"{target}: {len(frame)} runs over {len(loaded.trace)} connections")


@app.command(
    epilog="Examples:  faltcon model compare trace.pcap --cores 4   |   "
    "faltcon model compare --json connections.parquet"
)
def compare(
    file: Annotated[str, typer.Argument(help="A capture, or connections as Parquet.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a policy.")] = False,
    k_t: KT = 3,
    window: Window = "5s",
    timer: Timer = "30s",
    cores: Cores = 1,
    steering: SteeringOption = Steering.RSS,
) -> None:
    """Put FALTCON beside a slab cache, LRU and a policy that knows the future."""
    from faltcon.simulate.inputs import load
    from faltcon.simulate.render import compare_table, reading_progress
    from faltcon.simulate.sweep import compare as compare_policies
    from faltcon.traffic.pairs import parse_duration_ns

    policy = Policy(k_t=k_t, window_ns=parse_duration_ns(window), timer_ns=parse_duration_ns(timer))
    with reading_progress(file) as progress:
        loaded = load(file, progress=progress)
    frame = compare_policies(loaded.trace, policy, cores, steering)
    if as_json:
        for one in frame.to_dict("records"):
            typer.echo(json.dumps(one))
    else:
        compare_table(frame)


@app.command(
    epilog="Examples:  faltcon model synthesize zipf --size 100000 -o zipf.parquet   |   "
    "faltcon model synthesize syn-flood --size 1000000 --seed 7 -o flood.parquet. "
    "The distributions are stated in faltcon.simulate.generate."
)
def synthesize(
    generator: Annotated[
        str,
        typer.Argument(help="zipf, web, closed-loop, syn-flood, one-each, pulses or nat."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    size: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="Connections (web: visits).")
    ] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
) -> None:
    """Write a synthetic table of connections, marked as synthetic in the file's metadata."""
    from faltcon.simulate import export
    from faltcon.simulate.generate import GENERATORS

    if generator not in GENERATORS:
        raise UsageError(f"no generator {generator}; there are {', '.join(GENERATORS)}")
    trace = GENERATORS[generator](size, seed=seed)
    export.write(trace, output, origin=f"synthetic: {generator}, size {size}, seed {seed}")
    typer.echo(f"{output}: {len(trace)} connections of {len(trace.keys)} f-keys")


@app.command(
    epilog="Examples:  faltcon model scenarios   |   "
    "faltcon model scenarios --c-header > faltcon_scenarios.h"
)
def scenarios(
    file: Annotated[Path | None, typer.Argument(help="kernel/scenarios.toml if left out.")] = None,
    c_header: Annotated[bool, typer.Option("--c-header", help="Print them as C.")] = False,
) -> None:
    """Check the scenarios that kernel and model share. Exit 1 when one does not hold."""
    from faltcon.model.scenarios import main

    arguments = [str(file)] if file is not None else []
    code = main([*arguments, *(["--c-header"] if c_header else [])])
    if code:
        raise typer.Exit(code)


@app.command(epilog="Example:  faltcon model bench --size 4000000 --cores 16")
def bench(
    size: Annotated[int, typer.Option(min=1000, help="Connections of the trace.")] = 2_000_000,
    clients: Annotated[int, typer.Option(min=1, help="Clients, by Zipf's law.")] = 200_000,
    cores: Cores = 16,
    rounds: Annotated[int, typer.Option(min=1, help="Runs; the median counts.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Time the compiled twin on one core: connections a second, with their spread.

    Steering by RSS and the run are timed apart, in CPU time of this process.
    """
    from faltcon.simulate.bench import measure

    found = measure(size, clients=clients, cores=cores, rounds=rounds)
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(
        f"{found['connections']} connections, {found['cores']} cores; million a second of CPU "
        f"time, median of {found['rounds']} rounds (slowest to fastest):"
    )
    for name, words in (("run", "run"), ("steer", "steering"), ("both", "both")):
        middle, low, high = (
            found[f"{name}_per_s{end}"] / 1e6 for end in ("", "_slowest", "_fastest")
        )
        typer.echo(f"  {words:8} {middle:6.2f} ({low:.2f} to {high:.2f})")
