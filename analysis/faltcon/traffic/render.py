"""What `faltcon traffic` shows to people: tables on stdout, progress on a terminal's stderr."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress", "repeats_table", "summary_table"]

LABELS = {
    "packets": "packets",
    "tcp_connections": "TCP connections",
    "established_connections": "  with a full handshake",
    "connections_with_gaps": "  with bytes missing",
    "f_keys": "f-keys",
    "http1_requests": "HTTP/1 requests",
    "http1_connections": "  connections",
    "http1_single_request_connections": "  connections with one request",
    "http1_max_requests": "  most in one connection",
    "incomplete_requests": "  not captured whole (not counted)",
    "http2_streams": "HTTP/2 streams",
    "http2_connections": "  connections",
    "tls_connections": "TLS connections",
    "tls_on_http_ports": "  more, on ports of HTTP",
}


def summary_table(answers: list[dict[str, Any]]) -> None:
    """One column a file while they fit, and what was skipped below each."""
    console = Console(highlight=False)
    for one in answers:
        table = Table(title=one["file"], title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for key, label in LABELS.items():
            if one[key] or not label.startswith("  "):
                table.add_row(label, f"{one[key]:,}")
        for reason, number in one["skipped"].items():
            table.add_row(f"skipped: {reason}", f"{number:,}", style="dim")
        if one["truncated"]:
            table.add_row("the file ends in the middle of a record", "truncated", style="yellow")
        console.print(table)


def repeats_table(answers: list[dict[str, Any]]) -> None:
    """One row a file."""
    if not answers:
        return
    first = answers[0]
    table = Table(
        title=f"f-pairs: more than {first['k_t']} connections ({first['count']}) "
        f"in a {first['window_kind']} window of {first['window_s']:g} s",
        title_justify="left",
    )
    for name in ("file", "f-keys", "f-pairs", "most open handshakes of an f-key"):
        table.add_column(name, justify="left" if name == "file" else "right", overflow="fold")
    for one in answers:
        values = (one["f_keys"], one["f_pairs"], one["max_concurrent_handshakes"])
        table.add_row(one["file"], *(f"{value:,}" for value in values))
    console = Console(highlight=False)
    console.print(table)
    for one in answers:
        for what in one.get("unknown", ()):
            console.print(f"{one['file']} ({one['input']}) cannot tell: {what}", style="dim")


@contextlib.contextmanager
def progress(file: str) -> Iterator[Callable[[int, int], None] | None]:
    """A function to call with the bytes and packets read; None where nobody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    path = Path(file)
    # A packed file's length says nothing of how much comes out of it.
    plain = path.is_file() and path.suffix not in {".gz", ".zst"}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[packets]:,} packets, {task.fields[rate]:,.0f} a second"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(
            path.name, total=path.stat().st_size if plain else None, packets=0, rate=0.0
        )
        begin = time.monotonic()

        def show(place: int, packets: int) -> None:
            seconds = max(time.monotonic() - begin, 1e-3)
            bar.update(task, completed=place, packets=packets, rate=packets / seconds)

        yield show
