"""The traffic scenarios: which protocol, which client, and how much of it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.lab import browser, load, netns, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from faltcon.lab.netns import Namespace
    from faltcon.lab.site import Page

__all__ = ["PROTOCOLS", "SCENARIOS", "Scenario", "Stage"]

# protocol : port, nginx's words for it, keep-alive, TLS
PROTOCOLS: dict[str, tuple[int, str, bool, bool]] = {
    "h1close": (8081, "", False, False),
    "h1keepalive": (8082, "", True, False),
    "h2tls": (8443, "ssl http2", True, True),
    "h2c": (8083, "http2", True, False),
}
PATIENCE_S = 120


@dataclass(frozen=True)
class Stage:
    """What a client needs to know to play its part."""

    stack: ExitStack
    client: Namespace
    cpu: int
    scratch: Path
    pages: list[Page]
    protocol: str
    seed: int

    @property
    def port(self) -> int:
        """Port of the protocol."""
        return PROTOCOLS[self.protocol][0]

    @property
    def base(self) -> str:
        """Start of the URLs, by the site's name."""
        scheme = "https" if PROTOCOLS[self.protocol][3] else "http"
        return f"{scheme}://{browser.HOST_NAME}:{self.port}"

    @property
    def key_log(self) -> Path:
        """Where clients write their TLS keys."""
        return self.scratch / "keys.log"

    def run(self, command: list[str], log: str) -> None:
        """Run a client in its namespace, on its CPU, to its end."""
        pinned = self.client.wrap(["taskset", "-c", str(self.cpu), *command])
        child = process.start(
            self.stack,
            pinned,
            log=self.scratch / "client" / log,
            env={"SSLKEYLOGFILE": str(self.key_log)},
        )
        child.wait(PATIENCE_S)
        child.stop()


@dataclass(frozen=True)
class Scenario:
    """A name, a protocol, the program that makes the load, and how."""

    name: str
    protocol: str
    tool: str
    play: Callable[[Stage], str]
    says: str

    @property
    def run(self) -> str:
        """Name of its folder."""
        return self.name


def _ab(stage: Stage, *, requests: int, concurrency: int, keepalive: bool) -> str:
    url = f"http://{netns.SERVER_ADDRESS}:{stage.port}/body.txt"
    what = load.AbLoad(url, requests, concurrency, stage.client.name, stage.cpu, keepalive)
    load.run_ab(what, stage.scratch / "client" / "ab.txt")
    return " ".join(what.command())


def _wrk(stage: Stage, *, seconds: int, connections: int) -> str:
    url = f"http://{netns.SERVER_ADDRESS}:{stage.port}/body.txt"
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
    stage.run(command, "wrk.txt")
    return " ".join(command)


def _curl(stage: Stage, urls: list[str], *, address: str, parallel: bool, log: str) -> str:
    """One curl process for these URLs: one connection if the protocol keeps it."""
    version = {
        "h1close": ["--http1.1"],
        "h1keepalive": ["--http1.1"],
        "h2tls": ["--http2"],
        "h2c": ["--http2-prior-knowledge"],
    }[stage.protocol]
    config = stage.scratch / "curl.conf"
    config.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
    command = ["curl", "-sS", "-v", "--insecure", *version, "--interface", address]
    command += ["--resolve", f"{browser.HOST_NAME}:{stage.port}:{netns.SERVER_ADDRESS}"]
    command += ["--parallel", "--parallel-max", "8"] if parallel else []
    command += ["--config", str(config)]
    stage.run(command, log)
    return " ".join(command)


def _nghttp_pages(stage: Stage, *, visits: int) -> str:
    """Each page with its resources over one connection, as often as there are visits.

    By nghttp, as curl 7.88 cannot use a connection again with prior knowledge.
    """
    base = f"http://{netns.SERVER_ADDRESS}:{stage.port}"
    command: list[str] = []
    for _ in range(visits):
        for page in stage.pages:
            urls = [f"{base}/{path}" for path in (page.path, *page.resources)]
            command = ["nghttp", "--null-out", "--stat", *urls]
            stage.run(command, "nghttp.txt")
    return " ".join(command)


