"""The two structures of a handshake and the f-state keeper (section 3.2, Table 2).

Table 2 parts the fields of `f_request_sock` and `f_SYNACK` into reusable ones,
whose values are the same for all connections of an f-pair, and those that each
connection needs anew. The fields here are the ones Table 2 names, and the
client's port, which footnote 3 says changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "NOT_REUSABLE",
    "REUSABLE",
    "FKey",
    "FRequestSock",
    "FSynack",
    "Segment",
    "initialise_request_sock",
    "initialise_synack",
    "renew_request_sock",
    "renew_synack",
]


class FKey(NamedTuple):
    """What tells one f-pair from another (section 3.1)."""

    protocol: str
    client_ip: str
    server_ip: str
    server_port: int


class Segment(NamedTuple):
    """What a SYN tells beyond its f-key; zeros where a trace does not say."""

    client_port: int = 0
    sequence: int = 0
    timestamp: int = 0


@dataclass(slots=True)
class FRequestSock:
    """A connection request. Values as in the kernel's `struct tcp_request_sock`."""

    # Reusable: the protocol family and the addresses.
    ireq_family: str = ""
    sk_prot: str = ""
    sk_rcv_saddr: str = ""
    sk_daddr: str = ""
    ir_num: int = 0
    # Not reusable: the peer's port, sequence numbers, timestamp.
    ir_rmt_port: int = 0
    rcv_isn: int = 0
    rcv_nxt: int = 0
    ts_recent: int = 0


@dataclass(slots=True)
class FSynack:
    """The SYNACK: a `struct sk_buff` with its headers."""

    # Reusable: the headers' fixed part, the server's port, the route.
    header: tuple[str, str] = ("", "")
    source: int = 0
    skb_refdst: str = ""
    # Not reusable: the client's port, the acknowledgement, the time of sending.
    dest: int = 0
    ack_seq: int = 0
    skb_mstamp_ns: int = 0


REUSABLE = {
    FRequestSock: ("ireq_family", "sk_prot", "sk_rcv_saddr", "sk_daddr", "ir_num"),
    FSynack: ("header", "source", "skb_refdst"),
}
NOT_REUSABLE = {
    FRequestSock: ("ir_rmt_port", "rcv_isn", "rcv_nxt", "ts_recent"),
    FSynack: ("dest", "ack_seq", "skb_mstamp_ns"),
}


def initialise_request_sock(sock: FRequestSock, key: FKey, syn: Segment) -> None:
    """Set every field, as the stock path does for each connection (section 3, step 4)."""
    sock.ireq_family = "AF_INET6" if ":" in key.client_ip else "AF_INET"
    sock.sk_prot = key.protocol
    sock.sk_rcv_saddr = key.server_ip
    sock.sk_daddr = key.client_ip
    sock.ir_num = key.server_port
    renew_request_sock(sock, syn)


def renew_request_sock(sock: FRequestSock, syn: Segment) -> None:
    """Set what is not reusable (Table 2); all that a kept object needs (section 3.2)."""
    sock.ir_rmt_port = syn.client_port
    sock.rcv_isn = syn.sequence
    sock.rcv_nxt = (syn.sequence + 1) % 2**32
    sock.ts_recent = syn.timestamp


def initialise_synack(skb: FSynack, key: FKey, syn: Segment, now: int) -> None:
    """Set every field, as the stock path does for each SYNACK."""
    skb.header = (key.server_ip, key.client_ip)
    skb.source = key.server_port
    skb.skb_refdst = f"route to {key.client_ip}"
    renew_synack(skb, syn, now)


def renew_synack(skb: FSynack, syn: Segment, now: int) -> None:
    """Set what is not reusable (Table 2)."""
    skb.dest = syn.client_port
    skb.ack_seq = (syn.sequence + 1) % 2**32
    skb.skb_mstamp_ns = now
