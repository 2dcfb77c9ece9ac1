"""One command at a time in a folder that several may want."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faltcon.lab.kernel.steps import Steps

__all__ = ["locked"]


@contextlib.contextmanager
def locked(file: Path, steps: Steps) -> Iterator[None]:
    """Hold the lock `file`; says so where another process has it, and waits for that one's end."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            steps.say(f"another command works here, this one waits for it ({file})")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