def _h2load(stage: Stage, *, requests: int, connections: int, streams: int) -> str:
    url = f"http://{netns.SERVER_ADDRESS}:{stage.port}/body.txt"
    command = ["h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), url]
    stage.run(command, "h2load.txt")
    return " ".join(command)


def _curl_pages(stage: Stage, *, visits: int, parallel: bool) -> str:
    """Each page with its resources by one curl, as often as there are visits."""
    said = ""
    for visit in range(visits):
        for page in stage.pages:
            urls = [f"{stage.base}/{path}" for path in (page.path, *page.resources)]
            said = _curl(
                stage,
                urls,
                address=netns.CLIENT_ADDRESSES[visit % len(netns.CLIENT_ADDRESSES)],
                parallel=parallel,
                log="curl.txt",
            )
    return said


def _curl_singles(stage: Stage, *, seconds: float) -> str:
    """Clients at several addresses, each asking now and then on a connection of its own.

    The gaps of client i are exponential with a mean of 0.1 s times 2 to the i, so
    that some clients repeat often within a window and others hardly.
    """
    rng = random.Random(stage.seed)  # noqa: S311  a schedule that can be made again
    moments = []
    for index, address in enumerate(netns.CLIENT_ADDRESSES):
        moment = rng.expovariate(1 / (0.1 * 2**index))
        while moment < seconds:
            moments.append((moment, address))
            moment += rng.expovariate(1 / (0.1 * 2**index))
    begin = time.monotonic()
    said = ""
    for moment, address in sorted(moments):
        time.sleep(max(0.0, begin + moment - time.monotonic()))
        url = f"{stage.base}/body.txt"
        said = _curl(stage, [url], address=address, parallel=False, log="curl.txt")
    return said


def _browse(stage: Stage, *, visits: int) -> str:
    """Every page, several times; a visit starts with an empty cache."""
    for visit in range(visits):
        browser.open_pages(
            stage.stack,
            stage.client,
            stage.scratch,
            [f"{stage.base}/{page.path}" for page in stage.pages],
            address=netns.SERVER_ADDRESS,
            key_log=stage.key_log,
            log=stage.scratch / "client" / "chromium.txt",
            profile=stage.scratch / f"profile-{visit}",
        )
    return " ".join(("chromium", *browser.FLAGS, "--screenshot", f"{stage.base}/<page>"))


SCENARIOS = tuple(
    Scenario(*fields)
    for fields in (
        (
            "h1close-ab",
            "h1close",
            "ab",
            lambda stage: _ab(stage, requests=3000, concurrency=50, keepalive=False),
            "3000 requests of 64 bytes by ab, 50 at a time, each on a connection of its own",
        ),
        (
            "h1close-wrk",
            "h1close",
            "wrk",
            lambda stage: _wrk(stage, seconds=1, connections=100),
            "one second of wrk with 100 connections at a time, each for one request",
        ),
        (
            "h1keepalive-ab",
            "h1keepalive",
            "ab",
            lambda stage: _ab(stage, requests=5000, concurrency=20, keepalive=True),
            "5000 requests of 64 bytes by ab -k over 20 connections at a time",
        ),
        (
            "h1keepalive-wrk",
            "h1keepalive",
            "wrk",
            lambda stage: _wrk(stage, seconds=1, connections=20),
            "one second of wrk over 20 connections that are kept",
        ),
        (
            "h1close-clients",
            "h1close",
            "curl",
            lambda stage: _curl_singles(stage, seconds=30),
            (
                "eight client addresses, each asking for 64 bytes at random moments, the busiest "
                "every 0.1 s on average and each next one half as often, for 30 s"
            ),
        ),
        (
            "h1close-curl",
            "h1close",
            "curl",
            lambda stage: _curl_pages(stage, visits=4, parallel=True),
            (
                "three pages with their resources by curl, up to eight requests at a time, "
                "four visits from four addresses"
            ),
        ),
        (
            "h1keepalive-curl",
            "h1keepalive",
            "curl",
            lambda stage: _curl_pages(stage, visits=4, parallel=True),
            (
                "three pages with their resources by curl, up to eight connections, "
                "four visits from four addresses"
            ),
        ),
        (
            "h2tls-curl",
            "h2tls",
            "curl",
            lambda stage: _curl_pages(stage, visits=4, parallel=True),
            "three pages with their resources by curl over HTTP/2 in TLS, four visits",
        ),
        (
            "h2c-nghttp",
            "h2c",
            "nghttp",
            lambda stage: _nghttp_pages(stage, visits=4),
            "three pages with their resources by nghttp over HTTP/2 without TLS, four visits",
        ),
        (
            "h2c-h2load",
            "h2c",
            "h2load",
            lambda stage: _h2load(stage, requests=4000, connections=40, streams=8),
            "4000 requests of 64 bytes by h2load over 40 connections, eight at a time on each",
        ),
        (
            "h2c-singles",
            "h2c",
            "curl",
            lambda stage: _curl_singles(stage, seconds=15),
            (
                "eight client addresses, each asking for 64 bytes over HTTP/2 without TLS on a "
                "connection of its own at random moments, for 15 s"
            ),
        ),
        (
            "h1close-chromium",
            "h1close",
            "chromium",
            lambda stage: _browse(stage, visits=3),
            "headless Chromium opens three pages, three visits with an empty cache",
        ),
        (
            "h1keepalive-chromium",
            "h1keepalive",
            "chromium",
            lambda stage: _browse(stage, visits=3),
            "headless Chromium opens three pages, three visits with an empty cache",
        ),
        (
            "h2tls-chromium",
            "h2tls",
            "chromium",
            lambda stage: _browse(stage, visits=3),
            "headless Chromium opens three pages, three visits with an empty cache",
        ),
    )
)
