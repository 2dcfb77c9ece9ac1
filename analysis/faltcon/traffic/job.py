"""A long run over captures to Parquet: bounded memory, stopped and taken up again.

A run that is stopped leaves Parquet files that are valid, say that they are
not complete, and hold the connections that ended so far; what is still open is
kept beside them, so that the run can go on where it was.
"""

from __future__ import annotations

import enum
import io
import pickle
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from faltcon.errors import FaltconError, FormatError, InterruptedRunError, UsageError
from faltcon.files import atomic_write, reading, write_bytes
from faltcon.traffic.compiled import Checkpoint, StoppedError, run
from faltcon.traffic.export import Writer, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from faltcon.traffic.anonymize import Anonymizer
    from faltcon.traffic.compiled import Parts
    from faltcon.traffic.tcp import Limits

__all__ = ["Job", "Outcome"]

# What a kept state may be made of; anything else in the file is refused.
ALLOWED = ("faltcon.traffic.", "numpy.", "hpack.", "hyperframe.", "collections")
ALLOWED_BUILTINS = frozenset(("bytearray", "set", "frozenset"))
ALLOWED_NUMPY = frozenset(("_reconstruct", "ndarray", "dtype", "_frombuffer", "scalar"))


@dataclass
class Outcome:
    """What became of the files so far."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    packets: int = 0
    evicted: int = 0
    truncated: list[str] = field(default_factory=list)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        """Write members of an enumeration by their value; some Pythons write a getattr() call."""
        if isinstance(obj, enum.Enum):
            return type(obj), (obj.value,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Refuse whatever no kept state holds."""
        numpy = module == "numpy" or module.startswith("numpy.")
        allowed = (module == "builtins" and name in ALLOWED_BUILTINS) or (
            name in ALLOWED_NUMPY if numpy else module.startswith(ALLOWED)
        )
        if not allowed or (module == "collections" and name == "namedtuple"):
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a state")
        return super().find_class(module, name)


class _Rows:
    """A sink that writes rows of one capture."""

    def __init__(self, file: str, connections: Writer, transactions: Writer | None) -> None:
        self._file = file
        self._connections = connections
        self._transactions = transactions

    def connections(self, table: pa.Table) -> None:
        self._connections.write(self._file, table)

    def transactions(self, table: pa.Table, ordinals: NDArray[np.int64]) -> None:
        del ordinals
        if self._transactions is not None:
            self._transactions.write(self._file, table)


class Job:
    """Writes the connections of `files` to `target`, and their transactions if asked."""

    def __init__(
        self,
        files: Sequence[str],
        target: Path,
        transactions: Path | None,
        limits: Limits,
        *,
        parts: Parts | None = None,
        anonymizer: Anonymizer | None = None,
    ) -> None:
        self._anonymizer = anonymizer
        self._files = list(files)
        self._targets = {"connections": target}
        if transactions is not None:
            self._targets["transactions"] = transactions
        self._limits = limits
        self._parts = parts
        self._kept = target.with_name(target.name + ".resume")
        self.outcome = Outcome()

    def run(
        self,
        *,
        resume: bool,
        stopped: Callable[[], bool],
        progress: Callable[[str], Callable[[int, int], None] | None],
        failed: Callable[[FaltconError], None],
    ) -> Outcome:
        """Read the files; `failed` is told of each that cannot be read.

        Raises UsageError where there is nothing to take up, and
        InterruptedRunError when it was `stopped`.
        """
        goes_on = self._take_up() if resume else None
        stop: StoppedError | None = None
        with ExitStack() as stack:
            writers = {
                which: Writer(stack.enter_context(atomic_write(target)), which, self._anonymizer)
                for which, target in self._targets.items()
            }
            if resume:
                for which, writer in writers.items():
                    _copy_rows(self._targets[which], writer)
            for file in self._files[len(self.outcome.done) + len(self.outcome.failed) :]:
                sink = _Rows(file, writers["connections"], writers.get("transactions"))
                try:
                    mined = run(
                        file,
                        sink,
                        limits=self._limits,
                        transactions="transactions" in writers,
                        parts=self._parts,
                        progress=progress(file),
                        stopped=stopped,
                        goes_on=goes_on,
                    )
                except StoppedError as error:
                    stop = error
                    break
                except FaltconError as error:
                    self.outcome.failed.append(file)
                    failed(error)
                else:
                    self.outcome.done.append(file)
                    self.outcome.packets += mined.packets
                    if mined.truncated:
                        self.outcome.truncated.append(file)
                goes_on = None
            for writer in writers.values():
                writer.close(
                    complete=stop is None,
                    files=self._files,
                    done=self.outcome.done,
                    place=stop.checkpoint.place if stop else None,
                )
        if stop is not None:
            state = io.BytesIO()
            _Pickler(state, protocol=5).dump((self._files, self.outcome, stop.checkpoint))
            whole = state.getvalue()
            write_bytes(self._kept, whole)
            raise InterruptedRunError(
                f"stopped at byte {stop.checkpoint.place} of {file}; "
                f"{self._targets['connections']} holds what ended so far; "
                "the same command with --resume goes on"
            )
        self._kept.unlink(missing_ok=True)
        return self.outcome

    def _take_up(self) -> Checkpoint:
        target = self._targets["connections"]
        if not self._kept.exists():
            raise UsageError(f"nothing to resume: {self._kept} is not there")
        with reading(self._kept):
            whole = self._kept.read_bytes()
        try:
            files, outcome, checkpoint = _Unpickler(io.BytesIO(whole)).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError) as error:
            raise FormatError(
                self._kept, "is no state of a stopped run", mend="run without --resume"
            ) from error
        if files != self._files:
            raise UsageError(f"{self._kept} belongs to a run over {', '.join(files)}")
        if state_of(target).get("complete") is not False:
            raise UsageError(f"{target} is not what the stopped run left; run without --resume")
        self.outcome = outcome
        found: Checkpoint = checkpoint
        return found


def _copy_rows(source: Path, writer: Writer) -> None:
    """The rows that a stopped run left."""
    with reading(source), pq.ParquetFile(source) as old:
        for number in range(old.num_row_groups):
            writer.append(old.read_row_group(number))
