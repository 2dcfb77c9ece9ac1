"""How the commands of this stage read a profile, tell what was left out, and write a result."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon.errors import InputError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from faltcon.perf.fold import Folder
    from faltcon.perf.leftout import LeftOut
    from faltcon.perf.tally import Profile

__all__ = ["folded", "no_sample_of", "read", "tell", "tell_left_out", "write_out"]

_LONG_BYTES = 128 << 20  # from here on reading takes long enough to be watched


def read(file: str, **options: Any) -> Profile:
    """sources.read_profile, with a bar on standard error while a long file is read."""
    from faltcon.perf.sources import read_profile  # noqa: PLC0415

    with _watched(file) as progress:
        return read_profile(file, progress=progress, **options)


@contextlib.contextmanager
def _watched(file: str) -> Iterator[Callable[[float], None] | None]:
    if file == "-" or not sys.stderr.isatty() or _size(file) < _LONG_BYTES:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {Path(file).name}", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError:
        return 0  # what is wrong with it is said by who reads it


def folded(file: str, event: str | None, kallsyms: Path | None) -> tuple[Folder, Profile]:
    """A file's folded stacks with kernel and JIT marks; tells what was left out."""
    from faltcon.perf.fold import Folder, FoldOptions  # noqa: PLC0415

    profile = read(file, symbols=kallsyms)
    folder = Folder(FoldOptions(kernel=True, jit=True, event=event))
    for tally in profile.tallies:
        folder.add(tally)
    if not folder.stacks:
        raise no_sample_of(event, file)
    tell(profile, folder.other_events)
    return folder, profile


def no_sample_of(event: str | None, file: str) -> InputError:
    """The error for a file without a sample of the event asked for."""
    return InputError(
        file, f"no sample of event {event}", mend="leave --event out to take the first"
    )


def tell(profile: Profile, other_events: Counter[str]) -> None:
    """What was left out, on standard error: nothing is lost silently."""
    tell_left_out(profile.file, profile.left_out)
    for name, count in other_events.items():
        _note(f"{profile.file}: left out {count} samples of {name}; name it with --event")


def tell_left_out(file: str, left_out: LeftOut) -> None:
    """What a recording lacks, on standard error."""
    for reason, count in left_out.skipped.items():
        _note(f"{file}: skipped {count}: {reason}")
    if left_out.throttled:
        _note(f"{file}: throttled {left_out.throttled} times")


def _note(text: str) -> None:
    # A name may hold bytes that are no text.
    print(f"faltcon: {text}".encode("utf-8", "replace").decode(), file=sys.stderr)  # noqa: T201


def write_out(content: bytes, output: Path | None = None) -> None:
    """To this file, whole or not at all; to standard output if there is none."""
    if output is not None:
        from faltcon.files import write_bytes  # noqa: PLC0415

        write_bytes(output, content)
        return
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
