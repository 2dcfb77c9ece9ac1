from __future__ import annotations

import gzip
import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from faltcon import files
from faltcon.errors import FormatError, InputError, TruncatedInputError

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = b"line one\nline two\n" * 1000
PACKED = {
    "plain": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "gzip-members": gzip.compress(PLAIN[:500]) + gzip.compress(PLAIN[500:]),
    "zstd": zstandard.compress(PLAIN),
    "zstd-frames": zstandard.compress(PLAIN[:500]) + zstandard.compress(PLAIN[500:]),
}


@pytest.mark.parametrize("kind", PACKED)
def test_open_binary__reads_plain_and_compressed_alike(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "recording"
    file.write_bytes(PACKED[kind])
    with files.open_binary(file) as stream:
        assert stream.read() == PLAIN


@pytest.mark.parametrize("kind", PACKED)
def test_open_binary__reads_a_pipe(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "fifo"
    os.mkfifo(file)
    if os.fork() == 0:
        with file.open("wb") as stream:
            stream.write(PACKED[kind])
        os._exit(0)
    with files.open_binary(file) as stream:
        assert stream.read() == PLAIN
    os.wait()


@pytest.mark.parametrize("content", [b"", b"\x1f", b"ab"])
def test_open_binary__short_file_is_itself(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "short"
    file.write_bytes(content)
    with files.open_binary(file) as stream:
        assert stream.read() == content


@pytest.mark.parametrize("kind", sorted(PACKED.keys() - {"plain"}))
def test_reading__a_cut_stream_is_truncated_wherever_it_is_cut(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "cut"
    # After its first four bytes, which tell the kind; not between two members or frames.
    ends = {len(gzip.compress(PLAIN[:500])), len(zstandard.compress(PLAIN[:500]))}
    # One byte more than a member is no member that ends early, but trailing rubbish.
    for cut in {*range(5, len(PACKED[kind]))} - ends - {end + 1 for end in ends}:
        file.write_bytes(PACKED[kind][:cut])
        with (
            pytest.raises(TruncatedInputError, match=r"cut.*ends early"),
            files.reading(file),
            files.open_binary(file) as stream,
        ):
            stream.read()


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_reading__damaged_stream_is_a_format_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "damaged"
    content = bytearray(PACKED[kind])
    content[4:40] = b"\xff" * 36
    file.write_bytes(content)
    with pytest.raises(InputError), files.reading(file), files.open_binary(file) as stream:
        stream.read()


def test_open_binary__missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        files.open_binary(tmp_path / "none.txt")
    with pytest.raises(InputError, match="is a folder"):
        files.open_binary(tmp_path)


def test_reading__passes_format_errors_through(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="mine"), files.reading(tmp_path):
        raise FormatError(tmp_path, "mine")


def test_atomic_write__leaves_nothing_after_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(TypeError), files.atomic_write(target) as stream:
        stream.write("half of it was no bytes")  # type: ignore[arg-type]
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_atomic_write__result_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    files.write_text(tmp_path / "ours", "x")
    (tmp_path / "theirs").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_atomic_write__missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its folder does not exist"):
        files.write_text(tmp_path / "none" / "x", "x")


def test_atomic_write__a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        files.write_text(tmp_path, "x")
    assert list(tmp_path.iterdir()) == []


@given(st.binary(max_size=2000))
def test_sha256_of__is_that_of_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, b: bytes
) -> None:
    file = tmp_path_factory.mktemp("sha") / "f"
    file.write_bytes(b)
    assert files.sha256_of(file) == hashlib.sha256(b).hexdigest()


def test_rejoined__gives_back_the_head_first() -> None:
    stream = io.BufferedReader(files._Rejoined(b"abcd", io.BytesIO(b"efgh")))  # noqa: SLF001
    assert stream.read() == b"abcdefgh"
