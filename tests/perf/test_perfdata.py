from __future__ import annotations

import random
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import perf_writing as writing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_writing import KALLSYMS, KERNEL, USER, Writer

from faltcon.errors import EmptyInputError, FaltconError, FormatError, TruncatedInputError
from faltcon.perf.datareader import LOST, PerfDataReader
from faltcon.perf.fastdata import read_perf_data
from faltcon.perf.fold import FoldOptions, fold
from faltcon.perf.perfdata import PerfData
from faltcon.perf.samples import is_kernel_dso
from faltcon.perf.script import ScriptReader
from faltcon.perf.tally import plain_frame

if TYPE_CHECKING:
    from pathlib import Path

    from faltcon.perf.samples import Sample

K = 0xFFFFFFFF81000000
CHAIN = [KERNEL, K + 0x110, K + 0x210, K + 0x310, USER, 0x401010, 0x99]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kallsyms").write_text(KALLSYMS)
    return tmp_path


def made() -> Writer:
    writer = Writer()
    writer.kernel()
    writer.comm(10, 10, "server")
    writer.mmap2(10, 0x401000, 0x1000, "/absent/bin")
    writer.fork(10, 10, 11, 10)
    writer.sample(CHAIN)
    writer.sample([KERNEL, K + 0x410], tid=0, pid=0, time=2_000_000_000, cpu=0)
    writer.comm(10, 11, "worker", time=3_000_000_000)
    writer.sample(CHAIN, time=4_000_000_000, period=50)
    return writer


def samples_of(path: Path, content: bytes) -> list[Sample]:
    path.write_bytes(content)
    return list(PerfDataReader(path))


def answers(path: Path) -> tuple[Counter[object], Counter[object]]:
    """Weights by thread name, event and stack: of the readable reader, and of the compiled one."""
    one: Counter[object] = Counter()
    for sample in PerfDataReader(path):
        frames = tuple(plain_frame(frame, addresses=True) for frame in sample.frames)
        one[sample.comm, sample.tid, sample.event, frames] += sample.weight
    other: Counter[object] = Counter()
    for tally in read_perf_data(path, addresses=True, threads=True).tallies:
        other[tally.comm, tally.tid, tally.event, tally.frames] += tally.weight
    return one, other


@pytest.mark.parametrize("form", ["file", "pipe", "file, packed", "pipe, packed"])
def test_perfdata__forms(folder: Path, form: str) -> None:
    writer = made()
    packed = form.endswith("packed")
    content = writer.file(packed=packed) if "file" in form else writer.pipe(packed=packed)
    first, second, third = samples_of(folder / "perf.data", content)
    assert (first.comm, first.pid, first.tid, first.cpu) == ("server", 10, 11, 1)
    assert (first.time_s, first.event, first.period) == (1.0, "cpu-clock", 100)
    names = [frame.symbol for frame in first.frames]
    assert names == ["tcp_ack", "tcp_rcv_established", "tcp_v4_rcv", "[unknown]", "[unknown]"]
    assert first.frames[0].offset == 0x10
    assert first.frames[3].dso == "/absent/bin"
    assert first.frames[3].address == 0x10
    assert first.frames[4].dso == "[unknown]"
    assert (second.comm, second.frames[0].symbol) == ("swapper", "ip_rcv")
    assert (third.comm, third.period) == ("worker", 50)
    one, other = answers(folder / "perf.data")
    assert one == other
    assert len(one) == 3


def test_perfdata__time_decides_and_not_the_place(folder: Path) -> None:
    writer = made()
    late = writer.records.pop(6)  # the new name of thread 11
    writer.records.insert(0, late)
    assert samples_of(folder / "p", writer.file())[0].comm == "server"
    assert answers(folder / "p")[0] == answers(folder / "p")[1]


def test_perfdata__moved_kernel(folder: Path) -> None:
    writer = Writer()
    writer.kernel(reference=K + 0x200000)
    writer.sample([KERNEL, K + 0x200110])
    assert samples_of(folder / "p", writer.file())[0].frames[0].symbol == "tcp_ack"


