"""Measure the perf engine against its peers on one recording of a real server.

    tools/bench_perf.py [--rounds 5] [--samples 500000] [--stackcollapse FILE] [--out build/bench]

Run as root (it makes a network namespace for lighttpd and ab). Rounds are
interleaved: each tool once, then all again. Python tools measure themselves
after start-up, as a chapter or a notebook meets them; `faltcon, with start-up`
is the same as a command of its own, and `ratio_with_startup` is against that.
Each Python command runs once before, so that its bytecode and compiled loops
are kept, as they are on a machine where it was used before.
Ratios are of seconds and, `_cpu`, of CPU seconds, which other programs on the
machine disturb less. Of `perf script -s stackcollapse` the ratio is of its own time: what it takes
beyond the `perf script` of the same round. Writes <out>/perf.json, with the
peak memory beyond the mapped file, also for a recording of ten times the length.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

OURS = """
import sys, time
from faltcon.perf import fastdata, fasttext
from faltcon.perf.fold import FoldOptions, Folder, folded_bytes
def folded(file, read):
    folder = Folder(FoldOptions(kernel=True))
    for tally in read(file).tallies:
        folder.add(tally)
    return folded_bytes(folder.stacks)
kind, tiny, big, out = sys.argv[1:5]
read = fastdata.read_perf_data if kind == "data" else fasttext.read_script
folded(tiny, read)
begin, cpu = time.perf_counter(), time.process_time()
content = folded(big, read)
open(out, "wb").write(content)
print(time.perf_counter() - begin, time.process_time() - cpu)
"""
MEMORY = """
import resource, sys
from faltcon.perf.fastdata import read_perf_data
from faltcon.perf.fold import FoldOptions, Folder, folded_bytes
folder = Folder(FoldOptions(kernel=True))
for tally in read_perf_data(sys.argv[1], symbols="/proc/kallsyms").tallies:
    folder.add(tally)
folded_bytes(folder.stacks)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
STACKCOLLAPSE = Path("/usr/lib/perf-core/scripts/python/stackcollapse.py")  # of linux-perf
# What one would write first: a stack is the lines up to a blank one.
COLLAPSE = """
import sys
from collections import Counter
stacks, stack, comm, weight = Counter(), [], None, 1
for line in sys.stdin:
    line = line.rstrip()
    if not line:
        if comm is not None:
            stacks[";".join([comm, *reversed(stack)])] += weight
        stack, comm = [], None
    elif line[0] == "\\t":
        parts = line.split(None, 1)[1]
        name, _, dso = parts.rpartition(" (")
        stack.append(name.partition("+0x")[0] + ("_[k]" if dso.startswith("[kernel") else ""))
    else:
        words = line.split()
        comm, weight = words[0], int(words[-2]) if words[-2].isdigit() else 1
sys.stdout.writelines(f"{key} {value}\\n" for key, value in sorted(stacks.items()))
"""
PERF_CLASS = """
import sys, time
from perf_class.perf_class import Script
begin, cpu = time.perf_counter(), time.process_time()
Script(sys.argv[1])
print(time.perf_counter() - begin, time.process_time() - cpu)
"""
LIGHTTPD = """
server.document-root = "{folder}/www"
server.port = 8080
server.bind = "127.0.0.1"
server.max-keep-alive-requests = 0
server.pid-file = "{folder}/pid"
"""
RATE_HZ = 19_999


class Run(NamedTuple):
    """What one run took; own CPU time says more where other programs are running too."""

    seconds: float
    cpu_s: float
    peak_rss_bytes: int


