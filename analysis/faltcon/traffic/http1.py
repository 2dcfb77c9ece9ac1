"""HTTP/1.x: one direction's bytes to message heads, and two directions to transactions.

http1_head.py reads the heads. Where bytes are missing, or where what should be
a head is none, reading goes on at the next segment that begins with a request
or status line.
"""

from __future__ import annotations

import string
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from faltcon.traffic.http1_head import (
    LONGEST_METHOD,
    Body,
    Head,
    Kind,
    kind_of,
    lenient_head,
    read_head,
    request_body,
    response_body,
)

__all__ = ["Conversation", "MessageReader", "Transaction"]

PRINTABLE = frozenset(range(0x20, 0x7F))
HEX_DIGITS = frozenset(string.hexdigits.encode())
# A head that does not end within so many bytes is no head.
MAX_HEAD_BYTES = 1 << 20


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


class Owner(Protocol):
    """Takes what follows the end of HTTP/1 in a direction."""

    def after_http1(self, piece: bytes, time_ns: int) -> None:
        """The next bytes."""


class MessageReader:
    """Cuts one direction's bytes into messages. A Reader of reassembly.

    `conversation` takes the heads; `owner` is given the bytes that follow the
    end of HTTP/1 in this direction.
    """

    def __init__(self, conversation: Conversation, owner: Owner | None = None) -> None:
        self._conversation = conversation
        self._owner = owner
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
            head = lenient_head(line.rstrip(b"\r"))
            if head.kind is Kind.REQUEST:
                self._current = self._conversation.request(head, self._buffer_ns)
            elif head.kind is Kind.RESPONSE:
                self._conversation.response(head, self._buffer_ns)

    def _tunnel(self, piece: bytes, time_ns: int) -> None:
        if self._owner is not None:
            self._owner.after_http1(piece, time_ns)

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
        self._message(read_head(block, self._conversation.awaited_method))
        return True

    def _message(self, head: Head) -> None:
        conversation = self._conversation
        if head.kind is Kind.REQUEST:
            self._current = conversation.request(head, self._buffer_ns)
            self._body, self._left = request_body(head)
            if self._body is Body.NONE:
                self._complete()
        elif head.kind is Kind.RESPONSE:
            method = conversation.awaited_method
            conversation.response(head, self._buffer_ns)
            self._body, self._left = response_body(head, method)
            if self._body is Body.TUNNEL:
                self._body = Body.NONE
                upgrade = head.headers.get(b"upgrade", b"").strip().lower()
                conversation.upgraded = (
                    "connect" if head.status != 101 else upgrade.decode("latin-1") or "unknown"
                )
        elif head.kind is Kind.ANNOUNCEMENT:
            self._body, self._left = request_body(head)
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
