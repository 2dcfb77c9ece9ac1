"""The traffic recordings: HTTP in four forms, captured on the server's end of a veth pair."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faltcon.errors import UsageError
from faltcon.lab import browser, capture, host, netns, process, servers, site
from faltcon.lab.counters import snapshot
from faltcon.lab.run_folder import RunFolder, command_line, is_complete
from faltcon.lab.scenarios import PROTOCOLS, SCENARIOS, Scenario, Stage
from faltcon.lab.scratch import make_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import ExitStack
    from pathlib import Path

__all__ = ["EXPERIMENT", "Settings", "missing", "record", "require", "select"]

EXPERIMENT = "traffic"
TOOLS = ("ethtool", "ip", "nginx", "nstat", "openssl", "setpriv", "sysctl", "taskset", "tcpdump")


@dataclass(frozen=True)
class Settings:
    """What all recordings of one command share."""

    seed: int
    server_cpu: int = 1
    client_cpu: int = 0


def select(names: Iterable[str] | None) -> list[Scenario]:
    """The scenarios of these names, all if there are none. Raises UsageError."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    wanted = list(names or known)
    for name in wanted:
        if name not in known:
            raise UsageError(f"no scenario {name!r}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def require(scenarios: Iterable[Scenario], settings: Settings) -> None:
    """Raise the HostError that says what this machine lacks for these scenarios."""
    host.require_tools([*TOOLS, *sorted({scenario.tool for scenario in scenarios})])
    host.require_root("network namespaces and packet capture")
    host.require_cpus(
        (settings.server_cpu, settings.client_cpu),
        "choose others with --server-cpu and --client-cpu",
    )
    if settings.server_cpu == settings.client_cpu:
        raise UsageError("--server-cpu and --client-cpu must differ")


def missing(root: Path, scenarios: Iterable[Scenario]) -> list[Scenario]:
    """The scenarios without a complete folder."""
    return [s for s in scenarios if not is_complete(root, EXPERIMENT, s.run)]


def record(
    stack: ExitStack,
    root: Path,
    scenario: Scenario,
    settings: Settings,
    *,
    tell: Callable[[str], None],
) -> Path:
    """Record one scenario and return its folder; everything made for it is on the stack.

    Raises HostError, or ToolFailedError also where the server saw other requests
    than the client was to make, or the capture lost packets.
    """
    host.alone(stack, tell=tell)
    folder = RunFolder(stack, root, EXPERIMENT, scenario.run)
    scratch = make_scratch(stack, "www", "client")
    pages = site.build(scratch / "www", settings.seed)
    tell("setting the network up")
    pair = netns.make_pair(stack)
    # Packets as a wire carries them: no segments larger than its MTU from either end, and
    # checksums filled in. GRO gives veth its NAPI; its thread lets handshakes overlap.
    pair.set_offloads("gro", "on", "tso", "off", "gso", "off", "tx", "off")
    pair.thread_napi(settings.server_cpu, settings.client_cpu)
    port, words, keepalive, tls = PROTOCOLS[scenario.protocol]
    server = servers.nginx(
        stack,
        pair.server,
        scratch,
        scratch / "www",
        address=netns.SERVER_ADDRESS,
        listens={port: words},
        keepalive=keepalive,
        certificate=_certificate(scratch) if tls else None,
        cpu=settings.server_cpu,
    )
    before = snapshot(pair.server)
    running = capture.start(stack, pair.server, scratch)
    stage = Stage(
        stack, pair.client, settings.client_cpu, scratch, pages, scenario.protocol, settings.seed
    )
    tell("driving the load")
    said = scenario.play(stage)
    counts = running.finish()
    after = snapshot(pair.server)
    server.child.stop()
    account = _account(server.access_log)
    tell("compressing")
    folder.add(running.file, "capture.pcap.zst", "what tcpdump wrote on the server's interface")
    folder.add(server.config, "nginx.conf", "configuration of the server")
    if server.access_log is not None:
        folder.add(
            server.access_log,
            "access.log.zst",
            "the server's account: time, client address and port, connection number, requests on "
            "it so far, protocol, status, bytes, request",
        )
    if tls:
        folder.add(stage.key_log, "keys.log", "TLS secrets of this capture (NSS key log format)")
    for path in sorted((scratch / "client").iterdir()):
        folder.add(path, f"{path.name}.zst", f"what {path.stem} printed")
    listing = json.dumps({page.path: page.resources for page in pages}, indent=1) + "\n"
    folder.add_text("site.json", listing, "pages of the site and the resources of each")
    folder.add_text("counters-before.txt", before, "kernel counters before the load")
    folder.add_text("counters-after.txt", after, "the same counters after it")
    tools = [*TOOLS, scenario.tool]
    versions = host.tool_versions(tools)
    return folder.commit(
        {
            "command": command_line(
                *("lab", "record", "traffic", "--scenario", scenario.name),
                *("--seed", str(settings.seed)),
            ),
            "description": f"HTTP traffic ({_PROTOCOL_WORDS[scenario.protocol]}), every packet "
            f"whole, on the server's end of a veth pair: {scenario.says}.",
            "tools": versions,
            "load_generator": {
                "name": scenario.tool,
                "version": versions[scenario.tool],
                "command": said,
            },
            "repetition": 1,
            "parameters": {
                "scenario": scenario.name,
                "protocol": scenario.protocol,
                "port": port,
                "keepalive": keepalive,
                "tls": tls,
                "host_name": browser.HOST_NAME,
                "pages": len(pages),
                "site_seed": settings.seed,
                "server": "nginx",
                "server_cpu": settings.server_cpu,
                "client_cpu": settings.client_cpu,
                "gro": "on",
                "tso": "off",
                "gso": "off",
                "tx_checksum_offload": "off",
                "threaded_napi": True,
            },
            "results": {"packets": counts.captured, "packets_lost": counts.lost, **account},
        }
    )


_PROTOCOL_WORDS = {
    "h1close": "HTTP/1.1, one request a connection",
    "h1keepalive": "HTTP/1.1 with keep-alive",
    "h2tls": "HTTP/2 over TLS",
    "h2c": "HTTP/2 without TLS",
}


def _certificate(scratch: Path) -> tuple[Path, Path]:
    """A certificate for this recording alone, and its key; both go with the scratch folder."""
    certificate, key = scratch / "certificate.pem", scratch / "key.pem"
    name = browser.HOST_NAME
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    process.run([*command, "-keyout", str(key), "-out", str(certificate)])
    return certificate, key


def _account(access_log: Path | None) -> dict[str, Any]:
    """Requests, connections and refusals by the server's own log."""
    requests: Counter[str] = Counter()
    failures = 0
    for line in access_log.read_text("utf-8", "replace").splitlines() if access_log else []:
        fields = line.split(" ", 8)
        requests[fields[3]] += 1
        failures += fields[6] != "200"
    single = sum(1 for number in requests.values() if number == 1)
    return {
        "server_requests": requests.total(),
        "server_connections_with_requests": len(requests),
        "server_single_request_connections": single,
        "server_responses_not_200": failures,
    }
