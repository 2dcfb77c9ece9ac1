"""Names that one kernel function has in other kernels: the table `renames.toml`."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources

__all__ = ["Rename", "other_names", "renames"]


@dataclass(frozen=True)
class Rename:
    """One change of a name; `renames.toml` says what the fields are.

    seen: kernel to `before`, `after`, `both` or `-`.
    """

    before: str
    after: str
    kind: str
    release: str
    commit: str
    subject: str
    seen: dict[str, str]


@functools.cache
def renames() -> tuple[Rename, ...]:
    """The table, oldest change first."""
    text = resources.files("faltcon.perf").joinpath("renames.toml").read_text("utf-8")
    return tuple(Rename(**entry) for entry in tomllib.loads(text)["rename"])


@functools.cache
def other_names(symbol: str) -> dict[str, Rename]:
    """What other kernels call a function, and the change that says so; several in a row count."""
    found: dict[str, Rename] = {}
    waiting = [symbol]
    while waiting:
        name = waiting.pop()
        for one in renames():
            pair = (one.before, one.after)
            if name not in pair:
                continue
            other = pair[1 - pair.index(name)]
            if other != symbol and other not in found:
                found[other] = one
                waiting.append(other)
    return found
