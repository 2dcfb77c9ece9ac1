"""Claims of sections 1 and 2.2.1, from what others published."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from faltcon import claims, paths, published
from faltcon.verdicts.finding import Finding, untested
from faltcon.verdicts.registry import answers

if TYPE_CHECKING:
    from faltcon.claims import Claim
    from faltcon.verdicts.evidence import Evidence

__all__: list[str] = []

SUMS = ("data/paper/flow_histogram_sums.toml",)
SOURCES = ("data/paper/http_sources.toml",)
KIB = 2048


@answers("flows-within-2kb")
def flows_within_2kb(claim: Claim, evidence: Evidence) -> Finding:
    """Share of flows with at most 2 KiB, and whether the claim survives 2000 octets."""
    kib, kb = (_share(evidence, "octets", limit) for limit in (KIB, 2000))
    if kib <= claims.value(claim.id):
        return _flows("not reproduced", "The published histogram adds up to less.", kib)
    return _flows(
        "partly",
        f"True of flows, which go one way (a connection is two), and for 2 KB read as {KIB} "
        f"octets; with 2000 octets it is {kb:.2f}\N{NO-BREAK SPACE}%.",
        kib,
    )


@answers("flows-1-2-packets")
def flows_of_two_packets(claim: Claim, evidence: Evidence) -> Finding:
    """Share of flows with one or two packets, of any kind."""
    ours = _share(evidence, "packets", 2)
    if round(ours) != claims.value(claim.id):
        return _flows("not reproduced", "The published histogram adds up to another share.", ours)
    return _flows(
        "partly",
        "True of all packets of flows that go one way; the paper says data packets of connections. "
        "A completed connection sends more than two packets each way.",
        ours,
    )


@answers("single-all", "single-all-intro")
def single_of_all_versions(claim: Claim, _evidence: Evidence) -> Finding:
    """No source has the number; the mix of versions gives one near it."""
    file = paths.paper_dir() / "http_sources.toml"
    shares = tomllib.loads(file.read_text(encoding="utf-8"))["request_shares"]
    first = shares["http1_share_pct"] / 100
    rest = (shares["http2_share_pct"] + shares["other_share_pct"]) / 100
    mix = first * claims.value("single-http1") + rest * claims.value("single-http2")
    matches = round(mix) == claims.value(claim.id)
    return Finding(
        "partly" if matches else "not reproduced",
        "In none of the sources. Weighting shares of connections (2015) with shares of requests "
        f"(2020) gives {mix:.1f}\N{NO-BREAK SPACE}%: another unit, and another number.",
        mix,
        origin="published by others",
        sources=SOURCES,
    )


@answers("single-http1", "single-http2", "requests-http1", "requests-http2", "requests-all",
         "connections-per-page-intro")  # fmt: skip
def what_the_sources_say(claim: Claim, _evidence: Evidence) -> Finding:
    """The data behind the cited pages are not public; their words are beside the paper's."""
    first = next(s for s in published.http_sources() if claim.id in s.claims)
    return untested(f"The data behind the source are not public. {first.verdict}")


def _share(evidence: Evidence, quantity: str, limit: int) -> float:
    sums = evidence.flows[0]
    part = next(s for s in sums if s.quantity == quantity and s.limit == limit)
    whole = next(s for s in sums if s.file == part.file and s.limit is None)
    return 100 * part.flows / whole.flows


def _flows(verdict: str, why: str, ours: float) -> Finding:
    return Finding(verdict, why, ours, origin="published by others", sources=SUMS)  # type: ignore[arg-type]
