"""TLS: told apart by its records; server name and ALPN from the hellos, nothing decrypted.

Source: RFC 8446, RFC 6066 (SNI), RFC 7301 (ALPN), RFC 6101 appendix E (the SSL 2 hello).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["HelloReader", "Hellos", "alpn_names", "begins_handshake", "begins_record"]

HANDSHAKE, CLIENT_HELLO, SERVER_HELLO = 22, 1, 2
RECORD_TYPES = frozenset((20, 21, 22, 23, 24))
MAX_RECORD_BYTES = (1 << 14) + 2048
# Hellos are small; more is not kept.
MAX_HELLO_BYTES = 1 << 16
SNI, ALPN = 0, 16


@dataclass(slots=True)
class Hellos:
    """What the two hellos of a connection said; empty where they did not.

    `client_seen` and `server_seen` say whether each hello itself was captured.
    """

    client_seen: bool = False
    server_seen: bool = False
    server_name: str = ""
    alpn_offered: str = ""
    alpn: str = ""


def begins_record(data: bytes) -> bool:
    """Whether these bytes begin with the header of a TLS (or SSL 3) record."""
    if len(data) < 5 or data[0] not in RECORD_TYPES or data[1] != 3 or data[2] > 4:
        return False
    return 0 < (data[3] << 8 | data[4]) <= MAX_RECORD_BYTES


def begins_handshake(data: bytes) -> bool:
    """Whether these bytes begin with a hello: a handshake record, or SSL 2's client hello."""
    if begins_record(data) and data[0] == HANDSHAKE and len(data) > 5:
        return data[5] in {0, CLIENT_HELLO, SERVER_HELLO, 11, 16}
    return (
        len(data) > 10
        and data[0] & 0xC0 == 0x80
        and data[2] == 1
        and data[3] in {0, 3}
        and (data[3] == 3 or data[4] == 2)
        and (data[0] & 0x3F) << 8 | data[1] >= 9
        and (data[5] << 8 | data[6]) % 3 == 0
    )


class HelloReader:
    """Reads one direction up to its hello. A Reader of reassembly."""

    def __init__(self, hellos: Hellos) -> None:
        self._hellos = hellos
        self._records = bytearray()
        self._done = False
        self._needed = 6

    def resume(self) -> None:
        """Go on behind the hello, which another reader read."""
        self._done = True

    def data(self, piece: bytes, time_ns: int) -> None:
        """The next bytes; after the hello they are dropped."""
        del time_ns
        if self._done:
            return
        self._records += piece
        # The hello is tried again only when the bytes that it lacked may be there.
        if len(self._records) >= self._needed:
            self._try(cut=False)

    def gap(self, size: int, time_ns: int, *, cut: bool) -> None:
        """A hello that the capture cut still says what it is; one with a hole is lost."""
        del size, time_ns
        if not self._done and cut and self._records:
            self._try(cut=True)
        self._end()

    def _try(self, *, cut: bool) -> None:
        message = bytearray()
        place = 0
        while place + 5 <= len(self._records) and self._records[place] == HANDSHAKE:
            size = self._records[place + 3] << 8 | self._records[place + 4]
            message += self._records[place + 5 : place + 5 + size]
            place += 5 + size
        self._needed = place + 5 if place <= len(self._records) else place
        wanted = 4 + int.from_bytes(message[1:4], "big") if len(message) >= 4 else 4
        if self._records[0] & 0x80:
            self._hellos.client_seen = True
            self._end()
        elif message and (cut or len(message) >= wanted):
            self._hello(bytes(message[:wanted]))
            self._end()
        elif place < len(self._records) - 5 or len(self._records) > MAX_HELLO_BYTES:
            self._end()

    def _end(self) -> None:
        self._done = True
        self._records.clear()

    def _hello(self, message: bytes) -> None:
        self._hellos.client_seen |= message[0] == CLIENT_HELLO
        self._hellos.server_seen |= message[0] == SERVER_HELLO
        try:
            if message[0] == CLIENT_HELLO:
                self._client(message)
            elif message[0] == SERVER_HELLO:
                place = 38 + 1 + message[38]
                self._extensions(message, place + 3, offered=False)
        except (IndexError, struct.error):
            return

    def _client(self, message: bytes) -> None:
        place = 38 + 1 + message[38]
        place += 2 + struct.unpack_from(">H", message, place)[0]
        place += 1 + message[place]
        self._extensions(message, place, offered=True)

    def _extensions(self, message: bytes, place: int, *, offered: bool) -> None:
        end = place + 2 + struct.unpack_from(">H", message, place)[0]
        place += 2
        while place + 4 <= min(end, len(message)):
            kind, size = struct.unpack_from(">HH", message, place)
            body = message[place + 4 : place + 4 + size]
            if kind == SNI and offered and len(body) > 5:
                self._hellos.server_name = body[5:].decode("ascii", "replace")
            elif kind == ALPN and len(body) > 3:
                names = ",".join(alpn_names(body[2:]))
                if offered:
                    self._hellos.alpn_offered = names
                else:
                    self._hellos.alpn = names
            place += 4 + size


def alpn_names(body: bytes) -> list[str]:
    """The names of an ALPN list, its own length left out."""
    names: list[str] = []
    place = 0
    while place < len(body):
        size = body[place]
        names.append(body[place + 1 : place + 1 + size].decode("ascii", "replace"))
        place += 1 + size
    return names
