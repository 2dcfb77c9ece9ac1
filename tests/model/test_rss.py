from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import UsageError
from faltcon.model import Flow, Steering, indirection_table, rss_hash, steer, toeplitz
from faltcon.model.rss import MICROSOFT_KEY

# "Verifying the RSS Hash Calculation" of Microsoft's driver documentation:
# source, destination, hash of the addresses, hash with the ports.
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
    (
        "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
        44251,
        "fe80::200:f8ff:fe21:67cf",
        38024,
        0x4B61E985,
        0x02D1FEEF,
    ),
]

ports = st.integers(0, 65535)
addresses = st.ip_addresses(v=4).map(str)
flows = st.builds(Flow, addresses, addresses, ports, ports)


@pytest.mark.parametrize(("source", "sport", "dest", "dport", "by_address", "by_port"), VECTORS)
def test_rss_hash__microsofts_vectors(  # noqa: PLR0917  one row of Microsoft's table
    source: str, sport: int, dest: str, dport: int, by_address: int, by_port: int
) -> None:
    flow = Flow(source, dest, sport, dport)
    assert rss_hash(flow, ports=False) == by_address
    assert rss_hash(flow) == by_port


@given(st.binary(max_size=36), st.binary(max_size=36))
def test_toeplitz__is_linear(a: bytes, b: bytes) -> None:
    size = max(len(a), len(b))
    a, b = a.ljust(size, b"\0"), b.ljust(size, b"\0")
    xor = bytes(x ^ y for x, y in zip(a, b, strict=True))
    assert toeplitz(xor) == toeplitz(a) ^ toeplitz(b)


def test_toeplitz__refuses_what_its_key_cannot_hash() -> None:
    assert toeplitz(bytes(36)) == 0
    with pytest.raises(UsageError, match="at most 36"):
        toeplitz(bytes(37))
    assert toeplitz(b"\x80", MICROSOFT_KEY) == 0x6D5A56DA


def test_indirection_table__cpus_in_turn() -> None:
    assert indirection_table(3, 8) == (0, 1, 2, 0, 1, 2, 0, 1)
    with pytest.raises(UsageError, match="power of two"):
        indirection_table(2, 12)


@given(flows, st.integers(1, 64))
def test_steer__rss_is_the_table_at_the_hash(flow: Flow, cpus: int) -> None:
    assert steer(flow, cpus) == rss_hash(flow) % 128 % cpus
    assert steer(flow, cpus, Steering.RSS_ADDRESSES) == rss_hash(flow, ports=False) % 128 % cpus


@given(flows, st.integers(1, 64), ports)
def test_steer__by_f_key_the_client_port_does_not_matter(flow: Flow, cpus: int, port: int) -> None:
    other = Flow(flow.client_ip, flow.server_ip, port, flow.server_port)
    cpu = steer(flow, cpus, Steering.F_KEY)
    assert cpu == steer(other, cpus, Steering.F_KEY)
    assert 0 <= cpu < cpus


def test_steer__rss_spreads_the_ports_of_one_client() -> None:
    used = [0] * 8
    for port in range(32768, 32768 + 8000):
        used[steer(Flow("10.0.0.1", "10.0.1.1", port, 80), 8)] += 1
    assert min(used) > 900
    assert max(used) < 1100


@given(flows, st.integers(1, 64), st.integers(0, 1000))
def test_steer__round_robin_ignores_the_flow(flow: Flow, cpus: int, packet: int) -> None:
    assert steer(flow, cpus, Steering.ROUND_ROBIN, packet) == packet % cpus
