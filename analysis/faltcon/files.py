"""Reading files that may be compressed, and writing files whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import io
import os
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from faltcon.errors import FormatError, InputError, TruncatedInputError

# A browser's Python has no zstd; plain and gzip files read there all the same.
HAS_ZSTD = importlib.util.find_spec("zstandard") is not None
if HAS_ZSTD:
    import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DAMAGE",
    "atomic_write",
    "open_binary",
    "reading",
    "sha256_of",
    "write_bytes",
    "write_text",
]

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# What the decompressors raise for a stream that is damaged.
DAMAGE = (gzip.BadGzipFile, zlib.error, *((zstandard.ZstdError,) if HAS_ZSTD else ()))


@contextlib.contextmanager
def reading(file: str | Path) -> Iterator[None]:
    """Turn what the system and the decompressors raise into one clear InputError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(file, "no such file", mend="check the path") from error
    except IsADirectoryError as error:
        raise InputError(file, "is a folder", mend="name a file in it") from error
    except PermissionError as error:
        raise InputError(file, "may not be read", mend="check its permissions") from error
    except EOFError as error:
        raise TruncatedInputError(
            file, "the compressed stream ends early", mend="copy or record it again"
        ) from error
    except DAMAGE as error:
        raise FormatError(
            file, f"the compressed stream is damaged ({error})", mend="copy or record it again"
        ) from error
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror or error})") from error


def open_binary(file: str | Path) -> BinaryIO:
    """Open a plain, gzip or zstd file (told by its first bytes) for streaming its contents.

    Several concatenated gzip members or zstd frames read as one. Raises
    InputError when the file cannot be opened; errors of the stream itself come
    while reading, so read inside `reading(file)`.
    """
    with reading(file):
        raw = Path(file).open("rb")  # noqa: SIM115  the caller closes it
        try:
            head = raw.read(4)
            if raw.seekable():
                raw.seek(0)
                source: IO[bytes] = raw
            else:
                source = io.BufferedReader(_Rejoined(head, raw))
        except BaseException:
            raw.close()
            raise
    if head.startswith(GZIP_MAGIC):
        return cast("BinaryIO", _OwningGzip(source))
    if head == ZSTD_MAGIC and not HAS_ZSTD:
        raw.close()
        mend = "decompress it first (zstd -d)"
        raise FormatError(file, "is compressed with zstd, which this Python lacks", mend=mend)
    if head == ZSTD_MAGIC:
        return cast("BinaryIO", io.BufferedReader(_ZstdStream(source)))
    return cast("BinaryIO", source)


class _OwningGzip(gzip.GzipFile):
    """A gzip stream that closes the file under it, which GzipFile leaves open."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        super().__init__(fileobj=source, mode="rb")

    def close(self) -> None:
        super().close()
        self._source.close()


class _ZstdStream(io.RawIOBase):
    """Frames of zstd, one after the other; a stream that ends within one raises EOFError.

    The library's own reader takes the end of the file for the end of the data.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._in_frame = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        while not self._ready:
            packed = self._source.read(zstandard.DECOMPRESSION_RECOMMENDED_INPUT_SIZE)
            if not packed:
                if self._in_frame:
                    raise EOFError("the stream ends within a zstd frame")
                return 0
            self._ready = memoryview(self._unpack(packed))
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpack(self, packed: bytes) -> bytes:
        plain = []
        while packed:
            self._in_frame = True
            plain.append(self._frame.decompress(packed))
            packed = self._frame.unused_data
            if self._frame.eof:
                self._in_frame = False
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        return b"".join(plain)

    def close(self) -> None:
        self._source.close()
        super().close()


class _Rejoined(io.RawIOBase):
    """A stream that cannot seek, with the bytes that were read to know its kind put back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        if self._head:
            size = min(len(view), len(self._head))
            view[:size] = self._head[:size]
            self._head = self._head[size:]
            return size
        chunk = self._rest.read(len(view)) or b""
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._rest.close()
        super().close()


@contextlib.contextmanager
def atomic_write(target: str | Path) -> Iterator[BinaryIO]:
    """Write `target` whole or not at all: to a temporary neighbour, then renamed over it."""
    target = Path(target)
    # Said before the work that fills the file, not when the whole of it is to be put in place.
    if target.is_dir():
        raise InputError(target, "is a folder", mend="name a file in it")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except FileNotFoundError as error:
        raise InputError(target, "its folder does not exist", mend="make it first") from error
    except OSError as error:
        raise InputError(target, f"cannot be written ({error.strerror})") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private; a result is as readable as any file the user makes.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(target: str | Path, content: bytes) -> None:
    """Write bytes whole or not at all."""
    with atomic_write(target) as stream:
        stream.write(content)


def write_text(target: str | Path, content: str) -> None:
    """Write UTF-8 text whole or not at all."""
    write_bytes(target, content.encode())


def sha256_of(file: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with reading(file), Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
