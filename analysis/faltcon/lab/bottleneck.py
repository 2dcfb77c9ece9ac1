"""The bottleneck recording: where the server's CPU time goes under repeated connections.

Set-up of the paper's section 2.2.2: lighttpd without keep-alive, `ab`, perf.
Three variants say how client and server are joined:

napi      two namespaces on veth; each end is polled by a NAPI thread of its own,
          server and client are pinned to different CPUs, and only the server's CPU
          is recorded. The closest to the paper's two machines.
veth      two namespaces on plain veth, nothing pinned, every CPU recorded.
loopback  server and client on this machine's own loopback, every CPU recorded.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon.errors import EmptyInputError, HostError, ToolFailedError, UsageError
from faltcon.lab import host, netns, perf_record, process, servers
from faltcon.lab.counters import snapshot
from faltcon.lab.load import AbLoad, AbResult, run_ab
from faltcon.lab.perf_data import mask_other_programs
from faltcon.lab.perf_record import PerfPlan, SampleCount
from faltcon.lab.run_folder import RunFolder, command_line, is_complete
from faltcon.lab.scratch import make_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import ExitStack

    from faltcon.lab.cases import Case

__all__ = ["EXPERIMENT", "DisturbedRunError", "Settings", "missing", "record", "require"]

EXPERIMENT = "bottleneck"
TOOLS = ("ab", "ethtool", "ip", "lighttpd", "nstat", "perf", "setpriv", "sysctl", "taskset")
LOOPBACK_ADDRESS = "127.0.0.1"
# Below this a repetition cannot tell a share of a few percent from another.
ENOUGH_SAMPLES = 100
WARM_UP_REQUESTS = 2000


@dataclass(frozen=True)
class Settings:
    """What all recordings of one command share."""

    seconds: float = 10
    values: int = 5
    concurrency: int = 50
    frequency_hz: int = 997
    event: str = "auto"
    port: int = 8080
    server_cpu: int = 1
    client_cpu: int = 0
    max_other_share: float = 0.1


class DisturbedRunError(HostError):
    """Other programs took so much of the CPU that the profile would be theirs too."""


def require(variants: Iterable[str], settings: Settings) -> None:
    """Raise the HostError that says what this machine lacks for these variants."""
    host.require_tools(TOOLS)
    host.require_root("network namespaces and perf record of the kernel")
    if "napi" in variants:
        host.require_cpus(
            (settings.server_cpu, settings.client_cpu),
            "choose others with --server-cpu and --client-cpu, or --variant veth",
        )
        if settings.server_cpu == settings.client_cpu:
            raise UsageError("--server-cpu and --client-cpu must differ")


def record(
    stack: ExitStack,
    root: Path,
    case: Case,
    settings: Settings,
    *,
    seed: int,
    order: int,
    tell: Callable[[str], None],
) -> Path:
    """Record one case and return its folder; everything made for it is on the stack.

    `order` is its place in the shuffled order (drift can be seen from it); `tell`
    takes one line on what is being done. Raises HostError, ToolFailedError.
    """
    host.alone(stack, tell=tell)
    event = perf_record.choose_event(settings.event)
    folder = RunFolder(stack, root, EXPERIMENT, case.run)
    scratch = make_scratch(stack, "www", "ab", "perf", "tmp")
    tell("setting the network up")
    setup = _set_up(stack, scratch, case, settings)
    tell("warming up")
    warm = _calibrate(setup, scratch, settings)
    requests = max(settings.concurrency, round(warm.rate * settings.seconds / settings.values))
    load = setup.load(requests)
    perf = PerfPlan(event, settings.frequency_hz, setup.cpus)
    before = snapshot(setup.server)
    tell(f"recording {settings.seconds:g} s")
    suite = _benchmark(stack, scratch, case=case, settings=settings, load=load, perf=perf)
    after = snapshot(setup.server)
    tell("reading the profile")
    profile = _only(scratch / "perf", "perf.data.*")
    text = scratch / "profile.txt"
    lost = perf_record.script(profile, text)
    count = perf_record.count_samples(text, "lighttpd", "ab")
    if count.samples < ENOUGH_SAMPLES:
        raise EmptyInputError(
            case.run, f"only {count.samples} samples", mend="record longer with --seconds"
        )
    # With every CPU recorded, other programs fill the time that both sides leave idle.
    if case.variant == "napi" and count.other_share > settings.max_other_share:
        raise DisturbedRunError(
            f"{case.run}: other programs took {count.other_share:.0%} of the recorded CPU; stop "
            f"them, or accept them with --max-other {count.other_share + 0.01:.2f}"
        )
    symbols = perf_record.save_symbols(root)
    masked = mask_other_programs(profile)
    tell("compressing")
    folder.add(text, "perf-script.txt.zst", "plain `perf script` of perf.data")
    folder.add(
        profile,
        "perf.data.zst",
        "profile as perf wrote it, but for the names of other programs' files",
    )
    folder.add(suite, "pyperf.json", "pyperf suite; a value is seconds a connection")
    folder.add(setup.config, "lighttpd.conf", "configuration of the server")
    reports = "".join(path.read_text() for path in sorted((scratch / "ab").iterdir()))
    folder.add_text("ab.txt", reports, "ab's report of each value, in order")
    folder.add_text("counters-before.txt", before, "kernel counters before the values")
    folder.add_text("counters-after.txt", after, "the same counters after them")
    return folder.commit(
        {
            "command": _command(case, settings),
            "description": _description(case, settings),
            "tools": {**host.tool_versions(TOOLS), **_python_versions()},
            "load_generator": {
                "name": "ab",
                "version": host.tool_versions(["ab"])["ab"],
                "command": " ".join(load.command()),
            },
            "repetition": case.repetition,
            "parameters": {
                **_parameters(case, settings, setup, perf),
                "requests_per_value": requests,
                "order_seed": seed,
                "order": order,
                "kernel_symbols": symbols,
            },
            "results": {
                **_results(suite, count),
                "perf_lost_chunks": lost,
                "perf_data_names_masked": masked,
            },
        }
    )


@dataclass(frozen=True)
class _Setup:
    """A server that answers, and how the client reaches it."""

    server: netns.Namespace
    client: netns.Namespace
    address: str
    port: int
    config: Path
    concurrency: int
    client_cpu: int | None
    cpus: tuple[int, ...] | None
    scheduling: str

    def load(self, requests: int) -> AbLoad:
        url = f"http://{self.address}:{self.port}/body.txt"
        return AbLoad(url, requests, self.concurrency, self.client.name, self.client_cpu)


def _set_up(stack: ExitStack, scratch: Path, case: Case, settings: Settings) -> _Setup:
    (scratch / "www" / "body.txt").write_bytes(b"x" * case.response_bytes)
    pinned = case.variant == "napi"
    server_cpu = settings.server_cpu if pinned else None
    if case.variant == "loopback":
        server = client = netns.HOST
        address = LOOPBACK_ADDRESS
    else:
        pair = netns.make_pair(stack)
        server, client = pair.server, pair.client
        address = netns.SERVER_ADDRESS
        if pinned:
            # Without GRO veth has no NAPI; with TSO the client's CPU would cut no segments
            # and the server's would receive what no wire carries.
            pair.set_offloads("gro", "on", "tso", "off", "gso", "off")
            pair.thread_napi(settings.server_cpu, settings.client_cpu)
    running = servers.lighttpd(
        stack,
        server,
        scratch,
        scratch / "www",
        address=address,
        port=settings.port,
        cpu=server_cpu,
    )
    return _Setup(
        server,
        client,
        address,
        settings.port,
        running.config,
        settings.concurrency,
        settings.client_cpu if pinned else None,
        (settings.server_cpu,) if pinned else None,
        running.child.scheduling,
    )


def _calibrate(setup: _Setup, scratch: Path, settings: Settings) -> AbResult:
    """Warm caches and pools up, and learn how many connections a second there are."""
    first = run_ab(setup.load(WARM_UP_REQUESTS), scratch / "warm-up-1.txt")
    second = setup.load(max(settings.concurrency, round(first.rate)))
    return run_ab(second, scratch / "warm-up-2.txt")


def _benchmark(
    stack: ExitStack,
    scratch: Path,
    *,
    case: Case,
    settings: Settings,
    load: AbLoad,
    perf: PerfPlan,
) -> Path:
    """Run the pyperf benchmark with its perf_record hook; returns the suite's JSON."""
    plan_file = scratch / "load.json"
    metadata = {
        "variant": case.variant,
        "response_bytes": case.response_bytes,
        "repetition": case.repetition,
        "run": case.run,
        "perf_event": perf.event,
    }
    document = {
        "name": f"bottleneck {case.variant} {case.response_bytes} B",
        "metadata": metadata,
        "load": load.as_dict(),
        "log_folder": str(scratch / "ab"),
    }
    plan_file.write_text(json.dumps(document))
    suite = scratch / "pyperf.json"
    # pyperf and perf stay off the server's CPU.
    pin = [] if load.cpu is None else ["taskset", "-c", str(load.cpu)]
    command = [*pin, sys.executable, "-m", "faltcon.lab.benchmark", "--load", str(plan_file)]
    command += ["--hook", "perf_record", "--processes", "1", "--values", str(settings.values)]
    # The load is calibrated and warm already; the hook would profile a warm-up as well.
    command += ["--warmups", "0", "--loops", "1", "--copy-env", "--quiet", "-o", str(suite)]
    child = process.start(
        stack,
        command,
        log=scratch / "pyperf.log",
        env={**perf.environment(), "TMPDIR": str(scratch / "tmp")},
        cwd=scratch / "perf",
    )
    code = child.wait(settings.seconds * 4 + 60, check=False)
    if code:
        raise ToolFailedError(["pyperf"], code, _cause(child.output()))
    return _neutral(suite)


