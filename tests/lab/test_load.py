from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import ToolFailedError
from faltcon.lab.load import AbLoad, parse_ab, run_ab

if TYPE_CHECKING:
    from pathlib import Path

REPORT = """\
This is ApacheBench, Version 2.3 <$Revision: 1913912 $>

Server Software:        lighttpd/1.4.69
Server Hostname:        10.77.0.1
Document Length:        {document} bytes

Concurrency Level:      50
Time taken for tests:   {time} seconds
Complete requests:      {complete}
Failed requests:        {failed}
Requests per second:    1.00 [#/sec] (mean)
"""


@given(
    time=st.decimals(min_value="0.001", max_value=9999, places=3),
    complete=st.integers(0, 10**9),
    failed=st.integers(0, 10**9),
    document=st.integers(0, 10**9),
)
def test_parse_ab_reads_back_what_a_report_says(
    time: object, complete: int, failed: int, document: int
) -> None:
    text = REPORT.format(time=time, complete=complete, failed=failed, document=document)
    result = parse_ab(text)
    assert result.time_s == float(str(time))
    assert (result.complete, result.failed, result.document_bytes) == (complete, failed, document)
    assert result.rate == pytest.approx(complete / float(str(time)))


@pytest.mark.parametrize("gone", ["Document", "Time taken", "Complete", "Failed"])
def test_parse_ab_says_what_a_report_lacks(gone: str) -> None:
    text = REPORT.format(time="1.0", complete=1, failed=0, document=1)
    cut = "\n".join(line for line in text.splitlines() if not line.startswith(gone))
    with pytest.raises(ToolFailedError, match="its report has no"):
        parse_ab(cut)


def test_the_command_names_namespace_cpu_and_url() -> None:
    load = AbLoad("http://10.0.0.1/x", 100, 5, "ns", 3)
    assert load.command() == (
        [
            "ip",
            "netns",
            "exec",
            "ns",
            "taskset",
            "-c",
            "3",
            "ab",
            "-q",
            "-c",
            "5",
            "-n",
            "100",
            "http://10.0.0.1/x",
        ]
    )
    assert AbLoad("http://h/x", 100, 5, None, None, keepalive=True).command() == (
        ["ab", "-q", "-k", "-c", "5", "-n", "100", "http://h/x"]
    )
    assert AbLoad(**load.as_dict()) == load


def fake_ab(folder: Path, report: str, code: int = 0) -> str:
    program = folder / "ab"
    program.write_text(f"#!{sys.executable}\nprint({report!r})\nraise SystemExit({code})\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("complete", "failed", "code", "says"),
    [
        (100, 3, 0, "3 failed, 100 of 100 done"),
        (99, 0, 0, "0 failed, 99 of 100 done"),
        (100, 0, 22, "ended with code 22"),
    ],
)
def test_a_broken_load_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    complete: int,
    failed: int,
    code: int,
    says: str,
) -> None:
    report = REPORT.format(time="1.0", complete=complete, failed=failed, document=64)
    monkeypatch.setenv("PATH", fake_ab(tmp_path, report, code))
    with pytest.raises(ToolFailedError, match=says):
        run_ab(AbLoad("http://h/x", 100, 5, None, None), tmp_path / "log")


def test_a_good_load_gives_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = REPORT.format(time="0.5", complete=100, failed=0, document=64)
    monkeypatch.setenv("PATH", fake_ab(tmp_path, report))
    result = run_ab(AbLoad("http://h/x", 100, 5, None, None), tmp_path / "log")
    assert result.rate == 200
    assert "ApacheBench" in (tmp_path / "log").read_text()
