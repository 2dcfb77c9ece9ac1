"""perf: which event, which options, the profile as text, the kernel's symbols."""

from __future__ import annotations

import hashlib
import platform
import re
import shlex
import subprocess
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from faltcon import provenance
from faltcon.errors import EmptyInputError, MissingPermissionError, ToolFailedError
from faltcon.lab import process
from faltcon.lab.interrupts import held
from faltcon.lab.run_folder import RunFolder, is_complete

__all__ = ["PerfPlan", "SampleCount", "choose_event", "count_samples", "save_symbols", "script"]

SYMBOLS_EXPERIMENT = "kernel-symbols"
# The first line of a sample in perf script's default text; the lines of its stack are indented.
SAMPLE = re.compile(r"^ *(?P<comm>\S.*?)\s+(?P<tid>-?\d+)\s+\[(?P<cpu>\d+)\]\s+[\d.]+:")
BUFFER = "16M"
IDLE = "swapper"
# Kernel threads that work for the network stack.
NETWORK_THREADS = re.compile(r"^(?:napi/|ksoftirqd/)")


@dataclass(frozen=True)
class PerfPlan:
    """What perf records: event, samples a second, and CPUs (None: all)."""

    event: str
    frequency_hz: int
    cpus: tuple[int, ...] | None

    def options(self) -> list[str]:
        """Options that turn pyperf's `perf record --pid WORKER` into this plan.

        pyperf's hook profiles its own worker; the kernel's work for the server is
        done elsewhere. `--no-pid` takes that choice back (perf reads options left
        to right), and a CPU list or -a takes its place.
        """
        where = ["-a"] if self.cpus is None else ["-C", ",".join(map(str, self.cpus))]
        return [
            "--no-pid",
            *where,
            # Wait for the hook's "enable": nothing but the load is recorded.
            "--delay=-1",
            "-e",
            self.event,
            "-F",
            str(self.frequency_hz),
            "-g",
            # Kernel stacks only: the paper's figure is about the kernel, and user programs'
            # file names have no place in published data. A sample in user mode has no frames.
            "--kernel-callchains",
            # Room for the whole recording: perf may get no CPU to empty it before the end.
            "-m",
            BUFFER,
            "--synth=task",
            "--no-buildid-cache",
        ]

    def environment(self) -> dict[str, str]:
        """What pyperf's hook reads; the profile goes to the working folder."""
        return {
            "PYPERF_PERF_RECORD_DATA_DIR": "",
            "PYPERF_PERF_RECORD_EXTRA_OPTS": shlex.join(self.options()),
        }


def choose_event(wanted: str = "auto") -> str:
    """Hardware cycles where the machine counts them, else cpu-clock.

    Raises MissingPermissionError when perf may not look at the kernel. perf is
    tried for a moment first because pyperf's hook hides what perf says and
    would wait for ever for a perf that cannot start.
    """
    event = wanted
    if wanted == "auto":
        answer = process.run(["perf", "stat", "-x,", "-e", "cycles", "--", "true"], check=False)
        counted = re.search(r"^(\d+),", answer.stderr, re.MULTILINE)
        event = "cycles" if counted and int(counted.group(1)) else "cpu-clock"
    trial = process.run(
        ["perf", "record", "-q", "-e", event, "-a", "-g", "-o", "/dev/null", "--", "true"],
        check=False,
    )
    if trial.returncode:
        if "ermission" in trial.stderr or "perf_event_paranoid" in trial.stderr:
            raise MissingPermissionError(
                "perf record of the whole machine",
                "run as root, or set kernel.perf_event_paranoid to -1",
            )
        raise ToolFailedError(["perf", "record", "-e", event], trial.returncode, trial.stderr)
    return event


