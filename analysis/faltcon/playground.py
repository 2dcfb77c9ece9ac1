"""What the playground page asks of Python in the browser: JSON in, JSON out.

The page runs this module in a worker (Pyodide). Here nothing is imported but
the standard library, `faltcon.model`, and of `faltcon.traffic` what reads
packets, which needs dpkt, h11, hpack and hyperframe: wheels of pure Python. So
a capture dropped on the page is read by the code that the chapters use, and
leaves the machine as little as they let it.

    read(path)                 a capture to connections, kept for the calls that follow
    answer(policy)             what FALTCON would have done with them: totals and f-keys
    frames(policy, first, n)   the model event by event, for the animation
"""

from __future__ import annotations

import heapq
import ipaddress
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faltcon.errors import FaltconError, UsageError
from faltcon.model import (
    Counted,
    Eliminate,
    FKey,
    Flow,
    Policy,
    Request,
    Scope,
    Segment,
    Server,
    Steering,
    WindowKind,
    steer,
)
from faltcon.traffic import link
from faltcon.traffic.ip import Datagrams
from faltcon.traffic.pcap import Capture
from faltcon.traffic.tcp import Limits, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from faltcon.traffic.tcp import Connection

__all__ = ["Handshake", "Playground", "play"]

SECOND = 1_000_000_000
HALF_OPEN_NS = 63 * SECOND
"""As in `faltcon.simulate.trace`: a request without ACK lives until its SYNACKs are spent."""
SHOWN_KEYS = 100
PROGRESS_PACKETS = 4096
SYN, SENT, ACK, RELEASE = range(4)
STAGES = ("SYN", "SENT", "ACK", "RELEASE")
PACKETS = (0, 0, 1, 2)
"""Which of a connection's steps through the CPUs each stage is, where packets go in turn."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One connection as the model plays it: times in ns, `ack_ns` None where not established."""

    flow: Flow
    syn_ns: int
    sent_ns: int
    ack_ns: int | None
    release_ns: int

    @property
    def key(self) -> FKey:
        """Its f-key."""
        return FKey("tcp", self.flow.client_ip, self.flow.server_ip, self.flow.server_port)


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of a run: `stage` is one of STAGES or TIMER, `index` its connection's."""

    time_ns: int
    stage: str
    index: int
    cpu: int
    served: bool


class _Run:
    """Handshakes under way: which CPU their packets go to, and what comes next of each."""

    def __init__(self, handshakes: Sequence[Handshake], server: Server, steering: Steering) -> None:
        self.handshakes = handshakes
        self.server = server
        self.steering = steering
        self.requests: dict[int, Request] = {}
        self.cpus: dict[int, list[int]] = {}
        self.pending: list[tuple[int, int, int]] = []

    def cpu(self, index: int, stage: int) -> int:
        """CPU of a stage; hashed once a connection, where all its packets go one way."""
        if index not in self.cpus:
            turns = 3 if self.steering is Steering.ROUND_ROBIN else 1
            self.cpus[index] = [
                steer(self.handshakes[index].flow, self.server.cpus, self.steering, number)
                for number in range(3 * index, 3 * index + turns)
            ]
        found = self.cpus[index]
        return found[PACKETS[stage] % len(found)]

    def apply(self, now: int, index: int, stage: int) -> Moment:
        """Let one event happen, and note when the connection's next one is due."""
        one, cpu = self.handshakes[index], self.cpu(index, stage)
        hits = self.server.counters.hits
        due: tuple[int, int] | None = None
        if stage == SYN:
            segment = Segment(one.flow.client_port)
            self.requests[index] = self.server.syn(now, one.key, cpu, segment)
            due = one.sent_ns, SENT
        elif stage == SENT:
            self.server.synack_sent(now, self.requests[index], cpu)
            due = (one.release_ns, RELEASE) if one.ack_ns is None else (one.ack_ns, ACK)
        elif stage == ACK:
            self.server.established(now, self.requests[index], cpu)
            due = one.release_ns, RELEASE
        else:
            self.server.release(now, self.requests.pop(index), cpu)
            del self.cpus[index]
        if due is not None:
            heapq.heappush(self.pending, (due[0], index, due[1]))
        return Moment(now, STAGES[stage], index, cpu, served=self.server.counters.hits > hits)


