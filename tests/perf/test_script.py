from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import perf_rendering as rendering
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import (
    EmptyInputError,
    FaltconError,
    FormatError,
    InputError,
    TruncatedInputError,
)
from faltcon.perf import script
from faltcon.perf.script import ScriptReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faltcon.perf.samples import Sample

TWO = """\
a 1/2 [000] 1.000001:     250000 cpu-clock:\x20
\tffffffff81000001 f+0x1 ([kernel.kallsyms])
\t          401b94 main+0x1c (/bin/a)

b c 3/4 [001] 2.000002:     250000 cpu-clock:\x20
\tffffffff81000002 g+0x2 ([kernel.kallsyms])

"""


def read(path: Path, content: bytes | str, **how: bool) -> tuple[list[Sample], ScriptReader]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = ScriptReader(path, **how)
    return list(reader), reader


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.replace("\n", "\r\n").encode("utf-16-be"),
        lambda text: gzip.compress(text.encode()),
        lambda text: zstandard.compress(text.encode()),
    ],
    ids=["plain", "crlf", "utf8-mark", "utf16-le", "utf16-be-crlf", "gzip", "zstd"],
)
def test_script__encodings(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    samples, reader = read(tmp_path / "p", encode(TWO))
    found = [(s.comm, s.pid, s.tid, len(s.frames)) for s in samples]
    assert found == [("a", 1, 2, 2), ("b c", 3, 4, 1)]
    assert samples[0].frames[0].symbol == "f"
    assert not reader.skipped
    assert not reader.unclosed


def test_script__bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    samples, _ = read(tmp_path / "p", b"a\xff 1 1.5: cycles: \n\t12 f\xfe (/bin/x)\n\n")
    assert samples[0].comm.encode(errors="surrogateescape") == b"a\xff"
    assert samples[0].frames[0].symbol.encode(errors="surrogateescape") == b"f\xfe"


def test_script__counts_each_unusable_line(tmp_path: Path) -> None:
    text = "# comment\nnonsense\n\t12 f (/x)\n" + TWO.replace("\t          401b94 main+0x1c", "\t?")
    samples, reader = read(tmp_path / "p", text)
    assert len(samples) == 2
    assert reader.skipped == {
        script.UNREADABLE: 1,
        script.ORPHAN_FRAME: 1,
        script.UNREADABLE_FRAME: 1,
    }


def test_script__samples_without_callchain_need_no_blank_line(tmp_path: Path) -> None:
    line = "  dd 1 [000] 1.5: 7 cycles:  ffffffff81000001 f ([kernel.kallsyms])\n"
    samples, reader = read(tmp_path / "p", line * 3)
    assert [len(s.frames) for s in samples] == [1, 1, 1]
    assert not reader.skipped
    assert not reader.unclosed


def test_script__last_sample_without_blank_line(tmp_path: Path) -> None:
    text = TWO.rstrip("\n") + "\n"
    kept, reader = read(tmp_path / "p", text)
    assert len(kept) == 2
    assert reader.unclosed
    dropped, reader = read(tmp_path / "p", text, keep_unclosed=False)
    assert len(dropped) == 1
    assert reader.skipped == {script.UNCLOSED: 1}


def test_script__last_sample_cut_within_a_line(tmp_path: Path) -> None:
    samples, reader = read(tmp_path / "p", TWO[:-8])
    assert len(samples) == 1
    assert reader.skipped == {script.UNREADABLE_FRAME: 1, script.CUT_SAMPLE: 1}


def test_script__line_without_end(tmp_path: Path) -> None:
    samples, reader = read(tmp_path / "p", TWO + "x" * (5 << 20) + "\n" + TWO)
    assert len(samples) == 4
    assert reader.skipped == {script.LONG_LINE: 1}


def test_script__nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(EmptyInputError, match="holds no sample"):
        read(tmp_path / "p", "")
    with pytest.raises(EmptyInputError, match="2 neither a header nor a frame"):
        read(tmp_path / "p", "no\nsample\n")
    with pytest.raises(InputError, match="no such file"):
        list(ScriptReader(tmp_path / "absent"))


def test_script__prose_is_no_profile(tmp_path: Path) -> None:
    with pytest.raises(EmptyInputError):
        read(tmp_path / "p", "Chapter 2 begins:\n\nand goes on for 3 pages:\n\nin room 101\n\n")
    with pytest.raises(EmptyInputError):
        list(ScriptReader("/bin/sh"))


def test_script__other_kinds_of_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"perf\.data"):
        read(tmp_path / "p", b"PERFILE2" + bytes(100))
    with pytest.raises(EmptyInputError):
        read(tmp_path / "p", bytes.fromhex("d4c3b2a1") + bytes(range(256)) * 50)


