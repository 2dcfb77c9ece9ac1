"""HTTP/1.x: one direction's bytes to message heads, and two directions to transactions.

h11 reads each message head. Real traffic holds heads that h11 refuses (a
request line without a version, a header without a name, bare line feeds); a
lenient reader takes those, and the transaction says so (`strict` is false).
Message boundaries follow RFC 9112 section 6. Where bytes are missing, or where
what should be a head is none, reading goes on at the next segment that begins
with a request or status line.

Methods are those of the IANA registry that Wireshark counts as requests, so
that the two can be compared; NOTIFY, SUBSCRIBE and UNSUBSCRIBE are
announcements there and here.
"""

from __future__ import annotations

import enum
import string
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["METHODS", "Conversation", "MessageReader", "Transaction", "begins_message", "is_http1"]

METHODS = frozenset(
    b"GET PUT COPY HEAD LOCK MOVE POLL POST BCOPY BMOVE MKCOL TRACE PATCH LABEL MERGE DELETE "
    b"SEARCH UNLOCK REPORT UPDATE BDELETE CONNECT OPTIONS CHECKIN PROPFIND CHECKOUT CCM_POST "
    b"PROPPATCH BPROPFIND BPROPPATCH UNCHECKOUT MKACTIVITY MKWORKSPACE RPC_CONNECT RPC_IN_DATA "
    b"RPC_OUT_DATA VERSION-CONTROL BASELINE-CONTROL SSTP_DUPLEX_POST".split()
)
ANNOUNCEMENTS = frozenset((b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE"))
LONGEST_METHOD = max(map(len, METHODS))
PRINTABLE = frozenset(range(0x20, 0x7F))
HEX_DIGITS = frozenset(string.hexdigits.encode())
# A head that does not end within so many bytes is no head.
MAX_HEAD_BYTES = 1 << 20
# Lengths of more digits cannot end within any capture; int() of hostile ones is slow.
MAX_LENGTH_DIGITS = 18


class Kind(enum.Enum):
    """What a message's first line says it is."""

    REQUEST = "request"
    RESPONSE = "response"
    ANNOUNCEMENT = "announcement"
    NEITHER = "neither"


@dataclass(slots=True)
class Transaction:
    """A request with its response; either may be missing. Times in ns since the epoch.

    `complete`: the request's head and declared body were captured, and no hole
    came before it in its direction. Only complete requests are counted.
    """

    protocol: str
    stream: int
    method: str = ""
    status: int = 0
    request_ns: int | None = None
    response_ns: int | None = None
    strict: bool = True
    complete: bool = False


@dataclass(slots=True)
class Head:
    """A message head: its kind, its method or status, and how its body is delimited."""

    kind: Kind
    method: bytes
    status: int
    headers: dict[bytes, bytes]
    strict: bool


def kind_of(line: bytes) -> Kind:
    """What a first line is, told by its first word."""
    # RFC 2774: an "M-" before the method marks a mandatory extension.
    line = line.removeprefix(b"M-")
    if line.startswith((b"HTTP/", b"ICY")):
        return Kind.RESPONSE
    word = line[: LONGEST_METHOD + 1].split(b" ", 1)[0].rstrip(b"\r\n")
    if word in METHODS:
        return Kind.REQUEST
    return Kind.ANNOUNCEMENT if word in ANNOUNCEMENTS else Kind.NEITHER


def begins_message(data: bytes) -> bool:
    """Whether these bytes begin with a request or status line."""
    return kind_of(data.removeprefix(b"\r\n")) is not Kind.NEITHER


def is_http1(data: bytes) -> bool:
    """Whether a first line names HTTP/1.x at its start or end, on whatever port."""
    end = data.find(b"\n")
    if end < 0:
        return False
    line = data[:end].rstrip(b"\r").upper()
    return len(line) != 8 and (line.startswith(b"HTTP/1.") or line[-8:-1] == b"HTTP/1.")


class Body(enum.Enum):
    """How the bytes after a head are to be read."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"
    TUNNEL = "tunnel"


class Conversation:
    """Both directions of one HTTP/1 connection, and the transactions that they make.

    `transactions` grows as heads come in. `upgraded` is set, to the protocol's
    name, once both ends have left HTTP/1 (CONNECT, 101).
    """

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.upgraded = ""
        # Transactions that were taken away, and how many of them were complete.
        self.taken = self.taken_complete = 0
        self._heads = 0
        self._open: deque[Transaction] = deque()
        self._last_method = b""

    def resume(
        self, transactions: list[Transaction], heads: int, last_method: bytes, taken: int
    ) -> None:
        """Go on where another reader of the connection stopped, with these transactions.

        `taken` transactions before them were taken away; the complete ones
        among those are counted in `taken_complete`.
        """
        self.transactions = transactions
        self._open.extend(row for row in transactions if row.response_ns is None)
        self._heads, self._last_method, self.taken = heads, last_method, taken

    def request(self, head: Head, time_ns: int) -> Transaction:
        """A request head was read."""
        method = head.method.decode("ascii", "replace")
        row = Transaction("http1", self._heads, method, 0, time_ns, None, head.strict)
        self._heads += 1
        self._last_method = head.method
        self.transactions.append(row)
        self._open.append(row)
        return row

    def response(self, head: Head, time_ns: int) -> None:
        """A status line was read; 1xx answers leave the request open, save for 101."""
        if 100 <= head.status < 200 and head.status != 101:
            return
        if self._open:
            row = self._open.popleft()
            row.status, row.response_ns = head.status, time_ns
            row.strict = row.strict and head.strict
            return
        self.transactions.append(
            Transaction("http1", -1, "", head.status, None, time_ns, head.strict)
        )

    @property
    def requests(self) -> int:
        """Number of complete requests."""
        return self.taken_complete + sum(row.complete for row in self.transactions)

    @property
    def awaited_method(self) -> bytes:
        """Method of the request that the next response answers."""
        return self._open[0].method.encode() if self._open else self._last_method


class MessageReader:
    """Cuts one direction's bytes into messages. A Reader of reassembly.

    `conversation` takes the heads; `left_http1` is called with the bytes that
    follow the end of HTTP/1 in this direction.
    """

    def __init__(
        self, conversation: Conversation, left_http1: Callable[[bytes, int], None] | None = None
    ) -> None:
        self._conversation = conversation
        self._left_http1 = left_http1
        self._buffer = bytearray()
        self._buffer_ns = 0
        self._searched = 0
        self._body = Body.NONE
        # Bytes of a body, or of one chunk, that are still to come.
        self._left = 0
        self._in_trailer = False
        # The request whose body is being read.
        self._current: Transaction | None = None
        self._after_hole = False

    def resume(
        self, body: Body, left: int, current: Transaction | None, *, in_trailer: bool
    ) -> None:
        """Go on where another reader of this direction stopped, with nothing kept."""
        self._body, self._left, self._current = body, left, current
        self._in_trailer = in_trailer

    def data(self, piece: bytes, time_ns: int) -> None:
        """The next bytes of this direction."""
        if self._conversation.upgraded and self._body is not Body.LENGTH:
            self._tunnel(piece, time_ns)
            return
        if self._body is Body.UNTIL_CLOSE:
            return
        if self._body is Body.LENGTH and self._left >= len(piece):
            self._left -= len(piece)
            if not self._left:
                self._end_body()
            return
        if not self._buffer:
            self._buffer_ns = time_ns
        self._buffer += piece
        self._parse(time_ns)

    def gap(self, size: int, time_ns: int, *, cut: bool) -> None:
        """Bytes are missing: stay in a body that covers them, else begin anew.

        Where the capture cut the packet (`cut`) the request is as whole as it
        can be; after a hole in the sequence nothing counts any more, because
        what the hole held is unknown.
        """
        del time_ns
        if cut and self._current is not None:
            self._complete()
        self._after_hole |= not cut
        if self._body in {Body.LENGTH, Body.CHUNKED} and self._left >= size:
            self._left -= size
            if not self._left and self._body is Body.LENGTH:
                self._end_body()
            return
        if self._body is Body.UNTIL_CLOSE:
            return
        if self._buffer and self._body is Body.NONE:
            self._cut_head()
            if cut:
                self._complete()
        self._begin_anew()

    def finish(self) -> None:
        """The direction has ended; a head without its end is kept as incomplete."""
        if self._buffer and self._body is Body.NONE:
            self._after_hole = True
            self._cut_head()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._buffer.clear()
        self._searched = 0
        self._left = 0
        self._body = Body.NONE
        self._current = None

    def _complete(self) -> None:
        if self._current is not None and not self._after_hole:
            self._current.complete = True
        self._current = None

    def _end_body(self) -> None:
        self._body = Body.NONE
        self._complete()

    def _cut_head(self) -> None:
        """A head without its end: its first line still says what was asked."""
        line, newline, _ = bytes(self._buffer).removeprefix(b"\r\n").partition(b"\n")
        if newline or len(line) > LONGEST_METHOD:
            head = _lenient(line.rstrip(b"\r"))
            if head.kind is Kind.REQUEST:
                self._current = self._conversation.request(head, self._buffer_ns)
            elif head.kind is Kind.RESPONSE:
                self._conversation.response(head, self._buffer_ns)

    def _tunnel(self, piece: bytes, time_ns: int) -> None:
        if self._left_http1 is not None:
            self._left_http1(piece, time_ns)

    def _parse(self, time_ns: int) -> None:
        while self._buffer:
            if self._body is Body.LENGTH:
                size = min(self._left, len(self._buffer))
                del self._buffer[:size]
                self._left -= size
                if self._left:
                    return
                self._end_body()
            elif self._body is Body.CHUNKED and self._left:
                size = min(self._left, len(self._buffer))
                del self._buffer[:size]
                self._left -= size
            elif self._body is Body.CHUNKED:
                if not self._chunk():
                    return
            elif self._body is Body.UNTIL_CLOSE:
                self._buffer.clear()
            elif self._conversation.upgraded:
                piece = bytes(self._buffer)
                self._buffer.clear()
                self._tunnel(piece, time_ns)
            elif not self._head(time_ns):
                return
            self._buffer_ns = time_ns

    def _head(self, time_ns: int) -> bool:
        """Read a head; false when it is not all there yet."""
        del time_ns
        start = 2 if self._buffer.startswith(b"\r\n") and len(self._buffer) > 3 else 0
        if self._buffer[start] not in PRINTABLE:
            self._buffer.clear()
            self._searched = 0
            return True
        if not self._searched:
            line_end = self._buffer.find(b"\n", start)
            line = bytes(self._buffer[start : line_end if line_end >= 0 else None])
            if line_end < 0 and _may_be_first_line(line) and len(line) < MAX_HEAD_BYTES:
                return False
            if kind_of(line.rstrip(b"\r")) is Kind.NEITHER:
                # Not ours: a body whose head was missed. Look again at the next segment.
                self._buffer.clear()
                return True
        end = _head_end(self._buffer, max(start, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched < MAX_HEAD_BYTES:
                return False
            self._cut_head()
            self._begin_anew()
            return True
        block = bytes(self._buffer[start:end])
        del self._buffer[:end]
        self._searched = 0
        self._message(_read_head(block, self._conversation.awaited_method))
        return True

    def _message(self, head: Head) -> None:
        conversation = self._conversation
        if head.kind is Kind.REQUEST:
            self._current = conversation.request(head, self._buffer_ns)
            self._body, self._left = _request_body(head)
            if self._body is Body.NONE:
                self._complete()
        elif head.kind is Kind.RESPONSE:
            method = conversation.awaited_method
            conversation.response(head, self._buffer_ns)
            self._body, self._left = _response_body(head, method)
            if self._body is Body.TUNNEL:
                self._body = Body.NONE
                upgrade = head.headers.get(b"upgrade", b"").strip().lower()
                conversation.upgraded = (
                    "connect" if head.status != 101 else upgrade.decode("latin-1") or "unknown"
                )
        elif head.kind is Kind.ANNOUNCEMENT:
            self._body, self._left = _request_body(head)
        self._in_trailer = False

    def _chunk(self) -> bool:
        """Read a chunk's size line, or a line of the trailer; false when it is not all there."""
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) < MAX_HEAD_BYTES:
                return False
            self._begin_anew()
            return True
        line = bytes(self._buffer[:end]).strip()
        if self._in_trailer:
            del self._buffer[: end + 1]
            if not line:
                self._end_body()
            return True
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > 16 or not HEX_DIGITS.issuperset(digits):
            # No chunk size: the body ends here; look again at the next segment.
            self._complete()
            self._begin_anew()
            return True
        size = int(digits, 16)
        del self._buffer[: end + 1]
        self._in_trailer = size == 0
        # A chunk's bytes end with a line end of their own.
        self._left = size + 2 if size else 0
        return True


def _may_be_first_line(part: bytes) -> bool:
    """Whether the start of a line can still become a request or status line."""
    return kind_of(part) is not Kind.NEITHER or len(part) <= LONGEST_METHOD + 2


def _head_end(data: bytearray, start: int) -> int:
    """Place after the empty line that ends a head; -1 where there is none."""
    ends = [
        place + len(mark) for mark in (b"\n\r\n", b"\n\n") if (place := data.find(mark, start)) >= 0
    ]
    return min(ends) if ends else -1


def _read_head(block: bytes, awaited_method: bytes) -> Head:
    try:
        return _strict(block, awaited_method)
    except h11.ProtocolError:
        return _lenient(block)


def _strict(block: bytes, awaited_method: bytes) -> Head:
    kind = kind_of(block)
    if kind is Kind.RESPONSE:
        client = h11.Connection(h11.CLIENT)
        method = awaited_method if awaited_method in {b"HEAD", b"CONNECT"} else b"GET"
        target = b"x:1" if method == b"CONNECT" else b"/"
        client.send(h11.Request(method=method, target=target, headers=[(b"host", b"x")]))
        client.receive_data(block)
        answer = client.next_event()
        if not isinstance(answer, h11.Response | h11.InformationalResponse):
            return _lenient(block)
        return Head(kind, b"", answer.status_code, dict(answer.headers), strict=True)
    server = h11.Connection(h11.SERVER)
    server.receive_data(block)
    request = server.next_event()
    if not isinstance(request, h11.Request):
        return _lenient(block)
    return Head(kind, request.method, 0, dict(request.headers), strict=True)


def _lenient(block: bytes) -> Head:
    lines = block.split(b"\n")
    first = lines[0].rstrip(b"\r")
    kind = kind_of(first)
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    words = first.split(b" ")
    status = 0
    if kind is Kind.RESPONSE:
        digits = words[1][:3] if len(words) > 1 else b""
        status = int(digits) if digits.isdigit() else 0
    return Head(kind, words[0] if kind is not Kind.RESPONSE else b"", status, headers, strict=False)


def _declared_body(head: Head) -> tuple[Body, int] | None:
    if b"chunked" in head.headers.get(b"transfer-encoding", b"").lower():
        return Body.CHUNKED, 0
    length = head.headers.get(b"content-length", b"")
    # A few servers list the same length twice.
    length = length.split(b",")[-1].strip()
    if length.isdigit():
        size = int(length.lstrip(b"0")[:MAX_LENGTH_DIGITS] or b"0")
        return (Body.LENGTH, size) if size else (Body.NONE, 0)
    return None


def _request_body(head: Head) -> tuple[Body, int]:
    return _declared_body(head) or (Body.NONE, 0)


def _response_body(head: Head, method: bytes) -> tuple[Body, int]:
    if head.status == 101 or (method == b"CONNECT" and 200 <= head.status < 300):
        return Body.TUNNEL, 0
    if method == b"HEAD" or head.status in {204, 304} or 100 <= head.status < 200:
        return Body.NONE, 0
    return _declared_body(head) or (Body.UNTIL_CLOSE, 0)