def _cause(output: str) -> str:
    """The error that ended pyperf's worker; pyperf's own traceback comes after it."""
    ours = re.findall(r"^faltcon\.errors\.\w+: (.*)$", output, re.MULTILINE)
    return ours[-1] if ours else output


def _neutral(suite: Path) -> Path:
    """Take the interpreter's path out of the metadata: it says where one clone lies."""
    import pyperf  # noqa: PLC0415  takes a tenth of a second that --help should not

    benchmarks = pyperf.BenchmarkSuite.load(str(suite))
    for benchmark in benchmarks:
        benchmark.update_metadata({"python_executable": Path(sys.executable).name})
    target = suite.with_name("suite.json")
    benchmarks.dump(str(target))
    return target


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise EmptyInputError(
            folder, f"perf wrote {len(found)} files instead of one", mend="record again"
        )
    return found[0]


def _python_versions() -> dict[str, str]:
    from importlib.metadata import version  # noqa: PLC0415  as pyperf above

    return {"faltcon": version("faltcon"), "pyperf": version("pyperf")}


def _command(case: Case, settings: Settings) -> str:
    return command_line(
        *("lab", "record", "bottleneck", "--variant", case.variant),
        *("--response-bytes", str(case.response_bytes)),
        *("--repetitions", str(case.repetition), "--seconds", f"{settings.seconds:g}"),
        *("--frequency", str(settings.frequency_hz)),
    )


