"""HTTP/1.x message heads: what a first line says, what a head declares.

h11 reads each head. Real traffic holds heads that h11 refuses (a request line
without a version, a header without a name, bare line feeds); a lenient reader
takes those, and says so (`strict` is false).

Methods are those of the IANA registry that Wireshark counts as requests, so
that the two can be compared; NOTIFY, SUBSCRIBE and UNSUBSCRIBE are
announcements there and here. Bodies are delimited as in RFC 9112 section 6.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import h11

__all__ = [
    "ANNOUNCEMENTS",
    "LONGEST_METHOD",
    "METHODS",
    "Body",
    "Head",
    "Kind",
    "begins_message",
    "is_http1",
    "kind_of",
    "lenient_head",
    "read_head",
    "request_body",
    "response_body",
]

METHODS = frozenset(
    b"GET PUT COPY HEAD LOCK MOVE POLL POST BCOPY BMOVE MKCOL TRACE PATCH LABEL MERGE DELETE "
    b"SEARCH UNLOCK REPORT UPDATE BDELETE CONNECT OPTIONS CHECKIN PROPFIND CHECKOUT CCM_POST "
    b"PROPPATCH BPROPFIND BPROPPATCH UNCHECKOUT MKACTIVITY MKWORKSPACE RPC_CONNECT RPC_IN_DATA "
    b"RPC_OUT_DATA VERSION-CONTROL BASELINE-CONTROL SSTP_DUPLEX_POST".split()
)
ANNOUNCEMENTS = frozenset((b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE"))
LONGEST_METHOD = max(map(len, METHODS))
# Lengths of more digits cannot end within any capture; int() of hostile ones is slow.
MAX_LENGTH_DIGITS = 18


class Kind(enum.Enum):
    """What a message's first line says it is."""

    REQUEST = "request"
    RESPONSE = "response"
    ANNOUNCEMENT = "announcement"
    NEITHER = "neither"


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


def read_head(block: bytes, awaited_method: bytes) -> Head:
    """The head that these bytes are; `awaited_method` is that of the request it may answer."""
    try:
        return _strict(block, awaited_method)
    except h11.ProtocolError:
        return lenient_head(block)


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
            return lenient_head(block)
        return Head(kind, b"", answer.status_code, dict(answer.headers), strict=True)
    server = h11.Connection(h11.SERVER)
    server.receive_data(block)
    request = server.next_event()
    if not isinstance(request, h11.Request):
        return lenient_head(block)
    return Head(kind, request.method, 0, dict(request.headers), strict=True)


def lenient_head(block: bytes) -> Head:
    """The head that these bytes are, whatever is wrong with them."""
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


def request_body(head: Head) -> tuple[Body, int]:
    """How a request's body is delimited, and its bytes where that is a length."""
    return _declared_body(head) or (Body.NONE, 0)


def response_body(head: Head, method: bytes) -> tuple[Body, int]:
    """The same of a response to a request of this method."""
    if head.status == 101 or (method == b"CONNECT" and 200 <= head.status < 300):
        return Body.TUNNEL, 0
    if method == b"HEAD" or head.status in {204, 304} or 100 <= head.status < 200:
        return Body.NONE, 0
    return _declared_body(head) or (Body.UNTIL_CLOSE, 0)
