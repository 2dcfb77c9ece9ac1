"""A folder for what a recording needs and does not keep."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.lab.host import process_is_alive

if TYPE_CHECKING:
    from contextlib import ExitStack

__all__ = ["make_scratch", "sweep"]

PREFIX = "faltcon-lab"


def make_scratch(stack: ExitStack, *folders: str) -> Path:
    """Make the folder with these sub-folders outside the recordings; the stack removes it."""
    scratch = Path(tempfile.gettempdir()) / f"{PREFIX}-{os.getpid()}"
    stack.callback(_remove, scratch)
    _remove(scratch)
    for name in ("", *folders):
        (scratch / name).mkdir()
    return scratch


def sweep() -> list[str]:
    """Remove folders whose recorder was killed outright; returns their names."""
    removed = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}-*")):
        owner = re.fullmatch(rf"{PREFIX}-(\d+)", path.name)
        if owner and not process_is_alive(int(owner.group(1))):
            _remove(path)
            removed.append(path.name)
    return removed


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