def _description(case: Case, settings: Settings) -> str:
    how = {
        "napi": "two namespaces on veth with a pinned NAPI thread each; the server's CPU alone",
        "veth": "two namespaces on plain veth; every CPU, so both sides",
        "loopback": "the machine's own loopback; every CPU, so both sides",
    }[case.variant]
    return (
        f"Kernel stacks while lighttpd without keep-alive answers ab with {case.response_bytes} "
        f"bytes a connection, {settings.concurrency} at a time: {how}."
    )


def _parameters(
    case: Case, settings: Settings, setup: _Setup, perf: PerfPlan
) -> dict[str, str | float | bool | None]:
    return {
        "variant": case.variant,
        "response_bytes": case.response_bytes,
        "concurrency": settings.concurrency,
        "duration_s": settings.seconds,
        "values": settings.values,
        "event": perf.event,
        "frequency_hz": perf.frequency_hz,
        "cpus": "all" if perf.cpus is None else ",".join(map(str, perf.cpus)),
        "server_cpu": None if perf.cpus is None else settings.server_cpu,
        "client_cpu": setup.client_cpu,
        "gro": "on" if case.variant == "napi" else "default",
        "tso": "off" if case.variant == "napi" else "default",
        "gso": "off" if case.variant == "napi" else "default",
        "threaded_napi": case.variant == "napi",
        "keepalive": False,
        "scheduling": setup.scheduling,
        "server": "lighttpd",
    }


def _results(suite: Path, count: SampleCount) -> dict[str, Any]:
    run = json.loads(suite.read_text("utf-8"))["benchmarks"][0]["runs"][0]
    values = run["values"]
    return {
        "connections_per_second": round(len(values) / sum(values), 1),
        "samples": count.samples,
        "samples_idle": count.idle,
        "samples_server": count.server,
        "samples_client": count.client,
        "samples_other_programs": count.other,
        "samples_user_mode": count.without_kernel_frames,
    }


def missing(root: Path, cases: Iterable[Case]) -> list[tuple[int, Case]]:
    """The cases without a complete folder, each with its place in the order."""
    return [
        (order, case)
        for order, case in enumerate(cases, start=1)
        if not is_complete(root, EXPERIMENT, case.run)
    ]
