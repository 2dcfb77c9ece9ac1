"""`faltcon traffic`: the command line of this stage; the work is in the modules beside it."""

from __future__ import annotations

import contextlib
import enum
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faltcon.errors import FaltconError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faltcon.traffic.engines import Miner
    from faltcon.traffic.mining import Mined

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Mine captures: connections, transactions, f-pairs.")


STDIN = "-"


class WindowKindOption(enum.StrEnum):
    """Kinds of window."""

    SLIDING = "sliding"
    TUMBLING = "tumbling"


class CountOption(enum.StrEnum):
    """Which connections count."""

    ESTABLISHED = "established"
    SYN = "syn"


class EngineOption(enum.StrEnum):
    """The two implementations; their answers are the same."""

    COMPILED = "compiled"
    DPKT = "dpkt"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="Captures: pcap or pcapng, plain, gzip or zstd; - reads stdin."
    ),
]
Engine = Annotated[
    EngineOption,
    typer.Option(help="The fast implementation, or the readable one. Both answer the same."),
]
Keylog = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYS",
        help="Also read HTTP inside TLS, with this key log (SSLKEYLOGFILE); needs tshark.",
    ),
]
Decrypt = Annotated[
    bool,
    typer.Option("--decrypt", help="The same, with the secrets that the pcapng file holds."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, one a file.")]


@app.command(
    epilog="Examples:  faltcon traffic summary trace.pcap   |   "
    "faltcon traffic summary --json *.pcap.gz   |   "
    "faltcon traffic summary trace.pcapng --parquet connections.parquet. "
    "Exit codes: 0 all files were read; 1 some failed; 2 usage."
)
def summary(
    files: Files,
    as_json: AsJson = False,
    engine: Engine = EngineOption.COMPILED,
    parquet: Annotated[
        Path | None, typer.Option(help="Write the connections of all files here.")
    ] = None,
    transactions: Annotated[
        Path | None, typer.Option(help="Write the HTTP transactions of all files here (Parquet).")
    ] = None,
    keylog: Keylog = None,
    decrypt: Decrypt = False,
) -> None:
    """Count connections, HTTP transactions and f-keys of captures.

    A file that ends early yields what its good part holds, marked truncated.
    """
    from faltcon.traffic import export, render
    from faltcon.traffic.summary import SUMMARY_KEYS, summarize

    with contextlib.ExitStack() as stack:
        keep = [
            (stack.enter_context(export.writer(target, which)), which)
            for target, which in ((parquet, "connections"), (transactions, "transactions"))
            if target is not None
        ]

        def answer(file: str, mined: Mined) -> dict[str, Any]:
            for writer, which in keep:
                writer.write(file, getattr(mined.tables, which))
            return summarize(file, mined)

        mine = _miner(engine, keylog, decrypt=decrypt)
        answers = _answers(files, mine, SUMMARY_KEYS, answer)
        failures = _print(answers, as_json, render.summary_table)
    _leave(failures)


@app.command(
    epilog="Examples:  faltcon traffic repeats trace.pcap --k-t 3 --window 5s   |   "
    "faltcon traffic repeats --json --k-t 1 --window 500ms --window-kind tumbling "
    "--count syn *.pcap. Exit codes: 0 all files were read; 1 some failed; 2 usage."
)
def repeats(
    files: Files,
    as_json: AsJson = False,
    engine: Engine = EngineOption.COMPILED,
    k_t: Annotated[
        int, typer.Option("--k-t", min=0, help="An f-pair has more connections than this.")
    ] = 1,
    window: Annotated[str, typer.Option(help="Length of the window: 5s, 500ms, 2m.")] = "5s",
    window_kind: Annotated[
        WindowKindOption,
        typer.Option(help="Windows anywhere in time, or one after another."),
    ] = WindowKindOption.SLIDING,
    count: Annotated[
        CountOption,
        typer.Option(help="Count connections whose handshake completes, or every SYN."),
    ] = CountOption.ESTABLISHED,
) -> None:
    """Count f-keys, f-pairs and handshakes that are open at the same time.

    Besides captures it takes a browser's HAR file, Zeek's conn.log or http.log,
    the CSV of nfdump, and the result of the HTTP Archive query (traffic/httparchive.sql,
    as CSV or JSON lines), and says what each cannot tell.
    """
    from faltcon.traffic import inputs, render
    from faltcon.traffic.pairs import parse_duration_ns
    from faltcon.traffic.summary import REPEATS_KEYS
    from faltcon.traffic.summary import repeats as repeats_of

    window_ns = parse_duration_ns(window)

    def answer(file: str, mined: Mined) -> dict[str, Any]:
        return repeats_of(
            file, mined, k_t=k_t, window_ns=window_ns, kind=window_kind.value, count=count.value
        )

    def log(file: str) -> dict[str, Any] | None:
        if file == STDIN or not inputs.looks_like_a_log(file):
            return None
        recorded = inputs.read(file)
        told = {"input": recorded.kind, "unknown": list(recorded.unknown)}
        return {**answer(file, recorded.mined), **told}

    answers = _answers(files, _miner(engine), REPEATS_KEYS, answer, log)
    _leave(_print(answers, as_json, render.repeats_table))


@app.command(epilog="Example:  faltcon traffic report trace.pcap -o report.html")
def report(
    file: Annotated[str, typer.Argument(help="A capture.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    engine: Engine = EngineOption.COMPILED,
    keylog: Keylog = None,
    decrypt: Decrypt = False,
) -> None:
    """Write one self-contained HTML page: totals, f-pairs, and what FALTCON could serve.

    It holds no address and no payload.
    """
    from faltcon.files import write_text
    from faltcon.traffic import render
    from faltcon.traffic.report import page

    with render.progress(file) as progress:
        mined = _miner(engine, keylog, decrypt=decrypt)(file, progress=progress)
    write_text(output, page(Path(file).name, mined))


@app.command(
    epilog="Examples:  faltcon traffic tables trace.pcap -o connections.parquet   |   "
    "faltcon traffic tables *.pcap -o c.parquet --transactions t.parquet --threads 4   |   "
    "faltcon traffic tables trace.pcap -o c.parquet --resume. "
    "Exit codes: 0 all files were read; 1 some failed; 2 usage; 130 stopped, --resume goes on."
)
def tables(
    files: Files,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the connections here (Parquet).")
    ],
    transactions: Annotated[
        Path | None, typer.Option(help="Write the HTTP transactions here (Parquet).")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Read plain files in parts, so many at once.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Read parts on the workers of a Dask scheduler (tcp://host:8786; extra `cluster`)."
        ),
    ] = None,
    max_connections: Annotated[
        int,
        typer.Option(
            min=1, help="Hold so many; the longest silent beyond are let go, marked evicted."
        ),
    ] = 1 << 20,
    anonymize: Annotated[
        Path | None,
        typer.Option(
            metavar="KEYFILE",
            help="Replace addresses, keeping shared prefixes, and leave out names of servers. "
            "The key is read from this file, or made and written there.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run left off.")
    ] = False,
) -> None:
    """Write connections and transactions of captures of any length, in bounded memory.

    Rows come in the order in which connections end. Ctrl-C leaves a valid file
    that says that it is not complete; --resume goes on from there.
    """
    from faltcon.traffic import render
    from faltcon.traffic.anonymize import Anonymizer, key_of
    from faltcon.traffic.compiled import Parts
    from faltcon.traffic.job import Job
    from faltcon.traffic.parts import on_cluster, on_threads
    from faltcon.traffic.tcp import Limits

    parts = None
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            parts = Parts(1, 16, stack.enter_context(on_cluster(scheduler)))
        elif threads > 1:
            parts = Parts(1, threads + 1, stack.enter_context(on_threads(threads)))
        limits = Limits(max_connections=max_connections)
        hidden = Anonymizer(key_of(anonymize)) if anonymize is not None else None
        job = Job(files, output, transactions, limits, parts=parts, anonymizer=hidden)
        stopped = stack.enter_context(_until_stopped())
        bars = stack.enter_context(contextlib.ExitStack())

        def progress(file: str) -> Callable[[int, int], None] | None:
            bars.close()
            return bars.enter_context(render.progress(file))

        outcome = job.run(
            resume=resume,
            stopped=stopped,
            progress=progress,
            failed=lambda error: typer.echo(f"faltcon: {error}", err=True),
        )
    for file in outcome.truncated:
        typer.echo(f"faltcon: {file} ends in the middle of a record", err=True)
    _leave(len(outcome.failed))


@contextlib.contextmanager
def _until_stopped() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came: the run stops where its state is whole."""
    asked: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, lambda number, _: asked.append(number)) for one in signals]
    try:
        yield lambda: bool(asked)
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _miner(engine: EngineOption, keylog: Path | None = None, *, decrypt: bool = False) -> Miner:
    from faltcon.traffic.decrypted import decrypting
    from faltcon.traffic.engines import engine_of

    mine = engine_of(engine.value)
    return decrypting(mine, keylog) if decrypt or keylog is not None else mine


def _answers(
    files: list[str],
    mine: Miner,
    keys: tuple[str, ...],
    answer: Callable[[str, Mined], dict[str, Any]],
    log: Callable[[str], dict[str, Any] | None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """The answer for each file in order; for a file that fails, one that holds its error."""
    from faltcon.traffic import render
    from faltcon.traffic.summary import failed

    for file in files:
        try:
            logged = log(file)
            if logged is None:
                with render.progress(file) as progress:
                    logged = answer(file, mine(file, progress=progress))
        except FaltconError as error:
            yield failed(file, keys, str(error))
        else:
            yield logged


def _print(
    answers: Iterator[dict[str, Any]],
    as_json: bool,
    table: Callable[[list[dict[str, Any]]], None],
) -> int:
    """Print the answers, JSON lines as they come; the number of files that failed."""
    failures = 0
    kept: list[dict[str, Any]] = []
    for one in answers:
        failures += one["error"] is not None
        if as_json:
            typer.echo(json.dumps(one, ensure_ascii=False))
        else:
            kept.append(one)
    if not as_json:
        table([one for one in kept if one["error"] is None])
        sys.stdout.flush()
        for one in kept:
            if one["error"] is not None:
                typer.echo(f"faltcon: {one['error']}", err=True)
    return failures


def _leave(failures: int) -> None:
    if failures:
        raise typer.Exit(1)