def play(
    handshakes: Sequence[Handshake],
    server: Server,
    *,
    end_ns: int,
    steering: Steering = Steering.RSS,
) -> Iterator[Moment]:
    """Play handshakes, sorted by SYN, into a server; yields each event after it happened.

    The same rules as `faltcon.simulate.replay`, which needs numpy.
    """
    run = _Run(handshakes, server, steering)
    interval = server.policy.timer_ns
    origin = handshakes[0].syn_ns if handshakes else 0
    firing, upcoming = origin + interval, 0
    while upcoming < len(handshakes) or run.pending:
        now, index, stage = run.pending[0] if run.pending else (end_ns + 1, -1, SYN)
        if upcoming < len(handshakes) and (index < 0 or handshakes[upcoming].syn_ns < now):
            now, index, stage = handshakes[upcoming].syn_ns, upcoming, SYN
        if now > end_ns:
            return
        if firing <= now and server.counters.nodes:
            server.timer(firing)
            yield Moment(firing, "TIMER", -1, 0, served=False)
            firing += interval
            continue
        if firing <= now:
            firing = origin + ((now - origin) // interval + 1) * interval
        if stage == SYN:
            upcoming += 1
        else:
            heapq.heappop(run.pending)
        yield run.apply(now, index, stage)


@dataclass
class Playground:
    """The state behind the page: the capture that was read last, or a built-in trace."""

    handshakes: list[Handshake] = field(default_factory=list)
    end_ns: int = 0
    about: dict[str, Any] = field(default_factory=dict)

    def read(self, path: str, progress: Callable[[int], None] | None = None) -> str:
        """Read a capture. JSON: packets, connections, left_out, truncated, skipped, or error."""
        try:
            capture = Capture(path)
            connections = list(_connections(capture, progress))
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        placed = [_handshake(one) for one in connections if one.syn_ns is not None]
        self.handshakes = sorted(placed, key=lambda one: one.syn_ns)
        self.end_ns = max((one.last_ns for one in connections), default=0)
        self.about = {
            "packets": capture.packets,
            "connections": len(connections),
            "left_out": len(connections) - len(placed),
            "established": sum(one.ack_ns is not None for one in placed),
            "truncated": capture.truncated,
            "skipped": dict(capture.skipped),
            "error": None,
        }
        return json.dumps(self.about)

    def answer(self, choices: str) -> str:
        """What FALTCON would have done. JSON: counters, served share, f-keys by connections."""
        try:
            policy, cpus, steering = _choices(choices)
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        server = Server(policy, cpus)
        seen: Counter[FKey] = Counter()
        served: Counter[FKey] = Counter()
        for moment in play(self.handshakes, server, end_ns=self.end_ns, steering=steering):
            if moment.stage == "SYN":
                key = self.handshakes[moment.index].key
                seen[key] += 1
                served[key] += moment.served
        counters = server.counters.as_dict()
        keys = [
            {
                "client": key.client_ip,
                "server": f"{key.server_ip} port {key.server_port}",
                "connections": count,
                "served": served[key],
            }
            for key, count in seen.most_common(SHOWN_KEYS)
        ]
        share = counters["hits"] / counters["lookups"] if counters["lookups"] else None
        found = {"counters": counters, "served_share": share, "f_keys": len(seen), "keys": keys}
        return json.dumps({**found, "error": None})

    def frames(self, choices: str, first: int = 0, count: int = 500) -> str:
        """Events first to first + count - 1, each with the counters after it. JSON."""
        try:
            policy, cpus, steering = _choices(choices)
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        server = Server(policy, cpus)
        origin = self.handshakes[0].syn_ns if self.handshakes else 0
        found = []
        moments = play(self.handshakes, server, end_ns=self.end_ns, steering=steering)
        for number, moment in enumerate(moments):
            if number >= first + count:
                break
            if number >= first:
                client = self.handshakes[moment.index].flow.client_ip if moment.index >= 0 else ""
                found.append(
                    {
                        "time_s": (moment.time_ns - origin) / SECOND,
                        "event": moment.stage,
                        "client": client,
                        "cpu": moment.cpu,
                        "served": moment.served,
                        "counters": server.counters.as_dict(),
                    }
                )
        return json.dumps({"frames": found, "error": None})


def _connections(capture: Capture, progress: Callable[[int], None] | None) -> Iterator[Connection]:
    datagrams, tracker = Datagrams(capture.skipped), Tracker(Limits())
    for packet in capture:
        if progress is not None and capture.packets % PROGRESS_PACKETS == 0:
            progress(capture.packets)
        try:
            segment = datagrams.segment(link.datagram(packet.link_type, memoryview(packet.data)))
        except link.Skip as skip:
            capture.skipped[skip.reason] += 1
            continue
        if segment is not None:
            tracker.take(segment, packet.time_ns)
    datagrams.finish()
    yield from tracker.finish()


def _handshake(one: Connection) -> Handshake:
    """A connection with a SYN, placed as `faltcon.simulate.trace.from_connections` places it."""
    client, server = one.ends[one.client], one.ends[1 - one.client]
    flow = Flow(
        str(ipaddress.ip_address(client[0])),
        str(ipaddress.ip_address(server[0])),
        client[1],
        server[1],
    )
    syn = one.syn_ns or 0
    sent = max(syn, one.synack_ns if one.synack_ns is not None else syn)
    ack = None if one.ack_ns is None else max(one.ack_ns, sent)
    over = one.handshake_over_ns if one.handshake_over_ns is not None else syn + HALF_OPEN_NS
    return Handshake(flow, syn, sent, ack, max(sent, over if ack is None else ack))


def _choices(text: str) -> tuple[Policy, int, Steering]:
    """The page's sliders. Keys: k_t, window_s, timer_s, cores, and the words of `policy`."""
    try:
        given = json.loads(text)
        policy = Policy(
            k_t=int(given["k_t"]),
            window_ns=int(float(given["window_s"]) * SECOND),
            timer_ns=int(float(given["timer_s"]) * SECOND),
            window_kind=WindowKind(given.get("window_kind", "tumbling")),
            scope=Scope(given.get("scope", "cpu")),
            counted=Counted(given.get("count", "established")),
            eliminate=Eliminate(given.get("eliminate", "none")),
        )
        return policy, int(given["cores"]), Steering(given.get("steering", "rss"))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the page asked for something unknown: {error}") from error
