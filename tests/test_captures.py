from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from faltcon import captures, paths
from faltcon.errors import FormatError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 10**9


@pytest.fixture(scope="module")
def recordings() -> list[captures.Recording]:
    try:
        return captures.load()
    except UsageError:
        pytest.skip(f"no traffic recordings under {paths.raw_dir()}")


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=40),
    st.integers(0, 4),
    st.integers(1, 20),
)
def test_repeated_share__counts_as_the_definition_says(
    arrivals: list[tuple[int, int]], k_t: int, window: int
) -> None:
    # Equal times would leave open which connection came first.
    arrivals = list({time: (time, key) for time, key in arrivals}.values())
    times = np.array([t for t, _ in arrivals], dtype=np.int64)
    keys = np.array([k for _, k in arrivals], dtype=np.int64)
    found = captures.repeated_share(times, keys, k_t=k_t, window_ns=window)
    served = sum(
        sum(key == other and 0 < time - before <= window for before, other in arrivals) > k_t
        for time, key in arrivals
    )
    if arrivals:
        assert found == pytest.approx(served / len(arrivals))
    else:
        assert np.isnan(found)


def log_file(folder: Path, *lines: str) -> Path:
    file = folder / "access.log.zst"
    file.write_bytes(zstandard.compress(("\n".join(lines) + "\n").encode()))
    return file


def test_read_access_log__reads_the_servers_lines(tmp_path: Path) -> None:
    line = '1.5 10.0.0.1 5000 7 2 HTTP/1.1 200 99 "GET /a b.css HTTP/1.1"'
    (row,) = captures.read_access_log(log_file(tmp_path, line)).itertuples(index=False)
    assert (row.time_s, row.connection, row.request_of_connection, row.path) == (1.5, 7, 2, "/a")


@pytest.mark.parametrize("line", ["", "x", '1.5 a 1 x 2 H 200 9 "GET /a H"', "1 2 3 4 5 6 7 8 9"])
def test_read_access_log__names_a_line_that_is_something_else(tmp_path: Path, line: str) -> None:
    good = '1.5 10.0.0.1 5000 7 2 HTTP/1.1 200 99 "GET /a HTTP/1.1"'
    with pytest.raises(FormatError, match="line 2"):
        captures.read_access_log(log_file(tmp_path, good, line))


def test_page_loads__begin_with_a_page(tmp_path: Path) -> None:
    lines = [
        f'{n}.0 10.0.0.1 5000 {connection} 1 HTTP/1.1 200 99 "GET {path} HTTP/1.1"'
        for n, (connection, path) in enumerate(
            [(1, "/a.html"), (2, "/a/x.css"), (2, "/a/y.js"), (1, "/b.html"), (3, "/b/x.css")]
        )
    ]
    log = captures.read_access_log(log_file(tmp_path, *lines))
    recording = captures.Recording("r", "o", "h1close", "c", "d", None, log)  # type: ignore[arg-type]
    expected = pd.DataFrame({"page": ["a", "b"], "connections": [2, 2], "requests": [3, 2]})
    pd.testing.assert_frame_equal(captures.page_loads(recording), expected)


def test_load__without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no recordings of traffic"):
        captures.load(tmp_path)


def test_summary__packets_never_show_more_requests_than_the_server_answered(
    recordings: list[captures.Recording],
) -> None:
    table = captures.summary(recordings).set_index("run")
    seen = table["requests_packets"].dropna()
    assert (seen <= table.loc[seen.index, "requests_server"]).all()
    # Stopping a capture may cost its last packets, never more than that.
    assert (seen >= 0.9 * table.loc[seen.index, "requests_server"]).all()


def test_transactions__closing_servers_serve_one_a_connection(
    recordings: list[captures.Recording],
) -> None:
    table = captures.transactions(recordings)
    assert (table.loc[table["protocol"] == "h1close", "transactions"] == 1).all()
    assert set(table.loc[table["protocol"] == "h2tls", "source"]) == {"server's log"}


def test_pairs_by_threshold__fall_as_the_threshold_grows(
    recordings: list[captures.Recording],
) -> None:
    clients = next(r for r in recordings if r.run == "h1close-clients")
    table = captures.pairs_by_threshold(clients, [1, 5, 20], 5 * SECOND)
    for _, part in table.groupby(["window_kind", "count"]):
        pairs = part.sort_values("k_t")["f_pairs"].to_numpy()
        assert (np.diff(pairs) <= 0).all()
        assert pairs[0] >= 1
