"""What a connection speaks: told from its bytes, and on the usual HTTP ports from the port.

The rules follow Wireshark's, so that counts can be compared: on a port of
HTTP_PORTS any known method makes a request; elsewhere a first line must name
HTTP/1.x. TLS and HTTP/2 are told by their first bytes on every port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.traffic import http1, http1_head, http2, tls

if TYPE_CHECKING:
    from faltcon.traffic.http1 import Transaction
    from faltcon.traffic.reassembly import Reader

__all__ = ["HTTP_PORTS", "Application"]

# Wireshark's default ports of HTTP over TCP.
HTTP_PORTS = frozenset((80, 1900, 2710, 2869, 3128, 3132, 5985, 8080, 8088, 11371))
TLS_PORTS = frozenset((443,))
# What looks like a request there is a probe of an SSH server, or a message to a name server.
NEVER_HTTP_PORTS = frozenset((22, 53))
# A first line that comes in pieces is waited for as long as it can still be one.
MAX_FIRST_LINE_BYTES = 8192


class Application:
    """The protocols of one connection and what they carried.

    `sides[0]` and `sides[1]` are the readers of the two directions.
    """

    def __init__(self, ports: tuple[int, int]) -> None:
        self.http_port = not HTTP_PORTS.isdisjoint(ports)
        self.never_http = not NEVER_HTTP_PORTS.isdisjoint(ports)
        self.tls_port = not TLS_PORTS.isdisjoint(ports)
        # More than one where a CONNECT tunnel carries HTTP/1 again.
        self.http1: list[http1.Conversation] = []
        self.http2: http2.Connection | None = None
        self.tls: tls.Hellos | None = None
        # TLS where Wireshark expects HTTP; it takes the port's word and does not count it.
        self.tls_on_http_port = False
        self.sides = (Side(self, 0), Side(self, 1))

    @property
    def transactions(self) -> list[Transaction]:
        """All transactions, HTTP/1 first, each protocol's in order of appearance."""
        rows = [row for conversation in self.http1 for row in conversation.transactions]
        if self.http2:
            rows += self.http2.transactions.values()
        return rows

    def finish(self) -> None:
        """Both directions have ended."""
        for side in self.sides:
            side.finish()

    def identify(self, data: bytes) -> str:
        """The protocol that these first bytes begin; empty where that is not clear."""
        if data.startswith(http2.PREFACE[:18]):
            return "http2"
        if tls.begins_handshake(data) or (self.tls_port and tls.begins_record(data)):
            return "tls"
        if self.http_port or (http1_head.is_http1(data) and not self.never_http):
            return "http1"
        return ""

    @property
    def requests(self) -> int:
        """Number of complete HTTP/1 requests."""
        return sum(conversation.requests for conversation in self.http1)

    @property
    def streams(self) -> int:
        """Number of HTTP/2 streams that a client's request opened."""
        return self.http2.streams if self.http2 else 0

    @property
    def tls_hello(self) -> bool:
        """Whether a TLS client's hello was seen."""
        return self.tls is not None and self.tls.client_seen

    @property
    def guessed(self) -> bool:
        """Whether HTTP/1 is but a guess from the port: no message has been seen yet."""
        return self.http_port and bool(self.http1) and not self._spoken

    @property
    def _spoken(self) -> bool:
        """Whether a transaction was seen."""
        return bool(self.transactions) or any(one.taken for one in self.http1)

    def start(self, protocol: str, client: int) -> None:
        """From here on the connection speaks this; `client` is the side that spoke first."""
        if protocol == "http1":
            conversation = http1.Conversation()
            self.http1.append(conversation)
            for side in self.sides:
                side.reader = http1.MessageReader(conversation, side)
        elif protocol == "http2":
            self.http2 = connection = http2.Connection()
            for number, side in enumerate(self.sides):
                side.reader = http2.FrameReader(connection, client=number == client)
        elif protocol == "tls":
            self.tls_on_http_port = self.http_port and not self._spoken
            self.tls = hellos = tls.Hellos()
            for side in self.sides:
                side.reader = tls.HelloReader(hellos)


class Side:
    """One direction's reader: identifies the protocol, then passes the bytes on."""

    def __init__(self, application: Application, number: int) -> None:
        self._application = application
        self._number = number
        self._held = b""
        self.reader: Reader | None = None

    def data(self, piece: bytes, time_ns: int) -> None:
        """The next bytes of this direction."""
        if self.reader is None or self._application.guessed:
            self._identify(piece, time_ns)
        if self.reader is not None:
            self.reader.data(piece, time_ns)

    def gap(self, size: int, time_ns: int, *, cut: bool) -> None:
        """Bytes are missing."""
        self._held = b""
        if self.reader is not None:
            self.reader.gap(size, time_ns, cut=cut)

    def finish(self) -> None:
        """The direction has ended."""
        if isinstance(self.reader, http1.MessageReader):
            self.reader.finish()

    def after_http1(self, piece: bytes, time_ns: int) -> None:
        """Bytes after CONNECT or an upgrade: what the ends speak now."""
        application = self._application
        upgraded = application.http1[-1].upgraded
        protocol = application.identify(piece)
        if upgraded == "h2c" and protocol != "tls":
            # The server may speak first; the client is the side that sends the preface.
            first = self._number if protocol == "http2" else 1 - self._number
            application.start("http2", first)
        elif protocol in {"tls", "http2"} or (upgraded == "connect" and http1_head.is_http1(piece)):
            application.start(protocol, self._number)
        else:
            return
        if self.reader is not None:
            self.reader.data(piece, time_ns)

    def _identify(self, piece: bytes, time_ns: int) -> None:
        application = self._application
        data = self._held + piece
        protocol = application.identify(data)
        if self.reader is not None and protocol in {"http1", ""}:
            return
        if protocol:
            held, self._held = self._held, b""
            application.start(protocol, self._number)
            if held and self.reader is not None:
                self.reader.data(held, time_ns)
        elif _may_become_known(data):
            self._held = data
        else:
            self._held = b""


def _may_become_known(data: bytes) -> bool:
    """Whether these bytes are the first part of what could be identified with more of them."""
    if len(data) > MAX_FIRST_LINE_BYTES or b"\n" in data[:-1]:
        return False
    if http2.PREFACE.startswith(data) or (len(data) < 6 and data[:1] in {b"\x16", b"\x80"}):
        return True
    return http1_head.begins_message(data) or (
        len(data) <= http1_head.LONGEST_METHOD
        and any(method.startswith(data) for method in (*http1_head.METHODS, b"HTTP/1."))
    )
