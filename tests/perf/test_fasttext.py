from __future__ import annotations

import gzip
import random
from collections import Counter
from typing import TYPE_CHECKING

import perf_rendering as rendering
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from faltcon.cli import run
from faltcon.errors import FaltconError
from faltcon.perf import fasttext, script
from faltcon.perf.fasttext import read_script
from faltcon.perf.script import ScriptReader
from faltcon.perf.tally import plain_frame

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.perf.samples import Sample

Answer = tuple[Counter[object], Counter[object], dict[str, int], bool, str]


def readable(path: Path, *, keep_unclosed: bool) -> Answer:
    """What the readable reader says: counts, weights, skips, whether unclosed, the error's kind."""
    reader = ScriptReader(path, keep_unclosed=keep_unclosed)
    counts: Counter[object] = Counter()
    weights: Counter[object] = Counter()
    error = ""
    try:
        for sample in reader:
            frames = tuple(plain_frame(frame, addresses=True) for frame in sample.frames)
            key = sample.comm, sample.pid, sample.tid, sample.event, frames, sample.with_period
            counts[key] += 1
            weights[key] += sample.weight
    except FaltconError as found:
        error = type(found).__name__
    return counts, weights, {k: n for k, n in reader.skipped.items() if n}, reader.unclosed, error


def compiled(path: Path, *, keep_unclosed: bool) -> Answer:
    counts: Counter[object] = Counter()
    weights: Counter[object] = Counter()
    try:
        profile = read_script(path, addresses=True, threads=True, keep_unclosed=keep_unclosed)
    except FaltconError as found:
        return counts, weights, {}, False, type(found).__name__
    for one in profile.tallies:
        key = one.comm, one.pid, one.tid, one.event, one.frames, one.with_period
        counts[key] += one.samples
        weights[key] += one.weight
    return counts, weights, dict(profile.skipped), profile.unclosed, ""