def test_perfdata__maps_are_replaced_and_inherited(folder: Path) -> None:
    writer = Writer()
    writer.mmap2(10, 0x1000, 0x3000, "/absent/a")
    writer.mmap2(10, 0x2000, 0x1000, "/absent/b", time=5)
    writer.fork(20, 10, 20, 10, time=6)
    writer.mmap2(10, 0x1000, 0x3000, "/absent/c", time=7)
    for pid in (10, 20):
        writer.sample([USER, 0x1010, 0x2010, 0x3010], pid=pid, tid=pid)
    ten, twenty = samples_of(folder / "p", writer.file())
    assert [frame.dso[-1] for frame in ten.frames] == ["c", "c", "c"]
    assert [frame.dso[-1] for frame in twenty.frames] == ["a", "b", "a"]
    assert twenty.frames[2].address == 0x2010
    assert answers(folder / "p")[0] == answers(folder / "p")[1]


def test_perfdata__several_events_and_a_read_group(folder: Path) -> None:
    kind = writing.USUAL | writing.IDENTIFIER | writing.READ
    writer = Writer(kind, ids=(7, 8), names=("cycles", "faults"), read_format=4 | 8)
    writer.kernel()
    writer.sample([KERNEL, K + 0x110], event_id=8)
    writer.sample([KERNEL, K + 0x210], event_id=7)
    writer.sample([KERNEL, K + 0x210], event_id=99)
    path = folder / "p"
    found = samples_of(path, writer.file())
    assert [(one.event, one.frames[0].symbol) for one in found] == [
        ("faults", "tcp_ack"),
        ("cycles", "tcp_rcv_established"),
    ]
    assert answers(path)[0] == answers(path)[1]
    for skipped in (read_perf_data(path).skipped, readers_skips(path)):
        assert skipped == {"samples of an event that the file does not describe": 1}


def readers_skips(path: Path) -> Counter[str]:
    reader = PerfDataReader(path)
    list(reader)
    return reader.skipped


def test_perfdata__lost_and_throttled_are_told(folder: Path) -> None:
    writer = made()
    writer.lost(42)
    writer.throttle()
    (folder / "p").write_bytes(writer.file())
    profile = read_perf_data(folder / "p")
    assert profile.skipped[LOST] == 42
    assert profile.throttled == 1
    assert readers_skips(folder / "p")[LOST] == 42


def test_perfdata__without_period_or_callchain(folder: Path) -> None:
    writer = Writer(writing.IP | writing.TID | writing.TIME | writing.ID)
    writer.kernel()
    writer.sample([KERNEL, K + 0x110])
    [sample] = samples_of(folder / "p", writer.file())
    assert (sample.period, sample.weight, sample.cpu) == (None, 1, None)
    assert [frame.symbol for frame in sample.frames] == ["tcp_ack"]
    assert answers(folder / "p")[0] == answers(folder / "p")[1]


def test_perfdata__other_files(tmp_path: Path) -> None:
    for content, kind in (
        (b"PERFILE2", TruncatedInputError),
        (b"PERFILE2" + (104).to_bytes(8, "little"), TruncatedInputError),
        (b"2ELIFREP" + bytes(200), FormatError),
        (b"no profile at all, but long enough", FormatError),
        (Writer().file(), EmptyInputError),
        (Writer().pipe(), EmptyInputError),
        (b"PERFILE2" + (16).to_bytes(8, "little"), FormatError),
    ):
        (tmp_path / "p").write_bytes(content)
        with pytest.raises(kind):
            list(PerfDataReader(tmp_path / "p"))
        with pytest.raises(kind):
            read_perf_data(tmp_path / "p")


