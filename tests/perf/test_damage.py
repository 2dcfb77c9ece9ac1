"""No cut and no noise makes a reader crash, hang or lose silently.

Every input is cut at each sixteenth of its length, and has one in a hundred of
its bytes replaced, with 20 seeds.
"""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from perf_writing import KALLSYMS, KERNEL, USER, Writer

from faltcon.errors import FaltconError
from faltcon.perf.datareader import PerfDataReader
from faltcon.perf.fastdata import read_perf_data
from faltcon.perf.script import ScriptReader
from faltcon.perf.sources import read_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faltcon.perf.tally import Profile

SHARED = Path(__file__).resolve().parents[3] / "shared" / "perf-scripts"
SEEDS = 20
LONGEST_S = 30.0
K = 0xFFFFFFFF81000000
SAMPLE_BYTES = 104  # of a record with the chain that `recording` gives its samples


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    for part in range(16):
        yield f"cut at {part}/16", content[: len(content) * part // 16]
    for seed in range(SEEDS):
        rng = random.Random(seed)
        noisy = bytearray(content)
        for _ in range(max(1, len(content) // 100)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        yield f"noise {seed}", bytes(noisy)


def sweep(path: Path, content: bytes, read: Callable[[Path], Profile], whole: int) -> None:
    """Each damaged form is a typed error, or gives no more than there was and counts the rest."""
    for what, form in damaged(content):
        path.write_bytes(form)
        begin = time.monotonic()
        try:
            profile = read(path)
        except FaltconError:
            continue
        finally:
            assert time.monotonic() - begin < LONGEST_S, what
        if what.startswith("cut"):
            assert profile.samples <= whole, what
            # A cut between two samples looks like a shorter file; any other one is told.
            ends_whole = form.endswith(b"\n\n") or profile.unclosed
            assert profile.skipped or ends_whole or form.startswith(b"PERFILE2"), what


def scripts() -> list[Path]:
    if not SHARED.is_dir():
        return []
    files = [f for f in sorted(SHARED.glob("*/**/*")) if f.is_file()]
    return [f for f in files if "expected" not in f.parts]


def test_damage__public_scripts(tmp_path: Path) -> None:
    files = scripts()
    if not files:
        pytest.skip(f"third-party data: public perf scripts are not beside the clone ({SHARED})")
    for file in files:
        content = file.read_bytes()
        try:
            whole = read_profile(file).samples
        except FaltconError:
            continue
        sweep(tmp_path / f"p{file.suffix}", content, read_profile, whole)


def recording(*, packed: bool, pipe: bool) -> bytes:
    writer = Writer()
    writer.kernel()
    writer.comm(10, 10, "server")
    writer.fork(10, 10, 11, 10)
    writer.mmap2(10, 0x401000, 0x1000, "/absent/bin")
    for number in range(200):
        chain = [KERNEL, K + 0x110 + number % 7, K + 0x210, USER, 0x401010]
        writer.sample(chain, time=1_000_000_000 + number)
    return writer.pipe(packed=packed) if pipe else writer.file(packed=packed)


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_damage__recordings(tmp_path: Path, packed: bool, pipe: bool) -> None:
    (tmp_path / "kallsyms").write_text(KALLSYMS)
    content = recording(packed=packed, pipe=pipe)
    sweep(tmp_path / "perf.data", content, read_perf_data, 200)


@pytest.mark.parametrize("pipe", [False, True])
def test_damage__a_cut_recording_counts_what_it_lost(tmp_path: Path, pipe: bool) -> None:
    (tmp_path / "kallsyms").write_text(KALLSYMS)
    content = recording(packed=False, pipe=pipe)
    for at in range(len(content) // 4, len(content), 509):
        path = tmp_path / "perf.data"
        path.write_bytes(content[:at])
        try:
            fast = read_perf_data(path)
        except FaltconError:
            continue
        reader = PerfDataReader(path)
        assert fast.samples == len(list(reader))
        # A pipe's stream does not say how long it is: cut between two samples it looks whole.
        between = pipe and (len(content) - at) % SAMPLE_BYTES == 0
        assert fast.samples == 200 or fast.skipped or between
        assert bool(fast.skipped) == bool(reader.skipped)


def test_damage__readable_reader_too(tmp_path: Path) -> None:
    text = "a 1/2 [000] 1.5:  7 cycles: \n\t12 f+0x1 (/x)\n\tff g ([k])\n\n" * 40
    for what, form in damaged(text.encode()):
        (tmp_path / "p").write_bytes(form)
        reader = ScriptReader(tmp_path / "p")
        try:
            found = len(list(reader))
        except FaltconError:
            continue
        assert found <= 40 or what.startswith("noise")


def test_damage__perf_writes_what_this_reads(tmp_path: Path) -> None:
    """A real recording, through a pipe and compressed, cut at each sixteenth."""
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g"]
    load = ["--", "dd", "if=/dev/zero", "of=/dev/null", "bs=1k", "count=60000"]
    for options in ([], ["-z"]):
        target = tmp_path / "perf.data"
        try:
            subprocess.run(
                [*command, *options, "-o", str(target), *load], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("perf cannot record here")
        whole = read_perf_data(target).samples
        content = target.read_bytes()
        sweep(target, content, read_perf_data, whole)
