"""HTTP inside TLS, against the servers' own logs and against what was said."""

from __future__ import annotations

import contextlib
import re
import shutil
import ssl
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from faltcon.cli import run
from faltcon.errors import InputError, MissingToolError, UsageError
from faltcon.files import open_binary
from faltcon.traffic import decrypted, mining

RECORDINGS = Path(__file__).parents[2] / "data" / "raw" / "traffic"
LOGGED = re.compile(r'^\S+ (\S+) (\d+) \d+ \d+ (\S+) (\d+) \d+ "(\S+) ')
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def with_secrets(capture, secrets):
    """A classic capture (little-endian, microseconds) as pcapng that holds a TLS key log."""
    out = [
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack("<HHI", struct.unpack_from("<I", capture, 20)[0], 0, 0)),
        block(10, struct.pack("<II", 0x544C534B, len(secrets)) + secrets),
    ]
    place = 24
    while place < len(capture):
        seconds, rest, kept, size = struct.unpack_from("<IIII", capture, place)
        ticks = seconds * 10**6 + rest
        head = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, kept, size)
        out.append(block(6, head + capture[place + 16 : place + 16 + kept]))
        place += 16 + kept
    return b"".join(out)


def content(file):
    with open_binary(file) as stream:
        return stream.read()


def said(mined):
    """What the transactions say: client address and port, protocol, method, status."""
    ends = {
        row["connection"]: (row["client_ip"], str(row["client_port"]))
        for row in mined.tables.connections.to_pylist()
    }
    return Counter(
        (*ends[one["connection"]], one["protocol"], one["method"], str(one["status"]))
        for one in mined.tables.transactions.to_pylist()
        if one["complete"]
    )


@needs_tshark
@pytest.mark.parametrize("name", ["h2tls-curl", "h2tls-chromium"])
def test_http2_is_what_the_server_logged(name, tmp_path) -> None:
    folder = RECORDINGS / name
    log = content(folder / "access.log.zst").decode().splitlines()
    logged = Counter(
        (address, port, "http2", method, status)
        for address, port, version, status, method in (LOGGED.match(line).groups() for line in log)
        if version == "HTTP/2.0"
    )
    assert logged.total() == len(log) > 100
    mine = decrypted.decrypting(mining.mine, folder / "keys.log")
    found = mine(folder / "capture.pcap.zst")
    assert said(found) == logged
    streams = found.tables.connections["http2_streams"].to_pylist()
    assert sum(streams) == len(log)
    # The same from secrets inside the file.
    capture, secrets = content(folder / "capture.pcap.zst"), (folder / "keys.log").read_bytes()
    file = tmp_path / "x.pcapng"
    file.write_bytes(with_secrets(capture, secrets))
    assert said(decrypted.decrypting(mining.mine, None)(file)) == logged


def tls_wire(wire, folder, exchanges, **options):
    """A conversation inside TLS, its secrets in folder/keys.log."""
    certificate, key = folder / "c.pem", folder / "k.pem"
    if not key.exists():
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server.load_cert_chain(certificate, key)
    client.keylog_filename = str(folder / "keys.log")
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    ends = [
        client.wrap_bio(*pipes[0], server_hostname="x.test"),
        server.wrap_bio(*pipes[1], server_side=True),
    ]
    one = wire(server_port=4443, **options).open()

    def carry():
        for side in (0, 1):
            data = pipes[side][1].read()
            if data:
                pipes[1 - side][0].write(data)
                one.say(data, up=side == 0, size=1400)

    for _ in range(6):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            carry()
    for up, data in exchanges:
        ends[0 if up else 1].write(data)
        carry()
    return one.close()


GET = b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n"
ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"


@pytest.fixture
def spoken(tmp_path, wire, craft):
    """Two connections of HTTP/1 inside TLS on the same ports, and their key log."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    first = tls_wire(wire, tmp_path, [(True, GET), (False, ANSWER)] * 3)
    again = tls_wire(
        wire, tmp_path, [(True, GET), (False, ANSWER)], client_seq=9_000_000, time_ns=first.time_ns
    )
    file = tmp_path / "x.pcap"
    file.write_bytes(craft.pcap(first.frames + again.frames))
    return file, tmp_path / "keys.log", first.frames


@needs_tshark
def test_http1_is_what_was_said(spoken, capsys) -> None:
    file, keys, _ = spoken
    found = decrypted.decrypting(mining.mine, keys)(file)
    assert found.tables.connections["http1_requests"].to_pylist() == [3, 1]
    rows = found.tables.transactions.to_pylist()
    assert [(row["method"], row["status"], row["complete"]) for row in rows] == [
        ("GET", 404, True)
    ] * 4
    assert all(row["request_ns"] <= row["response_ns"] for row in rows)
    command = ["traffic", "summary", "--engine", "dpkt", "--json", str(file)]
    assert run([*command, "--keylog", str(keys)]) == 0
    assert '"http1_requests": 4' in capsys.readouterr().out
    assert run(command) == 0
    assert '"http1_requests": 0' in capsys.readouterr().out


@needs_tshark
def test_a_connection_with_a_hole_is_left_out_and_counted(spoken, craft) -> None:
    file, keys, frames = spoken
    # A segment with payload of the first connection is lost.
    largest = max(range(len(frames)), key=lambda number: len(frames[number][1]))
    whole = content(file)
    file.write_bytes(craft.pcap(frames[:largest] + frames[largest + 1 :]))
    assert len(content(file)) < len(whole)
    found = decrypted.decrypting(mining.mine, keys)(file)
    assert found.tables.connections["http1_requests"].to_pylist() == [0]
    assert found.skipped[decrypted.WITH_HOLES] == 1


@needs_tshark
def test_wrong_keys_decrypt_nothing(spoken, tmp_path) -> None:
    file, _, _ = spoken
    wrong = tmp_path / "wrong.log"
    wrong.write_text("CLIENT_RANDOM " + "00" * 32 + " " + "00" * 48 + "\n")
    found = decrypted.decrypting(mining.mine, wrong)(file)
    assert len(found.tables.transactions) == 0
    assert len(found.tables.connections) == 2


def test_what_is_missing_is_said_at_once(tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError, match="standard input"):
        decrypted.decrypting(mining.mine, None)("-")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="apt-get install tshark"):
        decrypted.decrypting(mining.mine, None)
    file = tmp_path / "x.pcap"
    file.write_bytes(b"")
    assert run(["traffic", "summary", "--decrypt", str(file)]) == 3


@needs_tshark
def test_a_key_log_that_is_not_there(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        decrypted.decrypting(mining.mine, tmp_path / "none.log")