@settings(deadline=None, max_examples=60)
@given(data=st.data(), form=st.sampled_from(["file", "pipe", "packed"]))
def test_perfdata__damage_is_met_with_counts_or_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, form: str
) -> None:
    writer = made()
    for number in range(8):
        writer.sample([*CHAIN[:5], number], time=5_000_000_000 + number)
    content = bytearray(writer.pipe() if form == "pipe" else writer.file(packed=form == "packed"))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(data.draw(st.integers(0, len(content) // 100))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    reader = PerfDataReader(path)
    try:
        number = len(list(reader))
    except FaltconError as error:
        with pytest.raises(type(error)):
            read_perf_data(path)
        return
    assert number
    assert read_perf_data(path).samples == number


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real recording of a small load, with its text."""
    folder = tmp_path_factory.mktemp("recorded")
    command = ["perf", "record", "-q", "-F", "2999", "-e", "cpu-clock", "-g", "-o"]
    load = ["--", "sh", "-c", "i=0; while [ $i -lt 2500 ]; do : $(echo $i); i=$((i+1)); done"]
    try:
        subprocess.run(
            [*command, str(folder / "perf.data"), *load], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"perf cannot record here: {error}")
    fields = "comm,pid,tid,time,period,event,ip,sym,symoff,dso"
    text = subprocess.run(
        ["perf", "script", "-i", str(folder / "perf.data"), "-F", fields],
        check=True,
        capture_output=True,
    ).stdout
    (folder / "text").write_bytes(text)
    return folder


def test_perfdata__a_real_recording_reads_as_perf_script_prints_it(recording: Path) -> None:
    """Sample by sample: who, when, where, and every kernel frame."""
    texts = list(ScriptReader(recording / "text"))
    found = list(PerfDataReader(recording / "perf.data"))
    # A busy machine gives the recorded program little time, and so few samples.
    assert len(texts) == len(found) > 10
    for one, other in zip(texts, found, strict=True):
        assert (one.comm, one.pid, one.tid, one.event) == (
            other.comm, other.pid, other.tid, other.event,
        )  # fmt: skip
        assert (one.time_s, one.period) == (other.time_s, other.period)
        assert len(one.frames) == len(other.frames)
        for left, right in zip(one.frames, other.frames, strict=True):
            if left.dso == "[kernel.kallsyms]":
                assert left == right
            else:
                assert (left.address, left.dso) == (right.address, right.dso)


def test_perfdata__a_real_recording_folds_as_its_text(recording: Path) -> None:
    # Names in user files depend on what is installed to read them with; most must agree.
    options = FoldOptions(kernel=True)
    text = fold(ScriptReader(recording / "text"), options)
    data = fold(read_perf_data(recording / "perf.data").tallies, options)
    assert text.total() == data.total()
    assert (text & data).total() > 0.95 * text.total()


def test_perfdata__a_real_recording_is_the_same_by_both_readers(recording: Path) -> None:
    one, other = answers(recording / "perf.data")
    assert one == other
    with PerfData.open(recording / "perf.data") as opened:
        assert opened.features.command[1] == "record"
        assert opened.events[0].name == "cpu-clock"


@pytest.mark.parametrize("form", ["file", "pipe", "compressed"])
def test_perfdata__sample_by_sample_as_perf_script(tmp_path: Path, form: str) -> None:
    """A recording made here, with processes that come and go, against the text that perf makes."""
    target = tmp_path / "perf.data"
    load = ["--", "bash", "-c", "for i in {1..40}; do ls -R /usr/share/doc/[a-g]* >/dev/null; done"]
    command = ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", "499", "-g"]
    command += ["-z"] if form == "compressed" else []
    try:
        if form == "pipe":
            with target.open("wb") as stream:
                subprocess.run(
                    [*command, "-o", "-", *load],
                    check=True, stdout=stream, stderr=subprocess.DEVNULL,
                )  # fmt: skip
        else:
            subprocess.run([*command, "-o", str(target), *load], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("perf cannot record here")
    with (tmp_path / "text").open("wb") as text, target.open("rb") as content:
        source = ["-i", "-"] if form == "pipe" else ["-i", str(target)]
        subprocess.run(
            ["perf", "script", *source],
            check=True, stdin=content, stdout=text, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    ours, theirs = list(PerfDataReader(target)), list(ScriptReader(tmp_path / "text"))
    assert len(ours) == len(theirs) > 20
    alike = 0
    for one, other in zip(ours, theirs, strict=True):
        heads = [(s.comm, s.tid, s.time_s, s.period, s.event) for s in (one, other)]
        assert heads[0] == heads[1]
        kernels = [
            [(f.symbol, f.offset, f.dso) for f in s.frames if is_kernel_dso(f.dso)]
            for s in (one, other)
        ]
        assert kernels[0] == kernels[1]
        stacks = [[(f.symbol, f.offset, f.dso) for f in s.frames] for s in (one, other)]
        alike += stacks[0] == stacks[1]
    # A program that was replaced since, or whose names perf chooses by its own lights, may differ.
    assert alike >= 0.98 * len(ours)