def check(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for keep in (True, False):
        one, other = readable(path, keep_unclosed=keep), compiled(path, keep_unclosed=keep)
        if one[4]:
            assert other[4] == one[4]
        else:
            assert other == one


def test_fasttext__public_scripts_whole_and_damaged(perf_scripts: Path, tmp_path: Path) -> None:
    files = [f for f in sorted(perf_scripts.glob("*/**/*")) if f.is_file()]
    files = [f for f in files if "expected" not in f.parts]
    assert len(files) > 15
    for file in files:
        whole = file.read_bytes()
        check(tmp_path / "p", whole)
        rng = random.Random(file.name)
        for _ in range(4):
            check(tmp_path / "p", whole[: rng.randrange(len(whole) + 1)])
        noisy = bytearray(whole)
        for _ in range(len(whole) // 100):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        check(tmp_path / "p", bytes(noisy))


LINES = st.one_of(
    st.sampled_from(
        [
            "", " ", "\t", "# c", "\t12 f (/x)", "  12 f (/x)", "12 f (/x)", "\tjunk", "junk",
            "a 1 1.5: cycles: ", "a 1/2 [003] 1.5:     7 cycles: ", "a b 1/2 1.5: 7 cycles:u:",
            "a 1 cycles:", "a 1", "a 1/2 [000]", " dd 1 [000] 1.5: 7 cycles:  ffff f (/x)",
            "a 1 1.5: sched:x: p=1", "a 2 b 3/4 [001] 2.5: 1 cycles: ", "a -1 1.5: cycles: ",
            "a 1/2 [000] 1.5:", "a 1 1.5:cycles:", "\u00e9 1 1.5: cycles: ",
            "a  1  1.5:  cycles:  ",
            "a 1 1.5: 0 cycles: ", "\t12 f (/x (deleted))", "a 1 [1] 1.5: 12345678901234567890 c:",
            "a 1 d..1 1.5: cycles: ", "a 1 [000] d..1 1.5: cycles: ", "\t12 [unknown] ([unknown])",
        ]
    ),
    st.text("a1/[]: .\t(x)", max_size=30),
)  # fmt: skip

ENDS = ("\n", "\r\n")


@settings(max_examples=300)
@given(
    lines=st.lists(LINES, max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    cut=st.integers(0, 3),
)
def test_fasttext__any_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, cut: int
) -> None:
    content = "".join(line + end for line in lines).encode()
    check(tmp_path_factory.getbasetemp() / "lines", content[: len(content) - cut])


@given(made=st.lists(rendering.samples(), min_size=1, max_size=6))
def test_fasttext__what_perf_writes(
    tmp_path_factory: pytest.TempPathFactory, made: list[Sample]
) -> None:
    check(tmp_path_factory.getbasetemp() / "made", rendering.text_of(made).encode())


def test_fasttext__tables_grow(tmp_path: Path) -> None:
    rng = random.Random(5)
    text = "".join(
        f"c{rng.randrange(3000)} {n}/{n} [000] {n}.5:  {n} e{n % 7}: \n"
        + "".join(f"\t{n:x} f{rng.randrange(20000)} (/x)\n" for _ in range(rng.randrange(1, 9)))
        + "\n"
        for n in range(30_000)
    )
    deep = "d 1 1.5: e1: \n" + "\t12 f (/x)\n" * 5000 + "\n"
    check(tmp_path / "p", (text + deep).encode())


def test_fasttext__other_containers(tmp_path: Path) -> None:
    text = "a 1/2 [000] 1.5:  7 cycles: \n\t12 f (/x)\n\n" * 50
    for content in (
        gzip.compress(text.encode()),
        zstandard.compress(text.encode()),
        b"\xef\xbb\xbf" + text.encode(),
        b"\xff\xfe" + text.encode("utf-16-le"),
        text.encode() + b"x" * (3 << 20) + b"\n" + text.encode(),
        gzip.compress(text.encode())[:30],
    ):
        check(tmp_path / "p", content)


def test_fasttext__damaged_stream_keeps_its_prefix(tmp_path: Path) -> None:
    rng = random.Random(1)
    text = "".join(
        f"a 1/2 [000] 1.5: {rng.randrange(10**9)} cycles: \n\t12 f (/x)\n\n" for _ in range(90_000)
    )
    packed = gzip.compress(text.encode())
    (tmp_path / "p").write_bytes(packed[: len(packed) * 3 // 4])
    profile = read_script(tmp_path / "p")
    assert 0 < profile.samples < 90_000
    assert profile.skipped[script.DAMAGED_STREAM] == 1


SAMPLE = (
    "server 10/11 [000] 5.0:  100 cpu-clock: \n"
    "\tffffffff81000001 tcp_ack+0x1 ([kernel.kallsyms])\n\n"
)


def test_read_script__tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "long.txt"
    file.write_text(SAMPLE * 20_000)
    monkeypatch.setattr(fasttext, "_GLANCE_S", 0.0001)
    told: list[float] = []
    assert read_script(file, progress=told.append).samples == 20_000
    assert told == sorted(told)
    assert any(0 < one < 0.5 for one in told)
    assert any(0.5 < one < 1 for one in told)


def test_read_script__can_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a compiled loop runs, Ctrl-C reaches the thread that waits for it."""
    file = tmp_path / "long.txt"
    file.write_text(SAMPLE * 20_000)
    monkeypatch.setattr(fasttext, "_GLANCE_S", 0.0001)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_script(file, progress=interrupt)


def test_convert__an_interrupt_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.txt").write_text(SAMPLE)
    target = tmp_path / "out" / "p.json"
    target.parent.mkdir()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    arguments = ["perf", "convert", "--to", "speedscope", str(tmp_path / "p.txt")]
    assert run([*arguments, "-o", str(target)]) == 130
    assert list(target.parent.iterdir()) == []
