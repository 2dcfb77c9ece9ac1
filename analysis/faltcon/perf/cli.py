"""`faltcon perf`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltcon.errors import InputError
from faltcon.perf import viewcli
from faltcon.perf.commands import Event, File, Files, Symbols
from faltcon.perf.folding import Unclosed, fold_file
from faltcon.perf.inout import no_sample_of, read

if TYPE_CHECKING:
    from faltcon.perf.breakdown import Breakdown
    from faltcon.perf.classify import Classifier
    from faltcon.perf.rules import Rules

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Parse profiles: fold stacks, break the cycles down.")
viewcli.register(app)

RulesFile = Annotated[
    Path | None, typer.Option("--rules", help="Rule file; the project's own if left out.")
]
Variant = Annotated[
    str, typer.Option(help="Variant of the rules: a \\[variants.NAME] of the file.")
]


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
    fold_file(
        file,
        pid=pid,
        tid=tid,
        kernel=kernel,
        jit=jit,
        annotate_all=annotate_all,
        addrs=addrs,
        event=event,
        unclosed=unclosed,
        kallsyms=kallsyms,
    )


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

    loaded = load(rules)
    classifier = Classifier(loaded.variant(variant))
    done: list[Breakdown] = []
    failed: InputError | None = None
    console = Console()
    for file in files:
        try:
            result = _break_down(file, classifier, loaded, event, kallsyms)
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
    epilog="Examples:  faltcon perf explain tcp_ack   |   "
    "faltcon perf explain tcp_ack out.perf --variant ack-as-data"
)
def explain(
    symbol: Annotated[str, typer.Argument(help="A kernel function.")],
    file: Annotated[
        str | None, typer.Argument(help="A profile: shows what became of its stacks.")
    ] = None,
    rules: RulesFile = None,
    variant: Variant = "innermost",
    kallsyms: Symbols = None,
) -> None:
    """Which rules name a function and why, and in a profile which of them decided."""
    from faltcon.perf.classify import Classifier
    from faltcon.perf.explain import account_of, rules_naming
    from faltcon.perf.rules import load

    ruleset = load(rules).variant(variant)
    named = rules_naming(ruleset, symbol)
    for rule in named:
        typer.echo(f"{rule.section} {rule.number}: {rule.answer}. {rule.why}")
        for word, names in (("under", rule.under), ("not under", rule.not_under)):
            if names:
                typer.echo(f"    only {word} {', '.join(names)}")
    if not named:
        typer.echo(f"no rule names {symbol}: its time belongs to the function that called it")
    if file is None:
        return
    profile = read(file, symbols=kallsyms)
    account = account_of(profile.tallies, symbol, Classifier(ruleset))
    whole = sum(tally.weight for tally in profile.tallies)
    typer.echo(f"{file}: in {100 * account.weight / whole:.2f} % of the weight")
    for found, weight in account.classes.most_common():
        share = 100 * weight / account.weight
        typer.echo(f"  {share:5.1f} %  {found.direction}, {found.layer}, phase {found.phase}")
    for section, decided in account.deciding.items():
        for (label, name), weight in decided.most_common(5):
            share = 100 * weight / account.weight
            typer.echo(f"  {share:5.1f} %  {section} by rule {label} at {name}")


@app.command(
    "from-pyperf",
    epilog="Examples:  faltcon perf from-pyperf pyperf.json   |   "
    "faltcon perf from-pyperf --json suite.json --parquet runs.parquet",
)
def from_pyperf(
    suites: Annotated[list[Path], typer.Argument(help="pyperf suites (JSON).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Also write the table here.")] = None,
    rules: RulesFile = None,
    variant: Variant = "innermost",
    kallsyms: Symbols = None,
) -> None:
    """Suites with their recordings as one table: run, timing, metadata, classes."""
    from faltcon.perf.classify import Classifier
    from faltcon.perf.rules import load
    from faltcon.perf.suites import rows_of

    classifier = Classifier(load(rules).variant(variant))
    rows = [row for suite in suites for row in rows_of(suite, classifier, kallsyms=kallsyms)]
    if parquet is not None:
        import pandas as pd

        from faltcon.files import atomic_write

        flat = [row | {"metadata": json.dumps(row["metadata"], sort_keys=True)} for row in rows]
        with atomic_write(parquet) as stream:
            pd.DataFrame(flat).to_parquet(stream, index=False)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    from rich.console import Console

    from faltcon.perf.report import suite_table

    Console().print(suite_table(rows))


def _break_down(
    file: str, classifier: Classifier, rules: Rules, event: str | None, kallsyms: Path | None
) -> Breakdown:
    from faltcon.perf.breakdown import break_down, phases_by_rule_set

    profile = read(file, symbols=kallsyms)
    result = break_down(profile.tallies, classifier, file=file, event=event)
    result.rule_sets = phases_by_rule_set(profile.tallies, rules, event)
    result.skipped = profile.skipped
    result.throttled = profile.throttled
    if not result.samples:
        raise no_sample_of(event, file)
    return result
