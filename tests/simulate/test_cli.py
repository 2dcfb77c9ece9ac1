"""The command line `faltcon model`, as others script against it."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from faltcon import paths
from faltcon.cli import run
from faltcon.simulate import export, generate
from faltcon.simulate.inputs import load

CONTRACT = {
    "hits",
    "misses",
    "pulls",
    "pushes",
    "f_pairs_made",
    "f_pairs_eliminated",
    "objects_peak",
    "objects_end",
}


def handshake(client, port, at_s, ack=True):
    """SYN, SYNACK and perhaps ACK, 10 ms apart."""
    up = Ether() / IP(src=client, dst="10.0.1.1")
    down = Ether() / IP(src="10.0.1.1", dst=client)
    packets = [
        up / TCP(sport=port, dport=80, seq=100, flags="S"),
        down / TCP(sport=80, dport=port, seq=200, ack=101, flags="SA"),
        up / TCP(sport=port, dport=80, seq=101, ack=201, flags="A"),
    ]
    for number, packet in enumerate(packets):
        packet.time = at_s + number / 100
    return packets[: 3 if ack else 2]


@pytest.fixture
def capture(tmp_path):
    """Six connections of one client a second apart, one of another, one SYN without ACK."""
    packets = [p for number in range(6) for p in handshake("10.0.0.1", 4000 + number, number)]
    packets += handshake("10.0.0.2", 5000, 6)
    packets += handshake("10.0.0.3", 6000, 7, ack=False)
    file = tmp_path / "six.pcap"
    wrpcap(str(file), packets)
    return str(file)


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "zipf.parquet"
    trace = generate.zipf(3000, clients=50, rate=500, half_open=0.1, seed=9)
    export.write(trace, file, origin="synthetic: for a test")
    return str(file)


def answers(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_run__the_contract(capture, capsys) -> None:
    command = ["model", "run", "--json", "--k-t", "3", "--window", "5s", "--timer", "30s"]
    assert run([*command, "--cores", "1", capture]) == 0
    (found,) = answers(capsys)
    assert found.keys() >= CONTRACT
    # The fourth connection makes the f-pair and is kept; the fifth and the sixth are served.
    # The sixth SYN, 5 s after the first ACK's window began at 20 ms, still falls into it.
    assert (found["connections"], found["f_keys"]) == (8, 3)
    assert (found["hits"], found["misses"], found["pulls"], found["pushes"]) == (2, 6, 2, 3)
    # The capture ends after 7 s, before the timer fires.
    assert (found["f_pairs_made"], found["f_pairs_eliminated"]) == (1, 0)
    assert (found["objects_peak"], found["objects_end"], found["nodes_end"]) == (1, 1, 2)


def test_run__compiled_and_plain_agree(table, capsys) -> None:
    for steering in ("rss", "rss-addresses", "f-key", "round-robin"):
        command = ["model", "run", "--json", "--cores", "4", "--steering", steering, table]
        assert run(command) == 0
        assert run([*command, "--plain"]) == 0
        compiled, plain = answers(capsys)
        assert compiled == plain
        assert compiled["lookups"] == sum(compiled["lookups_by_core"]) == 3000


def test_run__each_choice_reaches_the_model(table, capsys) -> None:
    base = ["model", "run", "--json", "--cores", "4", "--timer", "2s", "--window", "500ms", table]
    assert run(base) == 0
    (default,) = answers(capsys)
    for choice in (
        ["--k-t", "9"],
        ["--window", "50ms"],
        ["--timer", "500ms"],
        ["--cores", "1"],
        ["--window-kind", "sliding"],
        ["--window-kind", "grid"],
        ["--count", "syn"],
        ["--scope", "global"],
        ["--eliminate", "at-most-one"],
        ["--max-pairs", "5"],
        ["--max-objects", "3"],
    ):
        assert run([*base, *choice]) == 0
        (found,) = answers(capsys)
        assert found != default, choice


def test_run__a_bad_file_is_an_answer_too(capture, table, tmp_path, capsys) -> None:
    text = tmp_path / "text.pcap"
    text.write_text("no capture")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1 and no more")
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(table).drop_columns(["syn_ns"]), other)
    files = [str(text), capture, str(damaged), str(other), str(tmp_path / "none")]
    assert run(["model", "run", "--json", *files]) == 1
    found = answers(capsys)
    assert [one["file"] for one in found] == files
    assert [one["error"] is None for one in found] == [False, True, False, False, False]
    assert "damaged Parquet" in found[2]["error"]
    assert "lacks the columns syn_ns" in found[3]["error"]
    assert all(one["hits"] is None for one in found if one["error"])


def test_run__a_table_for_people(capture, capsys) -> None:
    assert run(["model", "run", capture]) == 0
    out = capsys.readouterr().out
    assert re.search(r" 8 +3 +2 +6 +25\.0% +3 +1 +0 +1 +1", out)
    assert "made, gone: f-pairs made and eliminated" in out


def test_run__says_what_is_saved(capture, tmp_path, capsys) -> None:
    costs = tmp_path / "costs.json"
    part = {"stock": 1000, "miss": 1010, "hit": 400}
    costs.write_text(
        json.dumps({"unit": "instructions", "origin": "made up", "parts": {"all": part}})
    )
    assert run(["model", "run", "--json", "--costs", str(costs), capture]) == 0
    (found,) = answers(capsys)
    assert found["saved"] == {"all": 2 * 600 - 6 * 10}
    assert found["saved_unit"] == "instructions"


def test_run__sweep_writes_the_figure(table, tmp_path, capsys) -> None:
    target = tmp_path / "sweep.svg"
    assert run(["model", "run", table, "--sweep", str(target)]) == 0
    assert "38 runs over 3000 connections" in capsys.readouterr().out
    assert "<svg" in target.read_text()
    assert run(["model", "run", table, table, "--sweep", str(target)]) == 2
    assert run(["model", "run", table, "--sweep", str(tmp_path / "sweep.txt")]) == 2


def test_run__usage(capture, capsys) -> None:
    assert run(["model", "run", capture, "--window", "soon"]) == 2
    assert run(["model", "run", capture, "--cores", "0"]) == 2
    assert run(["model", "run"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_compare__a_row_a_policy(table, capsys) -> None:
    assert run(["model", "compare", "--json", table]) == 0
    found = answers(capsys)
    assert [one["policy"] for one in found][:2] == ["slab cache", "FALTCON"]
    assert run(["model", "compare", table]) == 0
    assert "clairvoyant" in capsys.readouterr().out


def test_synthesize__makes_a_file_that_says_what_it_is(tmp_path, capsys) -> None:
    target = tmp_path / "nat.parquet"
    assert (
        run(["model", "synthesize", "nat", "--size", "500", "--seed", "3", "-o", str(target)]) == 0
    )
    assert pq.read_schema(target).metadata[b"origin"] == b"synthetic: nat, size 500, seed 3"
    back, made = load(str(target)).trace, generate.nat(500, seed=3)
    assert back.syn_ns.tolist() == made.syn_ns.tolist()
    assert back.ack_ns.tolist() == made.ack_ns.tolist()
    assert [back.flow(i) for i in range(500)] == [made.flow(i) for i in range(500)]
    assert run(["model", "synthesize", "luck", "-o", str(target)]) == 2
    assert "no generator luck" in capsys.readouterr().err


def test_scenarios__check_and_header(capsys) -> None:
    assert run(["model", "scenarios"]) == 0
    assert "no mismatch" in capsys.readouterr().out
    assert run(["model", "scenarios", "--c-header"]) == 0
    assert "struct faltcon_scenario" in capsys.readouterr().out
    assert run(["model", "scenarios", "absent.toml"]) == 1


def test_bench__says_its_rate(capsys) -> None:
    assert (
        run(["model", "bench", "--size", "5000", "--clients", "50", "--rounds", "1", "--json"]) == 0
    )
    (found,) = answers(capsys)
    assert found["connections"] == 5000
    for name in ("run", "steer", "both"):
        slowest, fastest = found[f"{name}_per_s_slowest"], found[f"{name}_per_s_fastest"]
        assert 0 < slowest <= found[f"{name}_per_s"] <= fastest
    assert run(["model", "bench", "--size", "5000", "--rounds", "2"]) == 0
    said = capsys.readouterr().out
    assert "median of 2 rounds" in said
    assert " to " in said


def test_load__real_captures() -> None:
    folder = paths.project_root().parent / "shared" / "captures"
    if not folder.is_dir():
        pytest.skip("third-party data: no ../shared/captures beside the clone")
    found = 0
    for file in sorted(folder.rglob("*.pcap"))[:60]:
        loaded = load(str(file))
        cpus = loaded.trace.steer(4)
        assert len(loaded.trace) == len(cpus.syn)
        assert np.all(np.diff(loaded.trace.syn_ns) >= 0)
        found += len(loaded.trace)
    assert found > 0
