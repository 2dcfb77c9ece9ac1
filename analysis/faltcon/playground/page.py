"""The answers that the page draws. Every method takes and gives JSON, or words for an error."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from faltcon.errors import FaltconError, UsageError
from faltcon.model import (
    Counted,
    Eliminate,
    FKey,
    Policy,
    Scope,
    Server,
    Steering,
    WindowKind,
    words,
)
from faltcon.model.script import Event
from faltcon.playground.play import play
from faltcon.playground.traces import SECOND, Traced, read, story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faltcon.model import Node
    from faltcon.playground.play import Moment

__all__ = ["Playground"]

SHOWN_KEYS = 100
SHOWN_CPUS = 8
SHOWN_NODES = 8
SERIES_POINTS = 200
# Contract of `faltcon model run --json`; the same names stand on the page.
TOTALS = {
    "hits": "hits",
    "misses": "misses",
    "pulls": "pulls",
    "pushes": "pushes",
    "f_pairs_made": "f_pairs_made",
    "f_pairs_eliminated": "f_pairs_eliminated",
    "objects_peak": "objects_peak",
    "objects_end": "objects",
}


class _Film:
    """A run that is looked at event by event, and goes on where it was left."""

    def __init__(self, traced: Traced, choices: str) -> None:
        self.choices = choices
        self.traced = traced
        policy, cpus, steering = _choices(choices)
        self.server = Server(policy, cpus)
        self.shown = 0
        self.before = self.server.counters.as_dict()
        self.moments = play(traced.handshakes, self.server, end_ns=traced.end_ns, steering=steering)

    def frames(self, count: int) -> Iterator[dict[str, Any]]:
        """The next events."""
        for moment in islice(self.moments, count):
            yield self._frame(moment)
            self.shown += 1

    def _frame(self, moment: Moment) -> dict[str, Any]:
        handshakes = self.traced.handshakes
        now = self.server.counters.as_dict()
        event = Event[moment.stage]
        did = words.told(event, self.before, now)
        frame = {
            "number": self.shown + 1,
            "time_s": (moment.time_ns - handshakes[0].syn_ns) / SECOND,
            "event": moment.stage,
            "happens": words.HAPPENS[event],
            "did": did,
            "client": handshakes[moment.index].flow.client_ip if moment.index >= 0 else "",
            "cpu": moment.cpu,
            "served": moment.served,
            "counters": now,
            "archive": self._archive(),
        }
        self.before = now
        return frame

    def _archive(self) -> list[dict[str, Any]]:
        """The nodes of the first CPUs, those that were used last first."""
        shown = []
        for cpu, table in enumerate(self.server.archive.tables[:SHOWN_CPUS]):
            nodes = sorted(table.values(), key=lambda node: -node.last_established)
            shown.append(
                {
                    "cpu": cpu,
                    "nodes": [_node(node) for node in nodes[:SHOWN_NODES]],
                    "more": max(0, len(nodes) - SHOWN_NODES),
                }
            )
        return shown


def _node(node: Node) -> dict[str, Any]:
    return {
        "client": node.key.client_ip,
        "server": f"{node.key.server_ip} port {node.key.server_port}",
        "f_pair": node.is_f_pair,
        "count": node.counting.count,
        "requests": len(node.request_socks),
        "synacks": len(node.synacks),
    }


class Playground:
    """The state behind the page: the file that was read last, or the built-in story."""

    def __init__(self) -> None:
        self.traced = Traced()
        self._film: _Film | None = None

    def tell(self) -> str:
        """Take the built-in story. JSON as of `read`."""
        return self._take(story())

    def read(self, path: str, progress: Callable[[int, int], None] | None = None) -> str:
        """Read a capture or HAR. JSON: `Traced.about` with error None, or error alone.

        `progress` is called with the place in the unpacked file and the packets.
        """
        try:
            return self._take(read(path, progress))
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        except MemoryError:
            mend = "cut it (editcap -c 1000000), or run `faltcon model run` on it"
            return json.dumps({"error": f"{path}: holds more than fits into a browser; {mend}"})

    def _take(self, traced: Traced) -> str:
        self.traced, self._film = traced, None
        return json.dumps({**traced.about, "error": None})

    def answer(self, choices: str) -> str:
        """What FALTCON would have done.

        JSON: totals as `faltcon model run --json` names them, counters, the
        share served, f-keys by connections, and series over time (time_s,
        objects, f_pairs).
        """
        try:
            policy, cpus, steering = _choices(choices)
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        handshakes, end_ns = self.traced.handshakes, self.traced.end_ns
        server = Server(policy, cpus)
        seen: Counter[FKey] = Counter()
        served: Counter[FKey] = Counter()
        origin = handshakes[0].syn_ns if handshakes else 0
        step = max(1, (end_ns - origin) // SERIES_POINTS)
        sample = origin
        series: list[tuple[float, int, int]] = []
        for moment in play(handshakes, server, end_ns=end_ns, steering=steering):
            if moment.stage == "SYN":
                key = handshakes[moment.index].key
                seen[key] += 1
                served[key] += moment.served
            if moment.time_ns >= sample:
                now = server.counters
                series.append(((moment.time_ns - origin) / SECOND, now.objects, now.f_pairs))
                sample = moment.time_ns + step
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
        found = {
            "totals": {name: counters[counter] for name, counter in TOTALS.items()},
            "counters": counters,
            "served_share": _share(counters),
            "f_keys": len(seen),
            "keys": keys,
            "series": series,
        }
        return json.dumps({**found, "error": None})

    def share(self, choices: str) -> str:
        """The share of handshakes served, alone: a point of the plot over k_t. JSON."""
        try:
            policy, cpus, steering = _choices(choices)
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        server = Server(policy, cpus)
        for _ in play(self.traced.handshakes, server, end_ns=self.traced.end_ns, steering=steering):
            pass
        return json.dumps({"served_share": _share(server.counters.as_dict()), "error": None})

    def frames(self, choices: str, first: int = 0, count: int = 100) -> str:
        """Events first to first + count - 1, each with counters and archive after it. JSON."""
        try:
            film = self._film
            if film is None or film.choices != choices or film.shown != first:
                film = self._film = _Film(self.traced, choices)
                for _ in film.frames(first):
                    pass
        except FaltconError as error:
            return json.dumps({"error": str(error)})
        return json.dumps({"frames": list(film.frames(count)), "error": None})


def _share(counters: dict[str, int]) -> float | None:
    return counters["hits"] / counters["lookups"] if counters["lookups"] else None


def _choices(text: str) -> tuple[Policy, int, Steering]:
    """The page's sliders. Keys: k_t, window_s, timer_s, cores, and the words of `policy`."""
    try:
        given = json.loads(text)
        policy = Policy(
            k_t=int(given["k_t"]),
            window_ns=round(float(given["window_s"]) * SECOND),
            timer_ns=round(float(given["timer_s"]) * SECOND),
            window_kind=WindowKind(given.get("window_kind", "tumbling")),
            scope=Scope(given.get("scope", "cpu")),
            counted=Counted(given.get("count", "established")),
            eliminate=Eliminate(given.get("eliminate", "none")),
        )
        return policy, int(given["cores"]), Steering(given.get("steering", "rss"))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the page asked for something unknown: {error}") from error