def run(command: str, *, own_clock: bool = False) -> Run:
    """Run a shell line; some measure themselves."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {command}"],
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode() if own_clock else ""
    if child.returncode:
        sys.exit(f"{command[:200]} ended with code {child.returncode}")
    cpu_s = usage.ru_utime + usage.ru_stime
    if own_clock:
        seconds, cpu_s = map(float, text.split()[:2])
    return Run(seconds, cpu_s, usage.ru_maxrss * 1024)


def record(target: Path, seconds: float) -> None:
    """Record kernel stacks of lighttpd and ab in a namespace of their own."""
    space = f"bench{os.getpid()}"
    inside = ["ip", "netns", "exec", space]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "www").mkdir()
        (folder / "www" / "page").write_bytes(b"x" * 64)
        (folder / "conf").write_text(LIGHTTPD.format(folder=folder))
        subprocess.run(["ip", "netns", "add", space], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", space], check=False)
        subprocess.run(["ip", "-n", space, "link", "set", "lo", "up"], check=True)
        load = ["ab", "-q", "-t", str(int(seconds) + 3), "-n", "100000000", "-c", "50"]
        processes = []
        for command in (
            ["lighttpd", "-D", "-f", str(folder / "conf")],
            [*load, "http://127.0.0.1:8080/page"],
        ):
            child = subprocess.Popen(
                [*inside, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(child.wait)
            stack.callback(child.terminate)
            processes.append(str(child.pid))
            time.sleep(1)
        # Of the server and its load alone: whatever else this machine does is none of it.
        command = ["perf", "record", "-q", "-F", str(RATE_HZ), "-e", "cpu-clock", "-g"]
        command += ["-p", ",".join(processes), "--kernel-callchains"]
        command += ["-o", str(target), "--", "sleep", str(seconds)]
        subprocess.run(command, check=True)


def samples_in(file: Path) -> int:
    """Number of samples of a recording."""
    code = "import sys; from faltcon.perf.fastdata import read_perf_data as r; "
    code += "print(r(sys.argv[1]).samples)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def recorded(out: Path, wanted: int) -> tuple[Path, int]:
    """The recording to measure on, made if there is none of enough samples."""
    target = out / "perf.data"
    seconds = wanted / RATE_HZ / (os.cpu_count() or 1) + 1
    while True:
        if target.exists():
            samples = samples_in(target)
            if samples >= wanted:
                return target, samples
            seconds *= 1.5 * wanted / max(samples, 1)
        record(target, round(min(seconds, 240), 1))


def main() -> None:
    """Make the recording, run the rounds, write and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--stackcollapse", type=Path, help="path to stackcollapse-perf.pl")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    data, samples = recorded(out, options.samples)
    tiny = out / "tiny.data"
    record(tiny, 2)
    text, tiny_text = out / "perf.txt", out / "tiny.txt"
    for source, target in ((data, text), (tiny, tiny_text)):
        run(f"perf script -i {source} > {target}")
    for name, code in (("ours", OURS), ("collapse", COLLAPSE), ("peer", PERF_CLASS)):
        (out / f"{name}.py").write_text(code)
    python, folded = sys.executable, out / "folded"
    command = f"{Path(python).with_name('faltcon')} perf fold --kernel"
    script = f"perf script -i {data}"
    tools: dict[str, tuple[str, bool]] = {
        "faltcon": (f"{python} {out}/ours.py data {tiny} {data} {folded}", True),
        "faltcon, with start-up": (f"{command} {data} > {folded}", False),
        "faltcon, text": (f"{python} {out}/ours.py text {tiny_text} {text} {folded}", True),
        "faltcon, text, with start-up": (f"{command} {text} > {folded}", False),
        "perf script": (f"{script} > /dev/null", False),
        "perf script + collapse": (f"{script} | {python} {out}/collapse.py > /dev/null", False),
        "perf script -s stackcollapse": (
            f"perf script -s {STACKCOLLAPSE} -i {data} > /dev/null",
            False,
        ),
        "perf_class": (
            f"uv run --no-project --with perf-class python {out}/peer.py {text}",
            True,
        ),
    }
    if options.stackcollapse is not None:
        collapse = f"perl {options.stackcollapse.resolve()} --kernel {text} > /dev/null"
        tools["stackcollapse-perf.pl"] = (collapse, False)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for source in (tiny, tiny_text):
        run(f"{command} {source} > /dev/null")
    results: dict[str, list[Run]] = {name: [] for name in tools}
    for turn in range(options.rounds):
        for name, (line, own_clock) in tools.items():
            results[name].append(run(line, own_clock=own_clock))
            sys.stderr.write(f"round {turn + 1}: {name} {results[name][-1].seconds:.2f} s\n")
    answer: dict[str, object] = {
        "recording_bytes": data.stat().st_size,
        "text_bytes": text.stat().st_size,
        "samples": samples,
        "rounds": options.rounds,
        "load_average": os.getloadavg(),
        "tools": {name: entry(name, results, samples) for name in tools},
        "memory": memory(out, data, samples),
    }
    (out / "perf.json").write_text(json.dumps(answer, indent=2) + "\n")


def entry(name: str, results: dict[str, list[Run]], samples: int) -> dict[str, object]:
    """One tool's figures; prints them."""
    rates = sorted(samples / one.seconds for one in results[name])
    # Tools that read text are held against our reading of text.
    reads_text = name in {"perf_class", "stackcollapse-perf.pl", "perf script -s stackcollapse"}
    ours = "faltcon, text" if reads_text or name.startswith("faltcon, text") else "faltcon"

    def took(key: str, *, cpu: bool) -> float:
        times = [one.cpu_s if cpu else one.seconds for one in results[key]]
        if key == "perf script -s stackcollapse":
            reading = results["perf script"]
            times = [
                t - (one.cpu_s if cpu else one.seconds)
                for t, one in zip(times, reading, strict=True)
            ]
        return statistics.median(times)

    found: dict[str, object] = {
        "samples_per_s": {
            "median": statistics.median(rates), "min": rates[0], "max": rates[-1],
        },
        "peak_rss_bytes": max(one.peak_rss_bytes for one in results[name]),
        "seconds": took(name, cpu=False),
        "cpu_s": took(name, cpu=True),
    }  # fmt: skip
    line = f"{name:30} {took(name, cpu=False):7.2f} s, CPU {took(name, cpu=True):7.2f} s;"
    for against, label in ((ours, "ratio"), (f"{ours}, with start-up", "ratio_with_startup")):
        found[label] = took(name, cpu=False) / took(against, cpu=False)
        found[f"{label}_cpu"] = took(name, cpu=True) / took(against, cpu=True)
        line += f" {label} {found[label]:.1f} (CPU {found[f'{label}_cpu']:.1f})"
    print(line)
    return found


def memory(out: Path, data: Path, samples: int) -> list[dict[str, int]]:
    """Peak memory beyond the mapped file, for the recording and for ten times its records."""
    content = data.read_bytes()
    start, size = struct.unpack_from("<2Q", content, 40)
    records = content[start : start + size]
    long = out / "long.data"
    with long.open("wb") as stream:
        # No features behind the records: their flags are taken away.
        stream.write(content[:48] + struct.pack("<Q", 10 * size) + content[56:72] + bytes(32))
        stream.write(content[104:start])
        for _ in range(10):
            stream.write(records)
    found = []
    for file, times in ((data, 1), (long, 10)):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(file)], check=True, capture_output=True, text=True
        )
        beyond = int(done.stdout) - file.stat().st_size
        found.append({"samples": times * samples, "peak_rss_beyond_file_bytes": beyond})
        print(f"{times * samples} samples: {beyond / 2**20:.0f} MiB beyond the mapped file")
    long.unlink()
    return found


if __name__ == "__main__":
    main()
