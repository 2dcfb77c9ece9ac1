"""The traffic recordings as tables: what the packets say, beside what the server wrote down.

Between `faltcon.traffic`, which knows captures, and the chapter on repetition,
which knows scenarios. Figures of section 2.2.1 of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from faltcon import paths, provenance
from faltcon.errors import FormatError
from faltcon.files import open_binary, reading
from faltcon.traffic.mining import Mined, mine
from faltcon.traffic.pairs import Count, WindowKind, key_codes, repetition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "Recording",
    "arrivals",
    "load",
    "page_loads",
    "pairs_by_threshold",
    "read_access_log",
    "repeated_share",
    "summary",
    "transactions",
]

EXPERIMENT = "traffic"
CAPTURE = "capture.pcap.zst"
ACCESS_LOG = "access.log.zst"
_LOG_FIELDS = 8  # before the request line, which is in quotes


@dataclass(frozen=True)
class Recording:
    """One recorded scenario.

    protocol: h1close, h1keepalive, h2c or h2tls. client: the program that made
    the load (the last part of the scenario's name). log: the server's own
    account, a row a request with columns time_s, connection, request_of_connection
    and path.
    """

    run: str
    origin: str
    protocol: str
    client: str
    description: str
    mined: Mined
    log: pd.DataFrame


def load(root: Path | None = None) -> list[Recording]:
    """Every traffic recording under data/raw (or root), in order of its name.

    Raises UsageError where there are none and InputError for one that cannot be read.
    """
    folders = provenance.runs(paths.raw_dir() if root is None else root, EXPERIMENT)
    return [_read(folder) for folder in folders]


def _read(folder: Path) -> Recording:
    document = provenance.load(folder)
    protocol = document["parameters"].get("protocol")
    if protocol is None:
        raise FormatError(folder / provenance.FILE_NAME, "says no protocol")
    return Recording(
        run=folder.name,
        origin=document["origin"],
        protocol=str(protocol),
        client=folder.name.rpartition("-")[2],
        description=document["description"],
        mined=mine(folder / CAPTURE),
        log=read_access_log(folder / ACCESS_LOG),
    )


def read_access_log(file: Path) -> pd.DataFrame:
    """The server's log: time_s, connection, request_of_connection and path of each request.

    A line is `time address port connection request_of_connection protocol
    status bytes "METHOD path protocol"`. Raises FormatError naming the line
    that is not so.
    """
    rows = []
    with reading(file), open_binary(file) as stream:
        for number, line in enumerate(stream.read().decode("utf-8", "replace").splitlines(), 1):
            fields = line.split(" ", _LOG_FIELDS)
            try:
                path = fields[_LOG_FIELDS].strip('"').split(" ")[1]
                rows.append((float(fields[0]), int(fields[3]), int(fields[4]), path))
            except (IndexError, ValueError) as error:
                problem = "is no log of the lab's server"
                raise FormatError(file, problem, place=f"line {number}") from error
    return pd.DataFrame(rows, columns=["time_s", "connection", "request_of_connection", "path"])


def transactions(recordings: Iterable[Recording]) -> pd.DataFrame:
    """Transactions of each connection that carried any.

    Columns run, protocol, client, transactions (at least 1) and source.
    source: "packets" where the capture shows them, "server's log" where TLS
    hides them.
    """
    rows: list[dict[str, object]] = []
    for recording in recordings:
        if recording.protocol == "h2tls":
            counts = recording.log.groupby("connection").size().to_numpy()
            source = "server's log"
        else:
            table = recording.mined.tables.connections
            column = "http2_streams" if recording.protocol == "h2c" else "http1_requests"
            counts = table[column].to_numpy()
            counts, source = counts[counts > 0], "packets"
        rows += [
            {
                "run": recording.run,
                "protocol": recording.protocol,
                "client": recording.client,
                "transactions": int(number),
                "source": source,
            }
            for number in counts
        ]
    return pd.DataFrame(rows, columns=["run", "protocol", "client", "transactions", "source"])


def summary(recordings: Iterable[Recording]) -> pd.DataFrame:
    """One row a recording, the packets' counts beside the server's.

    Columns run, connections (established), f_keys, requests_packets (null
    under TLS), requests_server, single_share (0 to 1, of connections with
    transactions), repeated_share (0 to 1; see repeated_share, k_t = 1 and 5 s).
    """
    rows = []
    for recording in recordings:
        table = recording.mined.tables.connections
        counts = transactions([recording])["transactions"]
        hidden = recording.protocol == "h2tls"
        seen = int(counts.sum())
        times, keys = arrivals(recording)
        rows.append(
            {
                "run": recording.run,
                "connections": int(table["established"].to_numpy(zero_copy_only=False).sum()),
                "f_keys": len(np.unique(keys)),
                "requests_packets": None if hidden else seen,
                "requests_server": len(recording.log),
                "single_share": float((counts == 1).mean()),
                "repeated_share": repeated_share(times, keys, k_t=1, window_ns=5 * 10**9),
            }
        )
    return pd.DataFrame(rows)


def repeated_share(
    times_ns: NDArray[np.int64], keys: NDArray[np.int64], *, k_t: int, window_ns: int
) -> float:
    """Share of connections that find their pair to be an f-pair already (0 to 1; NaN for none).

    times_ns, keys: shape (n,), a connection's SYN and the number of its f-key.
    A connection counts when more than k_t earlier connections of its key lie
    within the window before it (sliding, section 3.1.1): the most that
    FALTCON could serve from its archive.
    """
    if not len(times_ns):
        return float("nan")
    order = np.lexsort((times_ns, keys))
    times, sorted_keys = times_ns[order], keys[order]
    back = k_t + 1
    if len(times) <= back:
        return 0.0
    same = sorted_keys[back:] == sorted_keys[:-back]
    near = times[back:] - times[:-back] <= window_ns
    return float((same & near).sum() / len(times))


def pairs_by_threshold(
    recording: Recording, thresholds: Sequence[int], window_ns: int
) -> pd.DataFrame:
    """f-pairs of a recording by threshold, kind of window and kind of count.

    Columns k_t, window_kind, count, f_pairs, as
    `faltcon.figures.traffic.f_pairs_by_threshold` takes them.
    """
    rows = [
        {
            "k_t": k_t,
            "window_kind": kind,
            "count": count,
            "f_pairs": repetition(
                recording.mined.tables.connections,
                k_t=k_t,
                window_ns=window_ns,
                kind=kind,
                count=count,
                start_ns=recording.mined.first_tcp_ns,
            ).f_pairs,
        }
        for k_t in thresholds
        for kind in get_args(WindowKind)
        for count in get_args(Count)
    ]
    return pd.DataFrame(rows)


def page_loads(recording: Recording) -> pd.DataFrame:
    """What each load of a page took, by the server's log: page, connections, requests.

    A load begins with the request of an .html file; the recorded browser opens
    one page after the other. A connection counts for each load that uses it.
    """
    log = recording.log.sort_values("time_s", kind="stable")
    log = log.assign(load=log["path"].str.endswith(".html").cumsum())
    pages = log.groupby("load")["path"].first().str.strip("/").str.removesuffix(".html")
    loads = log.groupby("load").agg(
        connections=("connection", "nunique"), requests=("path", "size")
    )
    loads.insert(0, "page", pages)
    return loads.reset_index(drop=True)


def arrivals(recording: Recording) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """SYN times and key numbers of the established connections."""
    table = recording.mined.tables.connections
    chosen = table.filter(table["established"])
    return chosen["syn_ns"].to_numpy().astype(np.int64), key_codes(chosen)
