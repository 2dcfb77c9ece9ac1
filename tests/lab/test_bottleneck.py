"""The bottleneck recording without root: plan, order, refusals."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import faltcon.cli
from faltcon.errors import HostError, MissingToolError, UsageError
from faltcon.lab import bottleneck, cases, host
from faltcon.lab.bottleneck import Settings


def test_complete_runs_are_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = cases.plan(["napi"], [64], 3, seed=1)
    done = planned[1]
    monkeypatch.setattr(bottleneck, "is_complete", lambda _r, _e, run: run == done.run)
    assert bottleneck.missing(tmp_path, planned) == [(1, planned[0]), (3, planned[2])]


def test_one_cpu_for_both_sides_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "require_tools", lambda _names: None)
    monkeypatch.setattr(host, "require_root", lambda _what: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    with pytest.raises(HostError, match=r"CPU 1 is not available.*--variant veth"):
        bottleneck.require(["napi"], Settings())
    with pytest.raises(UsageError, match="must differ"):
        bottleneck.require(["napi"], Settings(server_cpu=0, client_cpu=0))
    bottleneck.require(["veth"], Settings())


def test_with_an_empty_path_the_first_missing_tool_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match="apt-get install"):
        bottleneck.require(["veth"], Settings())


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = faltcon.cli.run(["lab", "record", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("what", ["bottleneck", "traffic"])
def test_the_command_says_which_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.setenv("PATH", "")
    code, err = run([what, "--out", str(tmp_path)], capsys)
    assert code == 3
    assert "is not installed; on Debian: apt-get install" in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["bottleneck", "traffic"])
def test_the_command_asks_for_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    monkeypatch.setattr(host, "require_tools", lambda _names: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, err = run([what, "--out", str(tmp_path)], capsys)
    assert code == 3
    assert "run the command as root" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bottleneck", "--variant", "wifi"], "no variant 'wifi'; there are napi, veth, loopback"),
        (["bottleneck", "--set", "other"], "no set 'other'; there is `book`"),
        (["bottleneck", "--set", "book", "--variant", "veth"], "leave --variant and the sizes out"),
        (["traffic", "--scenario", "other"], "no scenario 'other'; there are h1close-ab"),
    ],
)
def test_a_name_that_is_none_is_answered_with_those_that_are(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = run(arguments, capsys)
    assert code == 2
    assert says in err


def test_the_suite_does_not_say_where_the_clone_lies(tmp_path: Path) -> None:
    metadata = {"name": "b", "unit": "second", "python_executable": sys.executable, "run": "r"}
    suite = tmp_path / "pyperf.json"
    suite.write_text(
        json.dumps(
            {
                "version": "1.0",
                "metadata": metadata,
                "benchmarks": [{"runs": [{"values": [0.5, 0.25]}]}],
            }
        )
    )
    kept = json.loads(bottleneck._neutral(suite).read_text())  # noqa: SLF001
    assert kept["metadata"]["python_executable"] == Path(sys.executable).name
    assert kept["metadata"]["run"] == "r"
    assert kept["benchmarks"][0]["runs"][0]["values"] == [0.5, 0.25]


def test_the_cause_of_a_failed_benchmark_is_the_workers_own_error() -> None:
    log = (
        "Traceback (most recent call last):\n"
        "faltcon.errors.ToolFailedError: ab ended with code 104: reset by peer\n"
        "Traceback (most recent call last):\n"
        "RuntimeError: python failed with exit code 1\n"
    )
    assert bottleneck._cause(log) == "ab ended with code 104: reset by peer"  # noqa: SLF001
    assert bottleneck._cause("something else") == "something else"  # noqa: SLF001
