"""perf.data files made by hand, for tests of the readers."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import zstandard

IP, TID, TIME, ID, CPU, PERIOD, CALLCHAIN, READ = 1, 2, 4, 64, 128, 256, 32, 16
IDENTIFIER = 1 << 16
USUAL = IP | TID | TIME | ID | CPU | PERIOD | CALLCHAIN
KERNEL, USER = (1 << 64) - 128, (1 << 64) - 512
KALLSYMS = (
    "ffffffff81000000 T _text\n"
    "ffffffff81000000 T startup\n"
    "ffffffff81000100 t tcp_ack\n"
    "ffffffff81000200 T tcp_rcv_established\n"
    "ffffffff81000300 W tcp_v4_rcv_weak\n"
    "ffffffff81000300 T tcp_v4_rcv\n"
    "ffffffff81000400 T ip_rcv\n"
    "ffffffff81000500 r data_only\n"
    "ffffffffc0000000 t veth_poll\t[veth]\n"
    "ffffffffc0000100 t veth_end\t[veth]\n"
)


def attr(sample_type: int = USUAL, read_format: int = 0, config: int = 0) -> bytes:
    flags = 1 << 18  # sample_id_all
    head = struct.pack("<IIQQQQQ", 1, 128, config, 1000, sample_type, read_format, flags)
    return head.ljust(128, b"\0")


def record(kind: int, body: bytes, misc: int = 0) -> bytes:
    body += b"\0" * (-len(body) % 8)
    return struct.pack("<IHH", kind, misc, 8 + len(body)) + body


@dataclass
class Writer:
    """Collects records of one layout and wraps them into a file or a pipe's stream."""

    sample_type: int = USUAL
    ids: tuple[int, ...] = (7,)
    names: tuple[str, ...] = ("cpu-clock",)
    read_format: int = 0
    records: list[bytes] = field(default_factory=list)

    def tail(self, pid: int, tid: int, time: int) -> bytes:
        parts = b""
        if self.sample_type & TID:
            parts += struct.pack("<ii", pid, tid)
        if self.sample_type & TIME:
            parts += struct.pack("<Q", time)
        if self.sample_type & ID:
            parts += struct.pack("<Q", self.ids[0])
        if self.sample_type & CPU:
            parts += struct.pack("<II", 0, 0)
        if self.sample_type & IDENTIFIER:
            parts += struct.pack("<Q", self.ids[0])
        return parts

    def side(self, kind: int, body: bytes, time: int, misc: int = 0) -> None:
        body += b"\0" * (-len(body) % 8)
        self.records.append(record(kind, body + self.tail(1, 1, time), misc))

    def comm(self, pid: int, tid: int, name: str, time: int = 0) -> None:
        self.side(3, struct.pack("<ii", pid, tid) + name.encode() + b"\0", time)

    def fork(self, pid: int, parent: int, tid: int, parent_tid: int, time: int = 0) -> None:
        self.side(7, struct.pack("<iiiiQ", pid, parent, tid, parent_tid, time), time)

    def kernel(self, reference: int = 0xFFFFFFFF81000000) -> None:
        body = struct.pack("<iiQQQ", -1, 0, 0xFFFFFFFF81000000, 0x400000, reference)
        self.side(1, body + b"[kernel.kallsyms]_text\0", 0, misc=1)

    def mmap2(self, pid: int, start: int, length: int, name: str, time: int = 0) -> None:
        body = struct.pack("<iiQQQ", pid, pid, start, length, 0)
        body += struct.pack("<IIQQII", 0, 0, 0, 0, 5, 2)
        self.side(10, body + name.encode() + b"\0", time, misc=2)

    def lost(self, count: int) -> None:
        self.side(2, struct.pack("<QQ", 7, count), 5)

    def throttle(self) -> None:
        self.side(5, struct.pack("<QQQ", 5, 7, 7), 5)

    def sample(
        self,
        chain: list[int],
        *,
        pid: int = 10,
        tid: int = 11,
        time: int = 1_000_000_000,
        period: int = 100,
        event_id: int | None = None,
        cpu: int = 1,
    ) -> None:
        event_id = self.ids[0] if event_id is None else event_id
        body = b""
        if self.sample_type & IDENTIFIER:
            body += struct.pack("<Q", event_id)
        if self.sample_type & IP:
            body += struct.pack("<Q", chain[1] if len(chain) > 1 else 0)
        if self.sample_type & TID:
            body += struct.pack("<ii", pid, tid)
        if self.sample_type & TIME:
            body += struct.pack("<Q", time)
        if self.sample_type & ID:
            body += struct.pack("<Q", event_id)
        if self.sample_type & CPU:
            body += struct.pack("<II", cpu, 0)
        if self.sample_type & PERIOD:
            body += struct.pack("<Q", period)
        if self.sample_type & READ:
            # A group of two counters, each with its id.
            body += struct.pack("<QQQQQ", 2, 1, 7, 2, 8)
        if self.sample_type & CALLCHAIN:
            body += struct.pack(f"<Q{len(chain)}Q", len(chain), *chain)
        self.records.append(record(9, body, misc=1))

    def attrs(self) -> list[bytes]:
        return [attr(self.sample_type, self.read_format) for _ in self.ids]

    def file(self, *, packed: bool = False) -> bytes:
        """The form with a file header, with the OSRELEASE and EVENT_DESC features."""
        content = self._packed() if packed else b"".join(self.records)
        entries, ids, at = b"", b"", 104
        ids_at = at + 144 * len(self.ids)
        for one, attribute in zip(self.ids, self.attrs(), strict=True):
            entries += attribute + struct.pack("<QQ", ids_at + len(ids), 8)
            ids += struct.pack("<Q", one)
        start = ids_at + len(ids)
        features = {4: text("6.1.0-made"), 12: self._descriptions()}
        bits = [0, 0, 0, 0]
        for bit in features:
            bits[bit // 64] |= 1 << (bit % 64)
        header = b"PERFILE2" + struct.pack(
            "<8Q4Q", 104, 144, at, len(entries), start, len(content), 0, 0, *bits
        )
        sections, bodies = b"", b""
        place = start + len(content) + 16 * len(features)
        for bit in sorted(features):
            sections += struct.pack("<QQ", place + len(bodies), len(features[bit]))
            bodies += features[bit]
        return header + entries + ids + content + sections + bodies

    def pipe(self, *, packed: bool = False) -> bytes:
        """What `perf record -o -` writes."""
        parts = [b"PERFILE2" + struct.pack("<Q", 16)]
        for one, attribute in zip(self.ids, self.attrs(), strict=True):
            parts.append(record(64, attribute + struct.pack("<Q", one)))
        parts += [
            record(78, struct.pack("<QQ", 2, one) + name.encode() + b"\0")
            for one, name in zip(self.ids, self.names, strict=True)
        ]
        feature = struct.pack("<Q", 4) + text("6.1.0-made")
        parts.append(struct.pack("<IHH", 80, 0, 8 + len(feature)) + feature)
        parts.append(self._packed() if packed else b"".join(self.records))
        return b"".join(parts)

    def _descriptions(self) -> bytes:
        found = struct.pack("<II", len(self.ids), 128)
        for one, name, attribute in zip(self.ids, self.names, self.attrs(), strict=True):
            found += attribute + struct.pack("<I", 1) + text(name) + struct.pack("<Q", one)
        return found

    def _packed(self) -> bytes:
        """One zstd stream cut into records at odd places, as perf's buffers do."""
        packer = zstandard.ZstdCompressor().compressobj()
        content = b"".join(self.records)
        found = b""
        for at in range(0, len(content), 1001):
            piece = packer.compress(content[at : at + 1001])
            piece += packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            found += struct.pack("<IHH", 81, 0, 8 + len(piece)) + piece
        return found


def text(value: str) -> bytes:
    encoded = value.encode().ljust(64, b"\0")
    return struct.pack("<I", len(encoded)) + encoded
