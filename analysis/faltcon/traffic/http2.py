"""HTTP/2 in clear text: frames by hyperframe, header blocks by hpack.

Source: RFC 9113. One reader a direction; a stream counts when its request's
HEADERS frame is seen. Where bytes are missing the header compression state is
lost: streams still count by their frames, methods and statuses become unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Decoder
from hpack.exceptions import HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    HeadersFrame,
    PushPromiseFrame,
)

from faltcon.traffic.http1 import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

HeaderFrame = HeadersFrame | PushPromiseFrame | ContinuationFrame

__all__ = ["PREFACE", "Connection", "FrameReader"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_BYTES = 9
# Longer frames are not buffered: hostile lengths must not cost memory.
MAX_FRAME_BYTES = 1 << 20
MAX_HEADER_BLOCK_BYTES = 1 << 20
MAX_TABLE_BYTES = 1 << 20


class Connection:
    """The streams of one HTTP/2 connection, filled by its two readers."""

    def __init__(self) -> None:
        self.transactions: dict[int, Transaction] = {}
        self.damaged = False

    @property
    def streams(self) -> int:
        """Number of streams whose request was seen."""
        return sum(row.complete for row in self.transactions.values())

    def headers(
        self, stream: int, fields: Iterable[tuple[str, str]] | None, time_ns: int, *, client: bool
    ) -> None:
        """A header block of a stream; `fields` is None where compression state is lost.

        A promised request (server push) makes a row, but counts for no stream:
        nobody asked.
        """
        known = dict(fields) if fields is not None else None
        row = self.transactions.get(stream)
        asks = ":method" in known if known is not None else client
        if asks and (row is None or row.request_ns is None):
            row = row or self.transactions.setdefault(stream, Transaction("http2", stream))
            row.request_ns = time_ns
            row.method = (known or {}).get(":method", "")
            row.complete = client
        elif known is not None and ":status" in known:
            status = known[":status"]
            code = int(status) if status.isdigit() and len(status) <= 3 else 0
            if 100 <= code < 200:
                return
            row = row or self.transactions.setdefault(stream, Transaction("http2", stream))
            row.status, row.response_ns = code, time_ns
        elif known is None and row is not None and row.response_ns is None and not client:
            row.response_ns = time_ns


class FrameReader:
    """Reads one direction's frames. A Reader of reassembly."""

    def __init__(self, connection: Connection, *, client: bool) -> None:
        self._connection = connection
        self._client = client
        self._buffer = bytearray()
        self._skip = 0
        self._decoder: Decoder | None = Decoder()
        self._decoder.max_allowed_table_size = MAX_TABLE_BYTES
        self._block = bytearray()
        self._block_stream = 0
        self._preface_done = not client
        self._lost = False

    def data(self, piece: bytes, time_ns: int) -> None:
        """The next bytes of this direction."""
        if self._lost:
            return
        if self._skip >= len(piece):
            self._skip -= len(piece)
            return
        self._buffer += piece[self._skip :]
        self._skip = 0
        if not self._preface_done and not self._preface():
            return
        while len(self._buffer) >= FRAME_HEADER_BYTES:
            if not self._frame(time_ns):
                return

    def gap(self, size: int, time_ns: int, *, cut: bool) -> None:
        """Bytes are missing: inside a frame's data that is harmless, elsewhere all is lost."""
        del time_ns, cut
        if self._skip >= size:
            self._skip -= size
            return
        self._lose()

    def _lose(self) -> None:
        self._lost = self._connection.damaged = True
        self._buffer.clear()
        self._block.clear()

    def _preface(self) -> bool:
        if len(self._buffer) < len(PREFACE):
            return False
        if self._buffer.startswith(PREFACE):
            del self._buffer[: len(PREFACE)]
        self._preface_done = True
        return True

    def _frame(self, time_ns: int) -> bool:
        """Read one frame; false when it is not all there."""
        try:
            head = memoryview(bytes(self._buffer[:FRAME_HEADER_BYTES]))
            frame, size = Frame.parse_frame_header(head)
        except (HyperframeError, ValueError):
            # A known frame kind on a stream where it may not be: drop it, as an end would.
            return self._drop(int.from_bytes(self._buffer[:3], "big"))
        if not isinstance(frame, HeaderFrame):
            return self._drop(size)
        if size > MAX_FRAME_BYTES:
            self._decoder, self._connection.damaged = None, True
            return self._drop(size)
        if len(self._buffer) < FRAME_HEADER_BYTES + size:
            return False
        body = bytes(self._buffer[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + size])
        del self._buffer[: FRAME_HEADER_BYTES + size]
        try:
            frame.parse_body(memoryview(body))
        except HyperframeError:
            self._connection.damaged = True
            return True
        self._header_frame(frame, time_ns)
        return True

    def _drop(self, size: int) -> bool:
        have = min(len(self._buffer) - FRAME_HEADER_BYTES, size)
        del self._buffer[: FRAME_HEADER_BYTES + have]
        self._skip = size - have
        return not self._skip

    def _header_frame(self, frame: HeaderFrame, time_ns: int) -> None:
        if not isinstance(frame, ContinuationFrame):
            self._block.clear()
            if isinstance(frame, PushPromiseFrame):
                self._block_stream = frame.promised_stream_id
            else:
                self._block_stream = frame.stream_id
        self._block += frame.data
        if len(self._block) > MAX_HEADER_BLOCK_BYTES:
            self._block.clear()
            self._decoder, self._connection.damaged = None, True
        if "END_HEADERS" in frame.flags:
            fields = self._decode(bytes(self._block))
            self._block.clear()
            self._connection.headers(self._block_stream, fields, time_ns, client=self._client)

    def _decode(self, block: bytes) -> list[tuple[str, str]] | None:
        if self._decoder is None:
            return None
        try:
            fields = self._decoder.decode(block, raw=True)
        except (HPACKError, ValueError):
            self._decoder, self._connection.damaged = None, True
            return None
        return [
            (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
            for name, value, *_ in fields
        ]
