"""Real recordings, each short, and what is left of them when they end or are stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dpkt
import pytest

from faltcon import provenance
from faltcon.files import open_binary

pytestmark = [pytest.mark.root, pytest.mark.slow]

SECONDS = "2"
BOTTLENECK = ["bottleneck", "--repetitions", "1", "--seconds", SECONDS, "--max-other", "1"]
# A recording waits for others on this machine first.
PATIENCE_S = 600


def command(words: list[str]) -> list[str]:
    return [sys.executable, "-c", "from faltcon.cli import main; main()", "lab", "record", *words]


def record(words: list[str], path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({} if path is None else {"PATH": path})}
    return subprocess.run(
        command(words), capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=env
    )


def traces(pid: int, root: Path) -> list[str]:
    """Everything of a recorder that is still there: namespaces, processes, files."""
    found = []
    namespaces = Path("/run/netns")
    if namespaces.is_dir():
        found += [str(p) for p in namespaces.iterdir() if f"faltcon-{pid}-" in p.name]
    found += [str(p) for p in Path(tempfile.gettempdir()).glob(f"faltcon-lab-{pid}*")]
    found += [str(p) for p in root.rglob(".*") if p.name.startswith(".")]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry.name == str(pid):
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended while we looked
        if f"faltcon-{pid}-" in line or f"faltcon-lab-{pid}" in line:
            found.append(line)
    return found


def eventually_no_traces(pid: int, root: Path) -> list[str]:
    deadline = time.monotonic() + 10
    while (left := traces(pid, root)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.mark.parametrize("variant", ["napi", "veth", "loopback"])
def test_a_bottleneck_recording_is_whole(tmp_path: Path, variant: str) -> None:
    words = [*BOTTLENECK, "--variant", variant, "--port", "18081", "--out", str(tmp_path)]
    done = record(words)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "bottleneck" / f"{variant}-64b-r01"
    assert provenance.verify(tmp_path)[1] == []
    facts = provenance.load(folder)
    # The profile: kernel stacks of the server's receive path, on the CPUs that were asked for.
    with open_binary(folder / "perf-script.txt.zst") as stream:
        text = stream.read().decode()
    assert "tcp_v4_rcv" in text
    assert "lighttpd" in text
    headers = [line for line in text.splitlines() if "cpu-clock:" in line or "cycles:" in line]
    assert len(headers) == facts["results"]["samples"]
    if variant == "napi":
        assert {line.partition("[")[2][:3] for line in headers} == {"001"}
        assert "napi/srv-" in text
        assert facts["parameters"]["cpus"] == "1"
    # The same profile in perf's own form, from which perf prints the same text.
    profile = tmp_path / "perf.data"
    with open_binary(folder / "perf.data.zst") as stream:
        profile.write_bytes(stream.read())
    printed = subprocess.run(
        ["perf", "script", "-i", str(profile)], capture_output=True, text=True, check=True
    )
    assert printed.stdout == text
    assert sys.executable.encode() not in profile.read_bytes()
    # The timing: seconds a connection, of the connections that the profile is of.
    suite = json.loads((folder / "pyperf.json").read_text())
    metadata = suite["metadata"]
    assert metadata["hooks"] == "perf_record"
    assert metadata["inner_loops"] == facts["parameters"]["requests_per_value"]
    assert metadata["run"] == folder.name
    values = suite["benchmarks"][0]["runs"][0]["values"]
    assert len(values) == facts["parameters"]["values"]
    reports = (folder / "ab.txt").read_text()
    assert reports.count("Complete requests:") == len(values)
    assert "Document Length:        64 bytes" in reports
    # The symbols of the kernel that the addresses in perf.data belong to.
    symbols = tmp_path / "kernel-symbols" / facts["parameters"]["kernel_symbols"] / "kallsyms.zst"
    with open_binary(symbols) as stream:
        assert b" tcp_v4_rcv\n" in stream.read()


def test_what_is_recorded_is_left_alone_unless_forced(tmp_path: Path) -> None:
    words = [*BOTTLENECK, "--variant", "veth", "--out", str(tmp_path)]
    assert record(words).returncode == 0
    file = tmp_path / "bottleneck" / "veth-64b-r01" / provenance.FILE_NAME
    before = file.stat()
    again = record(words)
    assert again.returncode == 0
    assert "0 recorded, 1 were there already, 0 left" in again.stdout
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    forced = record([*words, "--force"])
    assert forced.returncode == 0, forced.stderr
    assert file.stat().st_mtime_ns != before.st_mtime_ns
    assert provenance.verify(tmp_path)[1] == []


MOMENTS = random.Random(20210824).choices(range(100, 9000), k=4)


@pytest.mark.parametrize("moment_ms", MOMENTS)
def test_a_bottleneck_recording_that_is_stopped_leaves_nothing(
    tmp_path: Path, moment_ms: int
) -> None:
    number = signal.SIGINT if moment_ms % 2 else signal.SIGTERM
    interrupt(["bottleneck", "--repetitions", "3", "--seconds", "3"], tmp_path, moment_ms, number)


@pytest.mark.parametrize("moment_ms", MOMENTS[:2])
def test_a_traffic_recording_that_is_stopped_leaves_nothing(tmp_path: Path, moment_ms: int) -> None:
    words = ["traffic", "--scenario", "h2tls-chromium", "--scenario", "h1close-clients"]
    interrupt(words, tmp_path, moment_ms, signal.SIGTERM)


def interrupt(words: list[str], root: Path, moment_ms: int, number: int) -> None:
    with subprocess.Popen(
        command([*words, "--out", str(root)]), stderr=subprocess.PIPE, text=True
    ) as recorder:
        # Count the moment from when the recorder has begun to make things.
        deadline = time.monotonic() + PATIENCE_S
        while not list(root.glob("*/.*.partial")) and time.monotonic() < deadline:
            assert recorder.poll() is None
            time.sleep(0.01)
        time.sleep(moment_ms / 1000)
        assert recorder.poll() is None, "it ended before it was stopped"
        recorder.send_signal(number)
        try:
            _, err = recorder.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            recorder.kill()
            raise
    assert recorder.returncode == 130
    # Between two recordings there is nothing to clean up, and nothing is said of it.
    assert f"stopped by {signal.Signals(number).name}" in err or "interrupted" in err
    assert eventually_no_traces(recorder.pid, root) == []
    # What was finished before is whole.
    assert provenance.verify(root)[1] == []


def test_what_a_recorder_that_was_killed_outright_leaves_the_next_one_removes(
    tmp_path: Path,
) -> None:
    words = [*BOTTLENECK, "--out", str(tmp_path)]
    with subprocess.Popen(command(words)) as recorder:
        deadline = time.monotonic() + PATIENCE_S
        while not any("lighttpd" in line for line in traces(recorder.pid, tmp_path)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        recorder.kill()
    assert traces(recorder.pid, tmp_path)
    done = record(words)
    assert done.returncode == 0, done.stderr
    assert eventually_no_traces(recorder.pid, tmp_path) == []
    assert provenance.verify(tmp_path)[1] == []


def test_a_port_in_use_is_said_in_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        words = [*BOTTLENECK, "--variant", "loopback", "--port", port, "--out", str(tmp_path)]
        done = record(words)
    assert done.returncode == 3
    assert done.stderr.strip() == (
        f"faltcon: port {port} is in use in this machine; stop what listens there or choose "
        "another port"
    )
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_disturbed_recording_is_not_kept(tmp_path: Path) -> None:
    # Even an idle machine runs something else now and then; no share at all is refused.
    words = [*BOTTLENECK, "--attempts", "2", "--out", str(tmp_path)]
    words[words.index("--max-other") + 1] = "0"
    done = record(words)
    assert done.returncode == 3
    assert "recording it again" in done.stderr
    assert "other programs took" in done.stderr.splitlines()[-1]
    assert [p.name for p in tmp_path.glob("bottleneck/*")] == []


@pytest.mark.parametrize(
    ("scenario", "requests", "connections"),
    [("h1close-ab", 3000, 3000), ("h2c-h2load", 4000, 40), ("h1keepalive-ab", 5000, 20)],
)
def test_a_traffic_recording_holds_what_the_server_saw(
    tmp_path: Path, scenario: str, requests: int, connections: int
) -> None:
    done = record(["traffic", "--scenario", scenario, "--out", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert provenance.verify(tmp_path)[1] == []
    folder = tmp_path / "traffic" / scenario
    results = provenance.load(folder)["results"]
    assert results["server_requests"] == requests
    assert results["packets_lost"] == 0
    opened = set()
    packets = 0
    with open_binary(folder / "capture.pcap.zst") as stream:
        for _, frame in dpkt.pcap.Reader(stream):
            packets += 1
            ip = dpkt.ethernet.Ethernet(frame).data
            if ip.data.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK) == dpkt.tcp.TH_SYN:
                opened.add((socket.inet_ntoa(ip.src), ip.data.sport))
    assert packets == results["packets"]
    # The capture began before the first and ended after the last connection of the server.
    with open_binary(folder / "access.log.zst") as stream:
        served = {
            (line.split()[1], int(line.split()[2])) for line in stream.read().decode().splitlines()
        }
    assert served <= opened
    assert len(served) == results["server_connections_with_requests"] == connections


def test_a_browser_asks_for_every_page_and_resource(tmp_path: Path) -> None:
    done = record(["traffic", "--scenario", "h2tls-chromium", "--out", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "traffic" / "h2tls-chromium"
    site = json.loads((folder / "site.json").read_text())
    wanted = set(site) | {name for names in site.values() for name in names}
    with open_binary(folder / "access.log.zst") as stream:
        lines = stream.read().decode().splitlines()
    assert {line.split('"')[1].split()[1].lstrip("/") for line in lines} == wanted
    assert provenance.load(folder)["results"]["server_responses_not_200"] == 0
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in (folder / "keys.log").read_text()
