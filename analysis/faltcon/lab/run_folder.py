"""One folder `data/raw/<experiment>/<run>/`, which appears whole or not at all."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import zstandard

from faltcon import provenance
from faltcon.lab.host import process_is_alive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack
    from pathlib import Path

__all__ = ["RunFolder", "compress", "is_complete", "sweep"]

# Recordings are packed once and read often; level 19 packs stacks about twice as well as 3.
LEVEL = 19
WINDOW_LOG = 27  # 128 MiB: a stack met at the start of the recording is still found


class RunFolder:
    """A run in the making, in a hidden sibling of its final place.

    The final place is `root/experiment/run`. Files are put into `partial`;
    `commit` writes provenance.json and renames the folder. Until then the
    stack's clean-up removes it.
    """

    def __init__(self, stack: ExitStack, root: Path, experiment: str, run: str) -> None:
        self.experiment = experiment
        self.run = run
        self.final = root / experiment / run
        self.partial = self.final.parent / f".{run}.{os.getpid()}.partial"
        self._descriptions: dict[str, str] = {}
        stack.callback(self._discard)
        self.final.parent.mkdir(parents=True, exist_ok=True)
        self.partial.mkdir()
        self.date = provenance.now()

    def add(self, source: Path, name: str, description: str) -> None:
        """Put a file into the run; one whose name ends in .zst is compressed on the way."""
        if name.endswith(".zst"):
            compress(source, self.partial / name)
        else:
            shutil.copyfile(source, self.partial / name)
        self._descriptions[name] = description

    def add_text(self, name: str, text: str, description: str) -> None:
        """Put a text into the run."""
        (self.partial / name).write_text(text, "utf-8")
        self._descriptions[name] = description

    def add_packed_text(self, name: str, text: str, description: str) -> None:
        """Put a text into the run, compressed; the name ends in .zst."""
        plain = self.partial / f".{name}.plain"
        plain.write_text(text, "utf-8")
        compress(plain, self.partial / name)
        plain.unlink()
        self._descriptions[name] = description

    def commit(self, facts: Mapping[str, Any]) -> Path:
        """Write the provenance and let the folder appear; an older run of that name goes.

        `facts` are the fields of provenance.json that this class does not know.
        Raises ProvenanceError when they do not fit its schema.
        """
        document = {
            "schema_version": 1,
            "origin": "measured-here",
            "experiment": self.experiment,
            "run": self.run,
            "date": self.date,
            "kernel": provenance.describe_host_kernel(),
            "machine": provenance.describe_machine(),
            **facts,
            "files": provenance.describe_files(self.partial, self._descriptions),
        }
        # The check of the names of experiment and run looks at the folder's own name.
        staged = self.partial / self.experiment / self.run
        staged.mkdir(parents=True)
        for name in self._descriptions:
            (self.partial / name).rename(staged / name)
        provenance.write(staged, document)
        if self.final.exists():
            shutil.rmtree(self.final)
        staged.rename(self.final)
        self._discard()
        return self.final

    def _discard(self) -> None:
        if self.partial.exists():
            shutil.rmtree(self.partial)


def is_complete(root: Path, experiment: str, run: str) -> bool:
    """Whether the run is there and every file is what its provenance says."""
    folder = root / experiment / run
    return (folder / provenance.FILE_NAME).exists() and not provenance.verify_run(folder)


def sweep(root: Path, experiment: str) -> list[str]:
    """Remove half-made runs whose recorder was killed outright; returns their names."""
    removed = []
    for path in sorted((root / experiment).glob(".*.partial")):
        owner = re.fullmatch(r"\..+\.(\d+)\.partial", path.name)
        if owner and not process_is_alive(int(owner.group(1))):
            shutil.rmtree(path)
            removed.append(path.name)
    return removed


def compress(source: Path, target: Path) -> None:
    """Write a zstd copy of a file, with checksum."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, window_log=WINDOW_LOG, write_checksum=True, enable_ldm=True
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with source.open("rb") as plain, target.open("wb") as packed:
        compressor.copy_stream(plain, packed, size=source.stat().st_size)


def command_line(*words: str) -> str:
    """A command as a reader types it."""
    return shlex.join(("uv", "run", "faltcon", *words))
