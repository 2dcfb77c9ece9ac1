"""What the model did at one event, in words: for a table in the book and for the playground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.model.script import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HAPPENS", "told"]

HAPPENS = {
    Event.SYN: "SYN",
    Event.SENT: "SYNACK is out",
    Event.AGAIN: "SYNACK once more",
    Event.ACK: "ACK",
    Event.RELEASE: "request done with",
    Event.TIMER: "timer",
}
"""What each event is called."""


def told(event: Event, before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """What FALTCON did, from the shared counters before and after the event."""
    grown = {name: now[name] - before[name] for name in now}
    done = []
    if event is Event.SYN:
        done.append("f_lookup")
        done.append("f_pull: request" if grown["pulls"] else "new request")
        done.append("f_pull: SYNACK" if grown["skb_pulls"] else "new SYNACK")
    if event is Event.AGAIN:
        done.append("f_pull: SYNACK" if grown["skb_pulls"] else "new SYNACK")
    if event is Event.ACK:
        done.append("counts")
    if event in {Event.SYN, Event.ACK}:
        if grown["nodes"]:
            done.append("a candidate")
        if grown["f_pairs_made"]:
            done.append("now an f-pair")
    if event is Event.SENT:
        done.append("f_push: SYNACK" if grown["skb_pushes"] else "frees it")
    if event is Event.RELEASE:
        done.append("f_push: request" if grown["pushes"] else "frees it")
    if event is Event.TIMER:
        gone = -grown["nodes"]
        done.append(f"forgets {gone}" if gone else "finds nobody idle")
    return ", ".join(done)
