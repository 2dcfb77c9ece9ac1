"""HTTP inside TLS, for captures whose secrets are known: tshark decrypts, our readers read.

Secrets come from a key log (the SSLKEYLOGFILE of browsers and curl) or from the
decryption-secrets blocks of a pcapng file. tshark is asked for the plain bytes
alone: they go through the same readers as HTTP without TLS, so both are
counted by the same rules. A connection of which a byte is missing is left out,
because what follows a hole may be anything; `skipped` counts those.
"""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from bisect import bisect_right
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from faltcon.errors import MissingToolError, ToolFailedError, UsageError
from faltcon.files import reading
from faltcon.traffic.pcap import STDIN
from faltcon.traffic.protocols import Application
from faltcon.traffic.tables import TRANSACTIONS, Tables, transaction_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faltcon.traffic.engines import Miner
    from faltcon.traffic.mining import Mined

__all__ = ["WITH_HOLES", "decrypting", "with_plaintext"]

TSHARK = "tshark"
WITH_HOLES = "TLS connection with missing bytes: not decrypted (connections)"
# What is inside TLS must stay bytes: no dissector of these may take it.
NOT_DISSECTED = ("http", "http2", "http3", "websocket", "grpc")
FIELDS = (
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "data.data",
)
# An end of a connection, and both.
End = tuple[str, int]
Ends = tuple[End, End]


def decrypting(mine: Miner, keylog: str | Path | None) -> Miner:
    """A miner that also reads what is inside TLS; without a key log with the file's own secrets.

    Raises MissingToolError without tshark, and InputError for a key log that
    cannot be read.
    """
    if which(TSHARK) is None:
        raise MissingToolError(TSHARK, TSHARK)
    if keylog is not None:
        with reading(keylog), Path(keylog).open("rb"):
            pass

    def decrypted(file: str | Path, **options: Any) -> Mined:
        if str(file) == STDIN:
            raise UsageError("decrypting reads a capture twice: name a file, not standard input")
        return with_plaintext(file, mine(file, **options), keylog)

    return decrypted


def with_plaintext(file: str | Path, mined: Mined, keylog: str | Path | None) -> Mined:
    """The tables of a capture with the HTTP transactions inside its TLS connections.

    Raises ToolFailedError where tshark fails.
    """
    rows = mined.tables.connections.to_pylist()
    starts: dict[Ends, list[tuple[int, int]]] = defaultdict(list)
    holes = 0
    for place, row in enumerate(rows):
        if row["gap_bytes"] or row["cut_bytes"] or row["limit_reached"]:
            holes += row["tls"]
            continue
        client = row["client_ip"], row["client_port"]
        server = row["server_ip"], row["server_port"]
        starts[client, server].append((row["first_ns"], place))
    for found in starts.values():
        found.sort()
    applications: dict[int, Application] = {}
    for time_ns, candidates, data in _plaintext(file, keylog, truncated=mined.truncated):
        for ends in candidates:
            side = 0 if ends in starts else 1
            begun = starts.get(ends if not side else (ends[1], ends[0]))
            if not begun:
                continue
            place = begun[max(0, bisect_right(begun, (time_ns, len(rows))) - 1)][1]
            # The ports are those of TLS: they say nothing of what is inside.
            application = applications.setdefault(place, Application((0, 0)))
            application.sides[side].data(data, time_ns)
            break
    return _joined(mined, applications, holes)


def _joined(mined: Mined, applications: dict[int, Application], holes: int) -> Mined:
    connections = mined.tables.connections
    numbers = connections["connection"].to_pylist()
    counts = {name: connections[name].to_pylist() for name in ("http1_requests", "http2_streams")}
    added: list[dict[str, Any]] = []
    for place, application in sorted(applications.items()):
        application.finish()
        counts["http1_requests"][place] += application.requests
        counts["http2_streams"][place] += application.streams
        added += [transaction_row(numbers[place], one) for one in application.transactions]
    for name, values in counts.items():
        at = connections.schema.get_field_index(name)
        field = connections.schema.field(at)
        connections = connections.set_column(at, field, pa.array(values, field.type))
    transactions = pa.concat_tables(
        [mined.tables.transactions, pa.Table.from_pylist(added, schema=TRANSACTIONS)]
    )
    skipped = mined.skipped.copy()
    if holes:
        skipped[WITH_HOLES] = holes
    return dataclasses.replace(mined, tables=Tables(connections, transactions), skipped=skipped)


def _plaintext(
    file: str | Path, keylog: str | Path | None, *, truncated: bool
) -> Iterator[tuple[int, list[Ends], bytes]]:
    """Decrypted bytes in order: when, from which end to which (candidates), and the bytes."""
    command = [TSHARK, "-n", "-r", str(file), "-o", "tcp.reassemble_out_of_order:TRUE"]
    if keylog is not None:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    for name in NOT_DISSECTED:
        command += ["--disable-protocol", name]
    command += ["-Y", "tls && data", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    for name in FIELDS:
        command += ["-e", name]
    with tempfile.TemporaryFile() as complaints:
        # Leaving the block early closes the pipe, which ends the child.
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as child:
            for line in child.stdout or ():
                found = _line(line.decode("ascii", "replace").rstrip("\n"))
                if found is not None:
                    yield found
        # It says so too when the capture ends in the middle of a packet.
        if child.returncode and not truncated:
            complaints.seek(0)
            said = complaints.read().decode("utf-8", "replace")
            raise ToolFailedError([TSHARK, "-r", str(file)], child.returncode, said)


def _line(line: str) -> tuple[int, list[Ends], bytes] | None:
    """One line of tshark's answer; None where it lacks an address (not TCP over IP)."""
    when, source4, target4, source6, target6, sport, dport, data = line.split("\t")
    seconds, _, fraction = when.partition(".")
    time_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
    ends: list[Ends] = []
    for sources, targets in ((source6, target6), (source4, target4)):
        if sources and targets and sport and dport:
            # Of a tunnel's addresses the innermost, which comes last.
            source, target = (str(ip_address(one.split(",")[-1])) for one in (sources, targets))
            ports = [int(one.split(",")[-1]) for one in (sport, dport)]
            ends.append(((source, ports[0]), (target, ports[1])))
    if not ends:
        return None
    return time_ns, ends, bytes.fromhex(data.replace(",", "").replace(":", ""))
