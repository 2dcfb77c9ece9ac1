"""Answers as tables on a terminal, and progress on stderr where that is a terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

__all__ = ["compare_table", "reading_progress", "run_table", "steps"]

COLUMNS = {
    "connections": "conns",
    "f_keys": "f-keys",
    "hits": "hits",
    "misses": "misses",
    "hit_share": "served",
    "pushes": "pushes",
    "f_pairs_made": "made",
    "f_pairs_eliminated": "gone",
    "objects_peak": "peak",
    "objects_end": "left",
}
CAPTION = (
    "served: share of handshakes by f_pull; made, gone: f-pairs made and eliminated; "
    "peak, left: objects kept at most and at the end"
)
WIDE = 120
"""Columns where the output is no terminal: a file or a pipe cuts nothing off."""


@contextlib.contextmanager
def reading_progress(file: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show the packets read; yields what to call with the place and their number, None off one."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status(f"reading {file}") as status:
        yield lambda _, packets: status.update(f"reading {file}: {packets:,} packets")


@contextlib.contextmanager
def steps(total: int, unit: str) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps; yields what to call after each."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(unit, total=total)
        yield lambda: progress.advance(task)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def run_table(answers: Sequence[dict[str, Any]]) -> None:
    """A row a file."""
    if not answers:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for answer in answers:
        table.add_row(answer["file"], *(_shown(name, answer[name]) for name in COLUMNS))
    console = _console()
    console.print(table)
    console.print(CAPTION, style="dim", highlight=False)
    for answer in answers:
        for note in _notes(answer):
            console.print(f"{answer['file']}: {note}", markup=False, highlight=False)


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if name.endswith("_share") else f"{value:,}"


def _notes(answer: dict[str, Any]) -> Iterator[str]:
    if answer["left_out"]:
        yield f"{answer['left_out']} connections without a SYN were left out"
    if answer["truncated"]:
        yield "the file ends early; this is its good part"
    saved = answer.get("saved", {})
    if saved:
        saved = {**saved, "all parts": sum(saved.values())}
    for part, value in saved.items():
        yield f"{part}: {value:,.0f} {answer['saved_unit']} saved"


def compare_table(frame: pd.DataFrame) -> None:
    """A row a policy."""
    table = Table(box=None, pad_edge=False)
    for heading in ("policy", "objects, peak", "memory reused", "states reused"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for row in frame.to_dict("records"):
        table.add_row(
            str(row["policy"]),
            f"{row['objects_peak']:,}",
            f"{row['memory_share']:.1%}",
            f"{row['state_share']:.1%}",
        )
    _console().print(table)