def script(data: Path, target: Path) -> int:
    """Write what plain `perf script` prints of a perf.data file.

    Returns how many chunks of events perf says it lost while recording. Raises
    ToolFailedError when perf cannot read the file.
    """
    command = ["perf", "script", "-i", str(data)]
    errors = target.with_suffix(".err")
    with target.open("wb") as sink, errors.open("wb") as complaints:
        try:
            done = subprocess.run(command, stdout=sink, stderr=complaints, check=False, timeout=600)
        except subprocess.TimeoutExpired as error:
            raise ToolFailedError(command, -1, "did not end within 600 s") from error
    said = errors.read_text("utf-8", "replace")
    if done.returncode:
        raise ToolFailedError(command, done.returncode, said)
    lost = re.search(r"lost (\d+) chunks", said)
    return int(lost.group(1)) if lost else 0


@dataclass(frozen=True)
class SampleCount:
    """How many samples a profile holds, and of which threads."""

    samples: int
    idle: int
    server: int
    client: int
    without_kernel_frames: int

    @property
    def other(self) -> int:
        """Samples of programs that have no part in the recording."""
        return self.samples - self.idle - self.server - self.client

    @property
    def other_share(self) -> float:
        """The same as a share of all samples."""
        return self.other / self.samples


def count_samples(text: Path, server: str, client: str) -> SampleCount:
    """Count the samples in perf script text, to judge a recording before it is kept.

    `server` and `client` are the programs' names as perf shows them. This is no
    parser of stacks (that is faltcon.perf): only the header lines are looked at.
    Raises EmptyInputError when there is none.
    """
    comms: Counter[str] = Counter()
    bare = 0
    header = False
    with text.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = SAMPLE.match(line)
            if found:
                comms[found.group("comm")] += 1
            elif header and not line.strip():
                bare += 1
            header = found is not None
    total = comms.total()
    if not total:
        raise EmptyInputError(text, "holds no sample", mend="record for longer")
    network = sum(n for comm, n in comms.items() if NETWORK_THREADS.match(comm))
    return SampleCount(total, comms[IDLE], comms[server] + network, comms[client], bare)


def save_symbols(root: Path) -> str:
    """Store the running kernel's text symbols once; returns the run's name.

    perf.data holds addresses; with KASLR they mean something only beside the
    kallsyms of the same boot. The name is the release and the start of the hash of
    the symbols, so recordings of one boot share one file.
    """
    text = _text_symbols(Path("/proc/kallsyms").read_text("ascii"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    release = re.sub(r"[^a-z0-9._-]", "-", platform.release().lower())
    run = f"{release}-{digest[:12]}"
    if not is_complete(root, SYMBOLS_EXPERIMENT, run):
        with held(), ExitStack() as stack:
            _write_symbols(stack, root, run, text)
    return run


def _write_symbols(stack: ExitStack, root: Path, run: str, text: str) -> None:
    folder = RunFolder(stack, root, SYMBOLS_EXPERIMENT, run)
    plain = folder.partial / "kallsyms"
    plain.write_text(text, "ascii")
    folder.add(plain, "kallsyms.zst", "lines of /proc/kallsyms for code of the kernel proper")
    plain.unlink()
    folder.commit(
        {
            "command": "uv run faltcon lab record bottleneck",
            "description": "Addresses and names of the running kernel's functions, as root reads "
            "them in /proc/kallsyms; modules and BPF programs are left out.",
            "tools": {},
            "load_generator": None,
            "repetition": 1,
            "parameters": {"boot_time": _boot_time()},
        }
    )


def _text_symbols(kallsyms: str) -> str:
    """Lines of code symbols (t, T, w, W) that belong to no module."""
    kept = []
    for line in kallsyms.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tTwW":
            kept.append(line)
    if not kept or all(line.startswith("0000000000000000") for line in kept):
        raise MissingPermissionError("reading kernel addresses", "set kernel.kptr_restrict to 0")
    return "\n".join(kept) + "\n"


def _boot_time() -> str:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return datetime.fromtimestamp(int(line.split()[1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return provenance.now()