def test_script__damaged_compression(tmp_path: Path) -> None:
    rng = random.Random(1)
    many = "".join(TWO.replace("250000", str(rng.randrange(10**9))) for _ in range(40_000))
    packed = gzip.compress(many.encode())
    samples, reader = read(tmp_path / "p", packed[: len(packed) * 3 // 4])
    assert 0 < len(samples) < 80_000
    assert reader.skipped[script.DAMAGED_STREAM] == 1
    with pytest.raises(TruncatedInputError):
        read(tmp_path / "p", gzip.compress(TWO.encode())[:40])


@given(made=st.lists(rendering.samples(with_time=True), min_size=1, max_size=4), crlf=st.booleans())
def test_script__reads_back_what_perf_writes(
    tmp_path_factory: pytest.TempPathFactory, made: list[Sample], crlf: bool
) -> None:
    text = rendering.text_of(made, end="\r\n" if crlf else "\n")
    path = tmp_path_factory.getbasetemp() / "made"
    assert read(path, text.encode())[0] == made


@given(made=rendering.samples(with_time=True), at=st.integers(0, 10_000))
def test_script__cut_anywhere_loses_nothing_silently(
    tmp_path_factory: pytest.TempPathFactory, made: Sample, at: int
) -> None:
    whole = rendering.text_of([made, made, made]).encode()
    cut = whole[: at % len(whole)]
    reader = ScriptReader(tmp_path_factory.getbasetemp() / "cut")
    (tmp_path_factory.getbasetemp() / "cut").write_bytes(cut)
    try:
        samples = list(reader)
    except EmptyInputError:
        samples = []
    assert samples[:-1] == [made] * len(samples[:-1])
    if samples and samples[-1] != made:
        assert reader.unclosed
    begun = cut.decode().count(": \n")  # headers that are whole
    assert len(samples) + reader.skipped[script.CUT_SAMPLE] >= begun
    if cut.strip():
        assert samples or reader.skipped


@given(noise=st.binary(max_size=400))
def test_script__noise_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(noise)
    reader = ScriptReader(path)
    try:
        samples = list(reader)
    except FaltconError:
        return
    assert samples


def test_script__damaged_public_scripts(perf_scripts: Path, tmp_path: Path) -> None:
    """Every script cut at each sixteenth, and with 1 % of its bytes replaced."""
    for file in sorted(perf_scripts.glob("*/**/*.txt")):
        if "expected" in file.parts or not file.stat().st_size:
            continue
        whole = file.read_bytes()
        rng = random.Random(file.name)
        damaged = [whole[: len(whole) * n // 16] for n in range(1, 16)]
        for _ in range(3):
            noisy = bytearray(whole)
            for _ in range(max(1, len(whole) // 100)):
                noisy[rng.randrange(len(noisy))] = rng.randrange(256)
            damaged.append(bytes(noisy))
        for content in damaged:
            try:
                samples, reader = read(tmp_path / "p", content)
            except EmptyInputError:
                continue
            assert len(samples) == reader.samples > 0
