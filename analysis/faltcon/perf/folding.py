"""`faltcon perf fold`, and its short way past the library that reads command lines.

That library takes longer to import than 100,000 samples take to fold.
"""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Any

from faltcon.perf.inout import no_sample_of, read, tell, write_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Unclosed", "fold_file", "plainly_asked"]

# Options without a value, and what fold_file calls them.
SWITCHES = {
    "--pid": "pid",
    "--tid": "tid",
    "--kernel": "kernel",
    "--jit": "jit",
    "--all": "annotate_all",
    "--addrs": "addrs",
}


class Unclosed(enum.StrEnum):
    """What to do with a last sample that no blank line ends."""

    keep = "keep"
    drop = "drop"


def fold_file(
    file: str,
    *,
    pid: bool = False,
    tid: bool = False,
    kernel: bool = False,
    jit: bool = False,
    annotate_all: bool = False,
    addrs: bool = False,
    event: str | None = None,
    unclosed: Unclosed | None = None,
    kallsyms: Path | None = None,
) -> None:
    """Fold a file's stacks to standard output; the options are the command's.

    Raises InputError and its kinds.
    """
    from faltcon.perf.fold import Folder, FoldOptions, folded_bytes  # noqa: PLC0415

    options = FoldOptions(
        pid=pid,
        tid=tid,
        kernel=kernel or annotate_all,
        jit=jit or annotate_all,
        addrs=addrs,
        event=event,
    )
    as_flamegraph = any((pid, tid, kernel, jit, annotate_all, addrs))
    keep = not as_flamegraph if unclosed is None else unclosed is Unclosed.keep
    profile = read(file, symbols=kallsyms, addresses=addrs, threads=tid, keep_unclosed=keep)
    folder = Folder(options)
    for tally in profile.tallies:
        folder.add(tally)
    stacks = folder.stacks
    if not stacks:
        raise no_sample_of(event, file)
    tell(profile, folder.other_events)
    write_out(folded_bytes(stacks))


def plainly_asked(arguments: list[str]) -> Callable[[], None] | None:
    """The work that the arguments after `perf fold` ask for, if they are one file and switches.

    None for all others, also for wrong ones: the command line's library says what is wrong.
    """
    files = [one for one in arguments if not one.startswith("-") or one == "-"]
    switches = [one for one in arguments if one.startswith("-") and one != "-"]
    if len(files) != 1 or not files[0] or not SWITCHES.keys() >= set(switches):
        return None
    chosen: dict[str, Any] = {SWITCHES[one]: True for one in switches}
    return functools.partial(fold_file, files[0], **chosen)
