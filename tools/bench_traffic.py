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
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = """
import sys, time
from pathlib import Path
from faltcon.traffic import compiled, export
tiny, big, out = sys.argv[1:4]
compiled.mine(tiny)
begin = time.perf_counter()
mined = compiled.mine(big)
with export.writer(Path(out), "connections") as write:
    write(big, mined)
print(time.perf_counter() - begin, mined.packets, len(mined.tables.connections))
"""
DPKT = """
import sys, time, dpkt
begin, count = time.perf_counter(), 0
for _, frame in dpkt.pcap.Reader(open(sys.argv[1], "rb")):
    dpkt.ethernet.Ethernet(frame)
    count += 1
print(time.perf_counter() - begin, count)
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
from faltcon.traffic.mapped import Batches, mapped
with mapped(sys.argv[1]) as (data, cut):
    for _ in range(2):
        begin = time.perf_counter()
        count = sum(number for _, number in Batches(sys.argv[1], data, Counter(), cut=cut))
        seconds = time.perf_counter() - begin
print(seconds, count)
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


def run(command: list[str], *, own_clock: bool = False) -> tuple[float, int]:
    """Seconds and peak resident bytes of a command; some measure themselves, after start-up."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if child.returncode:
        sys.exit(f"{' '.join(command)[:200]} ended with code {child.returncode}")
    return (float(text.split()[0]) if own_clock else seconds), usage.ru_maxrss * 1024


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


def main() -> None:
    """Make the capture, run the rounds, write and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    big, slow, tiny = out / "traffic.pcap", out / "prefix.pcap", out / "tiny.pcap"
    if not big.exists() or big.stat().st_size < options.megabytes * 1_000_000:
        record(big, options.megabytes)
    few = prefix(big, slow, SLOW_PACKETS)
    prefix(big, tiny, 100)
    python = [sys.executable, "-c"]
    counted = run([*python, WALK, str(big)], own_clock=True)
    packets = int(
        subprocess.run(
            [*python, WALK, str(big)], check=True, capture_output=True, text=True
        ).stdout.split()[1]
    )
    parquet = str(out / "connections.parquet")
    flows = out / "nfdump"
    tools: dict[str, tuple[list[str], int, bool]] = {
        "faltcon": ([*python, OURS, str(tiny), str(big), parquet], packets, True),
        "record headers only": ([*python, WALK, str(big)], packets, True),
        "nfpcapd": (["nfpcapd", "-r", str(big), "-w", str(flows)], packets, False),
        "argus": (["argus", "-r", str(big), "-w", str(out / "argus.out")], packets, False),
        "tcptrace": (["tcptrace", str(big)], packets, False),
        "tshark": (["tshark", "-q", "-z", "conv,tcp", "-r", str(slow)], few, False),
        "dpkt": ([*python, DPKT, str(slow)], few, True),
        "nfstream": (
            [
                "uv",
                "run",
                "--no-project",
                "--with",
                "nfstream",
                "python",
                "-c",
                NFSTREAM,
                str(slow),
            ],
            few,
            True,
        ),
    }
    results: dict[str, list[tuple[float, int]]] = {name: [] for name in tools}
    for turn in range(options.rounds):
        for name, (command, _, own_clock) in tools.items():
            shutil.rmtree(flows, ignore_errors=True)
            flows.mkdir()
            (out / "argus.out").unlink(missing_ok=True)
            results[name].append(run(command, own_clock=own_clock))
            sys.stderr.write(f"round {turn + 1}: {name} {results[name][-1][0]:.2f} s\n")
    ours = packets / statistics.median(seconds for seconds, _ in results["faltcon"])
    answer: dict[str, object] = {
        "capture_bytes": big.stat().st_size,
        "packets": packets,
        "rounds": options.rounds,
        "first_walk_s": counted[0],
        "tools": {},
    }
    for name, runs in results.items():
        rates = sorted(tools[name][1] / seconds for seconds, _ in runs)
        median = statistics.median(rates)
        answer["tools"][name] = {  # type: ignore[index]
            "packets": tools[name][1],
            "packets_per_s": {"median": median, "min": rates[0], "max": rates[-1]},
            "peak_rss_bytes": max(peak for _, peak in runs),
            "ratio": ours / median,
        }
        print(f"{name:20} {median / 1000:10.0f} kpkt/s   ours is {ours / median:6.1f} times that")
    (out / "traffic.json").write_text(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    main()
