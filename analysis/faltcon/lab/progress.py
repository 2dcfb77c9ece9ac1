"""Progress of a series of recordings: a bar on a terminal, silence elsewhere."""

from __future__ import annotations

from typing import Self

from rich import progress
from rich.console import Console

__all__ = ["Progress"]


class Progress:
    """How many of the recordings are done, and what is being done now."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._bar = progress.Progress(
            progress.TextColumn("{task.fields[run]}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[step]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("recordings", total=total, run="", step="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, run: str) -> None:
        """The next recording has this name."""
        self._bar.update(self._task, run=run, step="")

    def tell(self, step: str) -> None:
        """What is being done now."""
        self._bar.update(self._task, step=step)

    def say(self, line: str) -> None:
        """A line that stays, also where there is no terminal."""
        self._bar.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def end(self) -> None:
        """The recording is done."""
        self._bar.advance(self._task)
