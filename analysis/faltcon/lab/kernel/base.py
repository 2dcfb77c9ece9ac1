"""Which kernels the series is for: `kernel/base.toml`."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faltcon import paths
from faltcon.errors import FormatError, UsageError
from faltcon.files import reading

__all__ = ["BaseKernel", "cache_dir", "default_base", "kernel_dir", "load", "work_dir"]

FIELDS = ("package", "version", "release", "sha256", "tarball", "suite")


@dataclass(frozen=True)
class BaseKernel:
    """One Debian source package: what to fetch and what its file must be.

    `name` is how the command line calls it (6.1); `sha256` is of the .deb;
    `tarball` the source archive's path inside it; `suite` is `system`, where
    the machine's own package lists know the package, or a Debian suite.
    """

    name: str
    package: str
    version: str
    release: str
    sha256: str
    tarball: str
    suite: str


def kernel_dir() -> Path:
    """Folder of the project's kernel sources: series, configurations, tests."""
    return paths.project_root() / "kernel"


def work_dir() -> Path:
    """Folder that trees and builds go to: `FALTCON_KERNEL_DIR` if set, else `build/kernel`."""
    override = os.environ.get("FALTCON_KERNEL_DIR")
    folder = Path(override).expanduser() if override else paths.project_root() / "build" / "kernel"
    return folder.resolve()


def cache_dir() -> Path:
    """Folder of what all clones of the project share: packages, unpacked sources, ccache.

    `FALTCON_KERNEL_CACHE` if set, else `faltcon/kernel` in the user's cache folder.
    It may be deleted at any time; the next build fetches and compiles again.
    """
    override = os.environ.get("FALTCON_KERNEL_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(override) if override else Path(user) / "faltcon" / "kernel"
    return folder.expanduser().resolve()


def _document(file: Path) -> dict[str, Any]:
    with reading(file):
        text = file.read_text("utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(file, f"is not TOML ({error})", mend="restore it from git") from error


def default_base(file: Path | None = None) -> str:
    """The name of the base that is used where none is asked for."""
    file = file or kernel_dir() / "base.toml"
    name = _document(file).get("default")
    if not isinstance(name, str):
        raise FormatError(file, "names no default", mend='write default = "6.1"')
    return name


def load(name: str | None = None, file: Path | None = None) -> BaseKernel:
    """The base kernel of this name. Raises UsageError for a name that base.toml does not have."""
    file = file or kernel_dir() / "base.toml"
    name = name or default_base(file)
    bases = _document(file).get("base", {})
    if name not in bases:
        known = ", ".join(sorted(bases))
        raise UsageError(f"no base kernel {name}; {file.name} has: {known}")
    entry = bases[name]
    missing = [field for field in FIELDS if not isinstance(entry.get(field), str)]
    if missing:
        raise FormatError(file, f"lacks {missing[0]}", place=f'base."{name}"')
    return BaseKernel(name=name, **{field: entry[field] for field in FIELDS})
