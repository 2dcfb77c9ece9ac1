"""Measure the traffic engine against its peers on one capture of real servers.

    tools/bench_traffic.py [--rounds 5] [--megabytes 1024] [--out build/bench]

Run as root (it makes a network namespace for nginx and ab). Rounds are
interleaved: each tool once, then all again. Slow peers read a prefix of the
capture; the answer says of how many packets. Writes <out>/traffic.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from faltcon.traffic.window import Batches, Window

OURS = """
import sys, time
begin = time.perf_counter()
from pathlib import Path
from faltcon.traffic.job import Job
from faltcon.traffic.tcp import Limits
tiny, big, out = sys.argv[1:4]
def tables(file, limits):
    return Job([file], Path(out), None, limits).run(
        resume=False, stopped=lambda: False, progress=lambda _: None, failed=sys.exit)
# All code is loaded before the clock starts, also that which only long captures need.
tables(tiny, Limits(stretch_bytes=4096, linger_ns=0))
start_up = time.perf_counter() - begin
begin, cpu = time.perf_counter(), time.process_time()
packets = tables(big, Limits()).packets
print(time.perf_counter() - begin, time.process_time() - cpu, packets, start_up)
"""
REPORT = """
import sys, time
from faltcon.traffic import compiled, summary
compiled.mine(sys.argv[1])
begin, cpu = time.perf_counter(), time.process_time()
mined = compiled.mine(sys.argv[2])
summary.summarize("x", mined)
summary.repeats("x", mined, k_t=1, window_ns=5 * 10**9, kind="sliding", count="established")
print(time.perf_counter() - begin, time.process_time() - cpu)
"""
TSHARK_PANDAS = """
import io, subprocess, sys, time
import pandas as pd
fields = ["frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.stream",
          "tcp.flags.syn", "tcp.flags.ack", "tcp.len", "http.request.method",
          "http.response.code"]
begin = time.perf_counter()
options = [word for name in fields for word in ("-e", name)]
text = subprocess.run(["tshark", "-r", sys.argv[1], "-T", "fields", *options],
                      check=True, capture_output=True).stdout
frame = pd.read_csv(io.BytesIO(text), sep="\\t", names=fields)
connections = frame.groupby("tcp.stream").agg({"frame.time_epoch": ["min", "max"],
                                               "tcp.len": "sum"})
requests = frame["http.request.method"].notna().groupby(frame["tcp.stream"]).sum()
syn = frame[(frame["tcp.flags.syn"] == 1) & (frame["tcp.flags.ack"] == 0)]
keys = syn.groupby(["ip.src", "ip.dst", "tcp.dstport"])["frame.time_epoch"]
pairs = keys.apply(lambda times: (times.sort_values().diff(2 - 1) <= 5).any()).sum()
print(time.perf_counter() - begin, len(connections), int(requests.sum()), int(pairs))
"""
DPKT = """
import sys, time, dpkt
begin, cpu, count = time.perf_counter(), time.process_time(), 0
for _, frame in dpkt.pcap.Reader(open(sys.argv[1], "rb")):
    dpkt.ethernet.Ethernet(frame)
    count += 1
print(time.perf_counter() - begin, time.process_time() - cpu, count)
"""
NFSTREAM = """
import sys, time, nfstream
begin = time.perf_counter()
flows = sum(1 for _ in nfstream.NFStreamer(source=sys.argv[1], n_meters=1))
print(time.perf_counter() - begin, flows)
"""
WALK = """
import sys, time
from collections import Counter
from faltcon.traffic.window import Batches, Window, opened
for _ in range(2):
    with opened(sys.argv[1]) as stream:
        begin, cpu = time.perf_counter(), time.process_time()
        batches = Batches(sys.argv[1], Window(stream), Counter(), stretch_bytes=1 << 62)
        for _ in batches:
            pass
        seconds, busy = time.perf_counter() - begin, time.process_time() - cpu
print(seconds, busy, batches.packets)
"""
NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:8080; root {folder}/www; }} }}
"""
SLOW_PACKETS = 400_000
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class Run(NamedTuple):
    """One run: wall and processor seconds, peak resident bytes, and what was printed."""

    seconds: float
    cpu_s: float
    peak_rss_bytes: int
    words: list[str]


