"""Where the project keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

from faltcon.errors import UsageError

__all__ = ["data_dir", "paper_dir", "project_root", "raw_dir"]


def project_root() -> Path:
    """Folder of the clone that this package is installed from (editable)."""
    return Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Folder that recordings are read from: `FALTCON_DATA` if set, else `data/`.

    Raises UsageError when `FALTCON_DATA` names no folder.
    """
    override = os.environ.get("FALTCON_DATA")
    if not override:
        return project_root() / "data"
    folder = Path(override).expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"FALTCON_DATA={override} is not a folder; unset it or name one")
    return folder


def raw_dir() -> Path:
    """Folder of the raw recordings, one folder an experiment."""
    return data_dir() / "raw"


def paper_dir() -> Path:
    """Folder of what the paper says, as data. Always the project's own."""
    return project_root() / "data" / "paper"
