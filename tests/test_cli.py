"""The command line as a user meets it: exit codes, one-line errors, help with examples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from faltcon import cli, data_cli, errors, provenance

if TYPE_CHECKING:
    from pathlib import Path


def test_run__version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("faltcon ")


@pytest.mark.parametrize("arguments", [["nope"], ["data", "nope"], ["data", "verify", "--nope"]])
def test_run__usage_errors_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("group", ["perf", "traffic", "lab", "data"])
def test_run__each_group_has_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([group, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


ENDINGS = {
    errors.UsageError("no"): 2,
    errors.InputError("f", "p"): 1,
    errors.MissingToolError("ab", "apache2-utils"): 3,
    errors.ToolFailedError(["ab"], 1, ""): 4,
    errors.InterruptedRunError("stopped"): 130,
    KeyboardInterrupt(): 130,
    ZeroDivisionError("x"): 70,
}


@pytest.mark.parametrize("error", ENDINGS, ids=lambda e: type(e).__name__)
def test_run__each_error_has_its_exit_code_and_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_root: object) -> None:
        raise error

    monkeypatch.setattr(data_cli.provenance, "verify", fail)
    assert cli.run(["data", "verify"]) == ENDINGS[error]
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed.startswith("faltcon: ")


def test_run__debug_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_root: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(data_cli.provenance, "verify", fail)
    monkeypatch.setenv("FALTCON_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.run(["data", "verify"])


def test_data_verify__exit_1_names_the_changed_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "raw" / "e" / "r"
    run.mkdir(parents=True)
    (run / provenance.FILE_NAME).write_text("{}")
    monkeypatch.setenv("FALTCON_DATA", str(tmp_path))
    assert cli.run(["data", "verify", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["runs"] == 1
    assert report["problems"]


def test_data_verify__nothing_recorded_is_no_success(tmp_path: Path) -> None:
    assert cli.run(["data", "verify", str(tmp_path)]) == 1


def test_data_verify__folder_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["data", "verify", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


def test_faltcon_data__that_is_no_folder_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALTCON_DATA", "/no/such/folder")
    assert cli.run(["data", "verify"]) == 2
    assert "FALTCON_DATA=/no/such/folder" in capsys.readouterr().err


def test_main__a_kill_leaves_with_130() -> None:
    code = (
        "import sys, time; from faltcon import cli, data_cli;"
        "data_cli.provenance.verify = lambda _: (print('go', flush=True), time.sleep(30));"
        "sys.argv = ['faltcon', 'data', 'verify']; cli.main()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "go\n"
    time.sleep(0.1)
    os.kill(child.pid, signal.SIGTERM)
    _, stderr = child.communicate(timeout=10)
    assert child.returncode == 130
    assert "Traceback" not in stderr


def test_main__help_is_quick_to_import() -> None:
    heavy = {"pandas", "numba", "matplotlib", "scapy", "dpkt", "pyarrow"}
    code = "import sys, faltcon.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)


COMMAND = [sys.executable, "-c", "from faltcon.cli import main; main()", "--help"]


def test_main__a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  a device, not a path to keep
        done = subprocess.run(COMMAND, stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("faltcon: the output: No space left on device")


def test_main__a_reader_that_stops_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            COMMAND, stdout=writing, stderr=subprocess.PIPE, check=False, text=True
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_main__without_an_output_it_runs_in_silence() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND], stderr=subprocess.PIPE, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_run__the_first_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    assert "Examples: faltcon traffic summary" in capsys.readouterr().out