def run(command: list[str], *, own_clock: bool = False) -> Run:
    """Run a command; some measure themselves, after start-up: wall, then processor seconds."""
    begin = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        status_file = Path(f"/proc/{child.pid}/status")
        # The kernel's own peak of a child begins with what this process holds: read it from the
        # child's memory while it runs.
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            found = PEAK.search(status_file.read_text())
            peak = int(found[1]) * 1024 if found else peak
            time.sleep(0.02)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        words = output.read(1 << 16).decode(errors="replace").split()
    if child.returncode:
        sys.exit(f"{' '.join(command)[:200]} ended with code {child.returncode}")
    cpu_s = usage.ru_utime + usage.ru_stime
    if own_clock:
        seconds = float(words[0])
        cpu_s = float(words[1]) if "." in words[1] else cpu_s
    return Run(seconds, cpu_s, peak, words)


def record(target: Path, megabytes: int) -> None:
    """Record nginx with ab, keep-alive off and on, until the capture is as large as asked."""
    space = f"bench{os.getpid()}"
    inside = ["ip", "netns", "exec", space]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # nginx drops to another user, who must be able to read the page.
        folder.chmod(0o755)
        (folder / "www").mkdir()
        (folder / "www" / "page").write_bytes(os.urandom(700))
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
        subprocess.run(["ip", "netns", "add", space], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", space], check=False)
        subprocess.run(["ip", "-n", space, "link", "set", "lo", "mtu", "1500", "up"], check=True)
        off = ["tso", "off", "gso", "off", "gro", "off"]
        subprocess.run([*inside, "ethtool", "-K", "lo", *off], check=False, capture_output=True)
        for command in (
            ["nginx", "-c", str(folder / "nginx.conf")],
            ["tcpdump", "-i", "lo", "-Z", "root", "-B", "65536", "-w", str(target), "tcp"],
        ):
            child = subprocess.Popen([*inside, *command], stderr=subprocess.DEVNULL)
            stack.callback(child.wait)
            stack.callback(child.terminate)
        time.sleep(1)
        turn = 0
        while target.stat().st_size < megabytes * 1_000_000:
            turn += 1
            options = ["-q", "-n", "25000", "-c", "50", "-B", f"127.0.0.{1 + turn % 200}"]
            options += ["-k"] if turn % 8 == 0 else []
            url = "http://127.0.0.1:8080/page"
            subprocess.run([*inside, "ab", *options, url], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1)


def prefix(source: Path, target: Path, packets: int) -> int:
    """Write the first packets of a classic capture; how many there were."""
    with source.open("rb") as read, target.open("wb") as write:
        write.write(read.read(24))
        for count in range(packets):
            head = read.read(16)
            if len(head) < 16:
                return count
            write.write(head + read.read(struct.unpack_from("<I", head, 8)[0]))
    return packets


def repeated(source: Path, target: Path, times: int) -> None:
    """Write a classic capture several times in a row, each time later than the one before."""
    data = np.fromfile(source, dtype=np.uint8)
    batches = Batches(source, Window(source.open("rb")), Counter(), stretch_bytes=1 << 62)
    # The place of each record's header, whose first four bytes are the second.
    places = np.concatenate(
        [batches.records.data[:count, 0] + batches.window.base - 16 for count, _ in batches]
    )
    bytes_of = [data[places + one].astype(np.int64) << 8 * one for one in range(4)]
    seconds = sum(bytes_of[1:], start=bytes_of[0])
    length = int(seconds.max() - seconds.min()) + 60
    with target.open("wb") as stream:
        stream.write(data[:24].tobytes())
        for turn in range(times):
            later = seconds + turn * length
            for one in range(4):
                data[places + one] = later >> 8 * one & 255
            data[24:].tofile(stream)


def memory(python: list[str], big: Path, out: Path, parquet: str, tiny: Path) -> dict[str, object]:
    """Peak resident bytes with a quarter of the capture and with four times of it."""
    small, large = out / "quarter.pcap", out / "fourfold.pcap"
    with big.open("rb") as read:
        small.write_bytes(read.read(big.stat().st_size // 4))
    times = max(1, round(4e9 / big.stat().st_size))
    repeated(big, large, times)
    answer: dict[str, object] = {}
    for name, file in (("small", small), ("large", large)):
        one = run([*python, OURS, str(tiny), str(file), parquet], own_clock=True)
        answer[f"{name}_capture_bytes"] = file.stat().st_size
        answer[f"{name}_peak_rss_bytes"] = one.peak_rss_bytes
    large.unlink()
    small.unlink()
    answer["growth"] = answer["large_peak_rss_bytes"] / answer["small_peak_rss_bytes"] - 1  # type: ignore[operator]
    return answer


def cold(python: list[str], big: Path, parquet: str, tiny: Path) -> float:
    """Seconds of our pass when nothing of the capture is in the page cache."""
    with big.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return run([*python, OURS, str(tiny), str(big), parquet], own_clock=True).seconds


def commands(
    python: list[str], out: Path, big: Path, slow: Path, tiny: Path, packets: int, few: int
) -> dict[str, tuple[list[str], int, bool]]:
    """Each tool's command, the packets that it reads, and whether it has a clock of its own."""
    nfstream = ["uv", "run", "--no-project", "--with", "nfstream", "python", "-c", NFSTREAM]
    parquet = str(out / "connections.parquet")
    return {
        "faltcon": ([*python, OURS, str(tiny), str(big), parquet], packets, True),
        "record headers only": ([*python, WALK, str(big)], packets, True),
        "cat": (["cat", str(big)], packets, False),
        "nfpcapd": (["nfpcapd", "-r", str(big), "-w", str(out / "nfdump")], packets, False),
        "argus": (["argus", "-r", str(big), "-w", str(out / "argus.out")], packets, False),
        "tcptrace": (["tcptrace", str(big)], packets, False),
        "tshark": (["tshark", "-q", "-z", "conv,tcp", "-r", str(slow)], few, False),
        "dpkt": ([*python, DPKT, str(slow)], few, True),
        "nfstream": ([*nfstream, str(slow)], few, True),
        "report": ([*python, REPORT, str(tiny), str(big)], packets, True),
        "tshark and pandas": ([*python, TSHARK_PANDAS, str(slow)], few, True),
    }


def main() -> None:
    """Make the capture, run the rounds, write and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--without", nargs="*", default=[], help="tools to leave out")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    big, slow, tiny = out / "traffic.pcap", out / "prefix.pcap", out / "tiny.pcap"
    if not big.exists() or big.stat().st_size < options.megabytes * 1_000_000:
        record(big, options.megabytes)
    few = prefix(big, slow, SLOW_PACKETS)
    prefix(big, tiny, 100)
    python = [sys.executable, "-c"]
    parquet = str(out / "connections.parquet")
    packets = int(run([*python, WALK, str(big)], own_clock=True).words[2])
    tools = commands(python, out, big, slow, tiny, packets, few)
    tools = {name: one for name, one in tools.items() if name not in options.without}
    answer: dict[str, object] = {
        "capture_bytes": big.stat().st_size,
        "packets": packets,
        "rounds": options.rounds,
        "load_before": os.getloadavg()[0],
        "memory": memory(python, big, out, parquet, tiny),
        "cold_cache_packets_per_s": packets / cold(python, big, parquet, tiny),
    }
    sys.stderr.write(json.dumps(answer) + "\n")
    results: dict[str, list[Run]] = {name: [] for name in tools}
    for turn in range(options.rounds):
        for name, (command, _, own_clock) in tools.items():
            shutil.rmtree(out / "nfdump", ignore_errors=True)
            (out / "nfdump").mkdir()
            (out / "argus.out").unlink(missing_ok=True)
            results[name].append(run(command, own_clock=own_clock))
            last = results[name][-1]
            sys.stderr.write(
                f"round {turn + 1}: {name} {last.seconds:.2f} s, processor {last.cpu_s:.2f} s\n"
            )
    answer["load_after"] = os.getloadavg()[0]
    answer["start_up_s"] = statistics.median(float(one.words[3]) for one in results["faltcon"])
    answer["tools"] = rates(results, tools)
    (out / "traffic.json").write_text(json.dumps(answer, indent=2) + "\n")


def rates(
    results: dict[str, list[Run]], tools: dict[str, tuple[list[str], int, bool]]
) -> dict[str, object]:
    """Packets a second of each tool, and how many times that ours does."""
    found: dict[str, object] = {}
    speed = {
        name: sorted(tools[name][1] / one.seconds for one in runs) for name, runs in results.items()
    }
    busy = {
        name: statistics.median(tools[name][1] / max(one.cpu_s, 1e-3) for one in runs)
        for name, runs in results.items()
    }
    for name, runs in results.items():
        ours = "report" if name == "tshark and pandas" else "faltcon"
        median = statistics.median(speed[name])
        ratio = statistics.median(speed[ours]) / median
        found[name] = {
            "packets": tools[name][1],
            "packets_per_s": {"median": median, "min": speed[name][0], "max": speed[name][-1]},
            "packets_per_cpu_s": busy[name],
            "peak_rss_bytes": max(one.peak_rss_bytes for one in runs),
            "ratio": ratio,
            "cpu_ratio": busy[ours] / busy[name],
        }
        print(
            f"{name:20} {median / 1000:10.0f} kpkt/s   ours is {ratio:6.1f} times that, "
            f"{busy[ours] / busy[name]:6.1f} times for the same processor time"
        )
    return found


if __name__ == "__main__":
    main()
