"""Samples that were lost and sampling that was held back show in every view of a recording."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyperf
import pytest
from perf_writing import KALLSYMS, KERNEL, Writer

from faltcon.cli import run
from faltcon.perf.datareader import LOST
from faltcon.perf.leftout import LeftOut

if TYPE_CHECKING:
    from pathlib import Path

SENTENCE = f"Left out: 5 {LOST}; sampling was held back (throttled) 2 times."
DOCUMENT = {"skipped": {LOST: 5}, "throttled": 2}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    writer = Writer()
    writer.kernel()
    writer.comm(10, 11, "server")
    writer.lost(3)
    writer.lost(2)
    writer.throttle()
    writer.throttle()
    for step in range(4):
        chain = [KERNEL, 0xFFFFFFFF81000110, 0xFFFFFFFF81000210, 0xFFFFFFFF81000310]
        writer.sample(chain, time=10**9 + step * 10**8)
    (tmp_path / "kallsyms").write_text(KALLSYMS)
    (tmp_path / "perf.data").write_bytes(writer.file())
    return tmp_path / "perf.data"


def _written(recording: Path, name: str, *command: str) -> bytes:
    target = recording.with_name(name)
    assert run(["perf", *command, str(recording), "-o", str(target)]) == 0
    return target.read_bytes()


@pytest.mark.parametrize("command", ["flame", "heatmap"])
def test_pages__say_it(command: str, recording: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert SENTENCE in _written(recording, "p.html", command).decode()
    assert f"skipped 5: {LOST}" in capfd.readouterr().err


def test_diff__says_it_of_each_set(recording: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = recording.with_name("d.html")
    sets = [str(recording), str(recording), "vs", str(recording)]
    assert run(["perf", "diff", "--json", *sets, "-o", str(target)]) == 0
    captured = capfd.readouterr()
    twice = {"skipped": {LOST: 10}, "throttled": 4}
    assert json.loads(captured.out)["left_out"] == {"before": twice, "after": DOCUMENT}
    assert captured.err.count("throttled 2 times") == 3
    page = target.read_text("utf-8")
    assert f"First set: Left out: 10 {LOST}" in page
    assert f"Second: {SENTENCE}" in page


def test_convert__says_it_in_each_form_that_has_a_place(recording: Path) -> None:
    def converted(form: str) -> bytes:
        return _written(recording, f"c.{form}", "convert", "--to", form)

    assert json.loads(converted("d3"))["left_out"] == DOCUMENT
    assert SENTENCE in json.loads(converted("speedscope"))["name"]
    (section,) = json.loads(converted("firefox"))["meta"]["extra"]
    assert section["entries"][0]["value"] == SENTENCE
    assert SENTENCE.encode() in gzip.decompress(converted("pprof"))
    converted("parquet")
    assert pd.read_parquet(recording.with_name("c.parquet")).attrs == DOCUMENT


def test_fold_and_breakdown__say_it(recording: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["perf", "fold", str(recording)]) == 0
    assert f"skipped 5: {LOST}" in capfd.readouterr().err
    assert run(["perf", "breakdown", "--json", str(recording)]) == 0
    document = json.loads(capfd.readouterr().out)
    assert {key: document[key] for key in DOCUMENT} == DOCUMENT


def test_from_pyperf__says_it(
    recording: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    suite = recording.with_name("suite.json")
    one = pyperf.Run([1.0, 2.0], metadata={"name": "b"}, collect_metadata=False)
    pyperf.BenchmarkSuite([pyperf.Benchmark([one])]).dump(str(suite))
    assert run(["perf", "from-pyperf", "--json", str(suite)]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {(row["skipped"], row["throttled"]) for row in rows} == {(5, 2)}
    assert run(["perf", "from-pyperf", str(suite)]) == 0
    words = " ".join(capfd.readouterr().out.split())
    assert "b: left out 5, throttled 2 times" in words


def test_left_out__of_nothing() -> None:
    assert not LeftOut()
    assert str(LeftOut()) == "Left out: nothing."
    assert LeftOut.of_all([LeftOut(Counter(x=1), 1), LeftOut(Counter(x=2))]) == LeftOut(
        Counter(x=3), 1
    )
