"""`faltcon perf`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltcon.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections import Counter

    from faltcon.perf.breakdown import Breakdown
    from faltcon.perf.tally import Profile

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Parse profiles: fold stacks, break the cycles down.")

File = Annotated[
    str,
    typer.Argument(help="perf.data or perf script text (plain, gzip, zstd); - is standard input."),
]
Files = Annotated[
    list[str],
    typer.Argument(help="perf.data or perf script text (plain, gzip, zstd); - is standard input."),
]
Event = Annotated[
    str | None, typer.Option(help="Take samples of this event; the first one seen if left out.")
]
Symbols = Annotated[
    Path | None,
    typer.Option(
        "--kallsyms",
        help="Symbols of the recorded kernel (kallsyms or System.map), for perf.data; if left out: "
        "the one beside the file, of the project's recordings, or of this kernel.",
    ),
]
RulesFile = Annotated[
    Path | None, typer.Option("--rules", help="Rule file; the project's own if left out.")
]
Variant = Annotated[
    str, typer.Option(help="Variant of the rules: a \\[variants.NAME] of the file.")
]


class Unclosed(enum.StrEnum):
    """What to do with a last sample that no blank line ends."""

    keep = "keep"
    drop = "drop"


class Form(enum.StrEnum):
    """Forms that `convert` writes."""

    d3 = "d3"
    speedscope = "speedscope"
    folded = "folded"


@app.callback()
def _group() -> None:
    """Parse profiles."""


@app.command(
    epilog="Examples:  faltcon perf fold --kernel out.perf > out.folded   |   "
    "perf script | faltcon perf fold --pid -"
)
def fold(
    file: File,
    pid: Annotated[bool, typer.Option("--pid", help="The process beside comm.")] = False,
    tid: Annotated[bool, typer.Option("--tid", help="Process and thread beside comm.")] = False,
    kernel: Annotated[
        bool, typer.Option("--kernel", help=r"_\[k] after kernel functions.")
    ] = False,
    jit: Annotated[
        bool, typer.Option("--jit", help=r"_\[j] after functions of a perf map.")
    ] = False,
    annotate_all: Annotated[bool, typer.Option("--all", help="--kernel and --jit.")] = False,
    addrs: Annotated[
        bool, typer.Option("--addrs", help="The address beside unknown functions.")
    ] = False,
    event: Event = None,
    unclosed: Annotated[
        Unclosed | None,
        typer.Option(
            help="A last sample that no blank line ends: stackcollapse-perf.pl drops it, and so "
            "does this command with any of that script's options; without them it is kept."
        ),
    ] = None,
    kallsyms: Symbols = None,
) -> None:
    """Folded stacks to standard output, as stackcollapse-perf.pl's options give them."""
    from faltcon.perf.fold import Folder, FoldOptions, folded_bytes
    from faltcon.perf.sources import read_profile

    options = FoldOptions(
        pid=pid,
        tid=tid,
        kernel=kernel or annotate_all,
        jit=jit or annotate_all,
        addrs=addrs,
        event=event,
    )
    as_flamegraph = any((pid, tid, kernel, jit, annotate_all, addrs))
    keep = not as_flamegraph if unclosed is None else unclosed is Unclosed.keep
    profile = read_profile(file, symbols=kallsyms, addresses=addrs, threads=tid, keep_unclosed=keep)
    folder = Folder(options)
    for tally in profile.tallies:
        folder.add(tally)
    stacks = folder.stacks
    if not stacks:
        raise _no_sample_of(event, file)
    _tell(profile, folder.other_events)
    _write_out(folded_bytes(stacks))


