from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from faltcon.cli import run

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (
    "a 1/2 [000] 1.0:  100 cpu-clock: \n\tffffffff81000001 tcp_ack+0x1 ([kernel.kallsyms])\n"
    "\tffffffff81000002 tcp_rcv_established+0x1 ([kernel.kallsyms])\n"
    "\tffffffff81000003 tcp_v4_rcv+0x1 ([kernel.kallsyms])\n\n"
    "a 1/2 [000] 1.1:  100 cpu-clock: \n\t401000 main+0x1 (/bin/a)\n\n"
)
EVENTS = TEXT.replace("1.1:  100 cpu-clock", "1.1:  1 faults")


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    file = tmp_path / "p.txt"
    file.write_text(TEXT)
    return file


def test_fold__prints_stacks(profile: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["perf", "fold", "--kernel", "--pid", str(profile)]) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"a-1;main 100\na-1;tcp_v4_rcv_[k];tcp_rcv_established_[k];tcp_ack_[k] 100\n"
    assert err == b""


def test_fold__tells_what_it_left_out(profile: Path, capfd: pytest.CaptureFixture[str]) -> None:
    profile.write_text("junk\n" + EVENTS)
    assert run(["perf", "fold", str(profile)]) == 0
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 1
    assert "skipped 1: neither a header nor a frame" in err
    assert "left out 1 samples of faults" in err
    assert run(["perf", "fold", "--event", "faults", str(profile)]) == 0
    assert capfd.readouterr().out == "a;main 1\n"
    assert run(["perf", "fold", "--event", "misses", str(profile)]) == 1
    assert "no sample of event misses" in capfd.readouterr().err


def test_fold__last_sample_as_the_options_say(
    profile: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile.write_text(TEXT.rstrip("\n") + "\n")
    lines = []
    for options in ([], ["--all"], ["--all", "--unclosed", "keep"], ["--unclosed", "drop"]):
        assert run(["perf", "fold", *options, str(profile)]) == 0
        lines.append(len(capfd.readouterr().out.splitlines()))
    assert lines == [2, 1, 2, 1]


def test_fold__empty_file_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e").write_bytes(b"")
    assert run(["perf", "fold", str(tmp_path / "e")]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def test_fold__reads_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from faltcon.cli import main; main()", "perf", "fold", "-"],
        input=TEXT.encode(),
        capture_output=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 2


def test_breakdown__json_a_line_a_file(profile: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = profile.with_name("other")
    other.write_text("no profile")
    assert run(["perf", "breakdown", "--json", str(profile), str(other)]) == 1
    out, err = capfd.readouterr()
    good, bad = map(json.loads, out.splitlines())
    assert good["samples"] == 2
    assert good["weight"] == 200
    assert good["rx"]["tcp"] == {"weight": 100, "share": 1.0, "of": "weight of rx samples"}
    assert good["phases"]["data"]["share_by_rule"] == 1
    assert good["skipped_lines"] == 0
    for key in ("tx", "layers", "unclassified", "skipped"):
        assert key in good
    assert good["error"] is None
    assert bad["error"]
    assert str(other) in err


def test_breakdown__table_and_parquet(
    profile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parquet = tmp_path / "classes.parquet"
    assert run(["perf", "breakdown", "--parquet", str(parquet), str(profile)]) == 0
    out = capfd.readouterr().out
    assert "tcp" in out
    assert "establishment" in out
    table = pd.read_parquet(parquet)
    assert table["weight"].sum() == 200
    assert set(table["weight_unit"]) == {"ns"}


def test_breakdown__rules_and_variants(
    profile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "r.toml"
    rules.write_text('format = 1\n[variants.innermost]\nshared = "apart"\nphase_of = []\n')
    assert run(["perf", "breakdown", "--json", "--rules", str(rules), str(profile)]) == 0
    assert json.loads(capfd.readouterr().out)["unclassified"]["weight"] == 100
    assert run(["perf", "breakdown", "--variant", "none", str(profile)]) == 2
    assert "it has: innermost" in capfd.readouterr().err


def test_convert__forms(profile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["perf", "convert", "--to", "folded", str(profile)]) == 0
    assert capfd.readouterr().out.startswith("a;main 100\n")
    target = tmp_path / "s.json"
    assert run(["perf", "convert", "--to", "speedscope", str(profile), "-o", str(target)]) == 0
    assert json.loads(target.read_text())["profiles"][0]["weights"] == [100, 100]
    assert run(["perf", "convert", "--to", "d3", str(profile)]) == 0
    assert json.loads(capfd.readouterr().out)["value"] == 200


def test_flame__json(profile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "f.json"
    assert run(["perf", "flame", str(profile), "-o", str(target)]) == 0
    assert json.loads(target.read_text())["value"] == 200
    assert run(["perf", "flame", str(profile), "-o", str(tmp_path / "f.svg")]) == 2
    assert ".json" in capfd.readouterr().err
