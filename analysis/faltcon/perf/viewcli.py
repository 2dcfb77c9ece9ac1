"""Commands of `faltcon perf` that make something to look at, or a file for another program."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltcon.errors import UsageError
from faltcon.perf.commands import Event, File, Files, Symbols
from faltcon.perf.inout import folded, write_out

if TYPE_CHECKING:
    from faltcon.perf.differ import Difference

__all__ = ["register"]

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write; standard output if left out."),
]


class Form(enum.StrEnum):
    """Forms that `convert` writes."""

    folded = "folded"
    d3 = "d3"
    speedscope = "speedscope"
    firefox = "firefox"
    pprof = "pprof"
    parquet = "parquet"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog="Examples:  faltcon perf convert --to speedscope out.perf -o out.speedscope.json   |"
        "   faltcon perf convert --to pprof perf.data -o out.pb.gz"
    )(convert)
    app.command(
        epilog="Examples:  faltcon perf flame perf.data -o flame.html   |   "
        "faltcon perf flame out.perf -o out.json"
    )(flame)
    app.command(epilog="Example:  faltcon perf heatmap perf.data -o heat.html")(heatmap)
    app.command(
        epilog="Examples:  faltcon perf diff a1.data a2.data a3.data vs b1.data b2.data b3.data   |"
        "   faltcon perf diff --json old.perf vs new.perf -o diff.html"
    )(diff)


def convert(
    file: File,
    to: Annotated[Form, typer.Option(help="Form to write.")],
    output: Output = None,
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Write a profile in the form of another viewer or of a table (parquet: one row a sample)."""
    if to is Form.parquet and output is None:
        raise UsageError("a Parquet file needs a name: give --output")
    write_out(_converted(file, to, event, kallsyms), output)


def flame(
    file: File,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A .html file, or a .json one for d3-flame-graph."),
    ],
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Write a flame graph: one HTML file to search and zoom in, without network."""
    if output.suffix == ".json":
        write_out(_converted(file, Form.d3, event, kallsyms), output)
        return
    if output.suffix != ".html":
        raise UsageError(f"a flame graph is written as .html or .json, not {output.name}")
    from faltcon.perf.viewer import page

    folder, profile = folded(file, event, kallsyms)
    note = f"{profile.samples} samples. {profile.left_out}"
    write_out(page(folder.stacks, title=_name(file), note=note), output)


def heatmap(
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Write a subsecond heat map: when samples were taken, a column a second."""
    from faltcon.perf.heat import heat_page, subsecond
    from faltcon.perf.inout import no_sample_of, tell_left_out
    from faltcon.perf.sources import read_samples

    samples, left_out = read_samples(file, symbols=kallsyms)
    taken = event or next((one.event for one in samples if one.event is not None), None)
    samples = [one for one in samples if one.event == taken or one.event is None]
    if not samples:
        raise no_sample_of(event, file)
    counts = subsecond(samples, file=file)
    tell_left_out(file, left_out)
    note = f"{len(samples)} samples of {taken or 'an event without a name'}. {left_out}"
    write_out(heat_page(counts, title=_name(file), note=note), output)


def diff(
    files: Files,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write a differential flame graph (.html)."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Frames in the table.")] = 20,
    event: Event = None,
    kallsyms: Symbols = None,
) -> None:
    """Compare two sets of recordings, the word `vs` between them, frame by frame.

    Shares, so that recordings of unequal length count alike. A frame is marked
    where its change is beyond chance; that takes three recordings a side.
    """
    if files.count("vs") != 1:
        raise UsageError("name both sets with the word vs between them: a.perf b.perf vs c.perf")
    from faltcon.perf.differ import compare
    from faltcon.perf.leftout import LeftOut

    place = files.index("vs")
    read = [
        [folded(file, event, kallsyms) for file in side]
        for side in (files[:place], files[place + 1 :])
    ]
    found = compare(*([folder.stacks for folder, _ in side] for side in read))
    before, after = (LeftOut.of_all(profile.left_out for _, profile in side) for side in read)
    if output is not None:
        from faltcon.perf.viewer import page

        title = f"{_name(files[0])} … vs {_name(files[-1])} …"
        note = f"Red: more in the second set. {_marks(found)}. First set: {before} Second: {after}"
        write_out(
            page(found.stacks, title=title, note=note, changes=found.changes, marked=found.marked),
            output,
        )
    if as_json:
        left_out = {"left_out": {"before": before.document(), "after": after.document()}}
        typer.echo(json.dumps(_document(found) | left_out))
        return
    _print(found, top)


def _document(found: Difference) -> dict[str, object]:
    frames = [
        {
            "frame": one.frame.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            "share_before": one.before,
            "share_after": one.after,
            "change": one.change,
            # JSON knows no NaN: without an interval there is none.
            "interval": None if one.low != one.low else [one.low, one.high],
            "p_holm": one.p,
            "marked": one.marked,
        }
        for one in found.frames
    ]
    return {"before": found.before, "after": found.after, "frames": frames}


def _print(found: Difference, top: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{found.before} recordings vs {found.after}", caption=Text(_marks(found)))
    for column in ("", "frame", "before %", "after %", "change", "95 % interval, simultaneous"):
        table.add_column(column, justify="left" if column in {"", "frame"} else "right")
    for one in found.frames[:top]:
        interval = "" if one.low != one.low else f"{100 * one.low:+.2f} to {100 * one.high:+.2f}"
        numbers = (f"{100 * one.before:.2f}", f"{100 * one.after:.2f}", f"{100 * one.change:+.2f}")
        table.add_row("*" if one.marked else "", Text(one.frame), *numbers, interval)
    Console().print(table)


def _marks(found: Difference) -> str:
    from faltcon.perf.differ import FEWEST

    if min(found.before, found.after) < FEWEST:
        return f"no frame can be marked: that takes {FEWEST} recordings a side"
    return f"{len(found.marked)} of {len(found.frames)} frames marked (*): beyond chance"


def _converted(file: str, form: Form, event: str | None, kallsyms: Path | None) -> bytes:
    from faltcon.perf import export
    from faltcon.perf.breakdown import weight_unit
    from faltcon.perf.fold import folded_bytes

    if form in {Form.firefox, Form.parquet}:
        from faltcon.perf import timelines

        return timelines.written(form.value, file, event, kallsyms)
    folder, profile = folded(file, event, kallsyms)
    stacks, left_out = folder.stacks, profile.left_out
    if form is Form.folded:
        return folded_bytes(stacks)
    unit = weight_unit(folder.event, with_period=folder.with_period)
    if form is Form.pprof:
        from faltcon.perf.pprof import pprof

        return pprof(stacks, folder.event or "samples", unit, comment=str(left_out))
    if form is Form.d3:
        document = export.d3_tree(stacks) | {"left_out": left_out.document()}
    else:
        # The form has no field for remarks; the profile's name is shown above it.
        name = f"{_name(file)} ({left_out})" if left_out else _name(file)
        document = export.speedscope(stacks, name, unit)
    # Names may hold bytes that are no text; JSON can only carry a mark in their place.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _name(file: str) -> str:
    return "standard input" if file == "-" else Path(file).name