@app.command(
    epilog="Examples:  faltcon perf breakdown out.perf   |   "
    "faltcon perf breakdown --json --variant ack-as-data run-*/stacks.perf-script.zst"
)
def breakdown(
    files: Files,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a file and line.")
    ] = False,
    parquet: Annotated[
        Path | None, typer.Option(help="Also write the table of classes here.")
    ] = None,
    rules: RulesFile = None,
    variant: Variant = "innermost",
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Where the cycles go: TX and RX by layer, and the phases of TCP's receive work.

    Exit 1 when a file could not be used; the others are shown all the same.
    """
    from rich.console import Console

    from faltcon.perf.breakdown import summary
    from faltcon.perf.classify import Classifier
    from faltcon.perf.report import notes, tables
    from faltcon.perf.rules import load

    classifier = Classifier(load(rules).variant(variant))
    done: list[Breakdown] = []
    failed: InputError | None = None
    console = Console()
    for file in files:
        try:
            result = _break_down(file, classifier, event, kallsyms)
        except InputError as error:
            failed = error
            if as_json:
                typer.echo(json.dumps({"file": file, "error": str(error)}))
            typer.echo(f"faltcon: {error}", err=True)
            continue
        done.append(result)
        document = summary(result)
        if as_json:
            typer.echo(json.dumps(document))
            continue
        for table in tables(document):
            console.print(table)
        for note in notes(document):
            console.print(note)
    if parquet is not None and done:
        from faltcon.files import atomic_write
        from faltcon.perf.tables import classes_table

        table_of_classes = classes_table(done)
        with atomic_write(parquet) as stream:
            table_of_classes.to_parquet(stream, index=False)
    if failed is not None:
        raise typer.Exit(failed.exit_code)


@app.command(
    epilog="Examples:  faltcon perf convert --to speedscope out.perf -o out.speedscope.json   |   "
    "faltcon perf convert --to d3 out.perf"
)
def convert(
    file: File,
    to: Annotated[Form, typer.Option(help="Form to write.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output if left out."),
    ] = None,
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Write the folded stacks in the form of another viewer."""
    content = _converted(file, to, event, kallsyms)
    if output is None:
        _write_out(content)
    else:
        from faltcon.files import write_bytes

        write_bytes(output, content)


@app.command(epilog="Example:  faltcon perf flame out.perf -o out.json")
def flame(
    file: File,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .json file, for d3-flame-graph.")
    ],
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Write a flamegraph's data."""
    from faltcon.files import write_bytes

    if output.suffix != ".json":
        raise UsageError(f"a flamegraph is written as .json, not {output.name}")
    write_bytes(output, _converted(file, Form.d3, event, kallsyms))


def _break_down(file: str, classifier: Any, event: str | None, kallsyms: Path | None) -> Breakdown:
    from faltcon.perf.breakdown import break_down
    from faltcon.perf.sources import read_profile

    profile = read_profile(file, symbols=kallsyms)
    result = break_down(profile.tallies, classifier, file=file, event=event)
    result.skipped = profile.skipped
    result.throttled = profile.throttled
    if not result.samples:
        raise _no_sample_of(event, file)
    return result


def _converted(file: str, form: Form, event: str | None, kallsyms: Path | None) -> bytes:
    from faltcon.perf.breakdown import weight_unit
    from faltcon.perf.export import d3_tree, speedscope
    from faltcon.perf.fold import Folder, FoldOptions, folded_bytes
    from faltcon.perf.sources import read_profile

    profile = read_profile(file, symbols=kallsyms)
    folder = Folder(FoldOptions(kernel=True, jit=True, event=event))
    for tally in profile.tallies:
        folder.add(tally)
    stacks = folder.stacks
    if not stacks:
        raise _no_sample_of(event, file)
    _tell(profile, folder.other_events)
    if form is Form.folded:
        return folded_bytes(stacks)
    name = "standard input" if file == "-" else Path(file).name
    if form is Form.d3:
        document = d3_tree(stacks)
    else:
        unit = weight_unit(folder.event, with_period=folder.with_period)
        document = speedscope(stacks, name, unit)
    # Names may hold bytes that are no text; JSON can only carry a mark in their place.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _no_sample_of(event: str | None, file: str) -> InputError:
    return InputError(
        file, f"no sample of event {event}", mend="leave --event out to take the first"
    )


def _tell(profile: Profile, other_events: Counter[str]) -> None:
    """What was left out, on standard error: nothing is lost silently."""
    for reason, count in profile.skipped.items():
        typer.echo(f"faltcon: {profile.file}: skipped {count}: {reason}", err=True)
    if profile.throttled:
        typer.echo(f"faltcon: {profile.file}: throttled {profile.throttled} times", err=True)
    for name, count in other_events.items():
        typer.echo(
            f"faltcon: {profile.file}: left out {count} samples of {name}; name it with --event",
            err=True,
        )


def _write_out(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
