from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pyperf
import pytest
from pyperf._compare import is_significant_benchs  # what its `compare` asks

from faltcon.cli import run
from faltcon.errors import FormatError, InputError
from faltcon.perf.classify import Classifier
from faltcon.perf.suites import rows_of
from faltcon.stats import welch

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (
    "a 1/2 [000] 1.0:  300 cpu-clock: \n\tffffffff81000001 tcp_ack+0x1 ([kernel.kallsyms])\n"
    "\tffffffff81000002 tcp_rcv_established+0x1 ([kernel.kallsyms])\n"
    "\tffffffff81000003 tcp_v4_rcv+0x1 ([kernel.kallsyms])\n\n"
    "a 1/2 [000] 1.1:  100 cpu-clock: \n\t401000 main+0x1 (/bin/a)\n\n"
)


def benchmark(values: list[float], **metadata: object) -> pyperf.Benchmark:
    return pyperf.Benchmark(
        [pyperf.Run(values, metadata={"name": "load", **metadata}, collect_metadata=False)]
    )


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "r1").mkdir()
    (tmp_path / "r1" / "perf-script.txt").write_text(TEXT)
    benchmark([1.0, 3.0], run="r1", unit="second").dump(str(tmp_path / "suite.json"))
    return tmp_path / "suite.json"


def test_rows_of__a_timing_with_its_classes(suite: Path) -> None:
    rows = list(rows_of(suite, Classifier()))
    assert {row["run"] for row in rows} == {"r1"}
    assert {row["mean_s"] for row in rows} == {2.0}
    shares = {(row["layer"], row["phase"]): row["share"] for row in rows}
    assert shares == {("tcp", "data"): 0.75, ("application", "none"): 0.25}
    assert rows[0]["metadata"]["unit"] == "second"


def test_rows_of__what_is_wrong_is_said(suite: Path) -> None:
    (suite.parent / "r1" / "perf-script.txt").unlink()
    with pytest.raises(InputError, match="has no recording beside it"):
        list(rows_of(suite, Classifier()))
    for content in ("", "{}", "[]", '{"version": "1.0", "benchmarks": [{}]}', "null"):
        suite.write_text(content)
        with pytest.raises(FormatError):
            list(rows_of(suite, Classifier()))


def test_from_pyperf__command(
    suite: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.parquet"
    assert run(["perf", "from-pyperf", str(suite)]) == 0
    assert "75.00" in capfd.readouterr().out
    assert run(["perf", "from-pyperf", "--json", "--parquet", str(table), str(suite)]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(rows) == len(pd.read_parquet(table)) == 2


def test_pyperf__calls_unequal_sample_sizes_significant() -> None:
    """Why this project compares with its own statistics and never with pyperf's `compare`."""
    values = [10.0, 11.0, 12.0, 10.5, 11.5]
    equal, longer = benchmark(values), benchmark([*values, 11.0])
    assert is_significant_benchs(equal, benchmark(values))[0] is False
    assert is_significant_benchs(equal, longer)[0] is True
    assert welch(values, [*values, 11.0]).p > 0.5
