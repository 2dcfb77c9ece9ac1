"""Addresses replaced so that prefixes stay: two that share so many bits share as many afterwards.

Source: the canonical form of Xu, Fan, Ammar, Moon, "Prefix-Preserving IP
Address Anonymization: Measurement-Based Security Evaluation and a New
Cryptography-Based Scheme" (ICNP 2002). Each bit is flipped by a keyed function
of the bits before it. Their program Crypto-PAn takes Rijndael for that
function; here it is keyed BLAKE2 (RFC 7693), so the addresses differ from
Crypto-PAn's for the same key. As there, who knows some pairs of addresses
learns the prefixes that they share with others.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import secrets
from typing import TYPE_CHECKING

from faltcon.errors import FormatError
from faltcon.files import reading

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KEY_BYTES", "Anonymizer", "key_of"]

KEY_BYTES = 32


def key_of(file: Path) -> bytes:
    """The key in this file; a new one is written where there is no such file.

    Raises FormatError where the file holds no key.
    """
    if not file.exists():
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(secrets.token_hex(KEY_BYTES) + "\n")
    with reading(file):
        text = file.read_bytes()
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise FormatError(
            file,
            f"is no key of {2 * KEY_BYTES} hexadecimal digits",
            mend="name a file that does not exist yet",
        )
    return key


class Anonymizer:
    """Replaces printed addresses, each always by the same one under the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.address = functools.lru_cache(maxsize=1 << 20)(self._address)

    def _address(self, text: str) -> str:
        address = ipaddress.ip_address(text)
        bits = address.max_prefixlen
        value, flips = int(address), 0
        for known in range(bits):
            # The bits before this one, with their number, so that no two prefixes look alike.
            prefix = value >> bits - known
            told = bytes((bits, known)) + prefix.to_bytes(16, "big")
            flip = hashlib.blake2b(told, digest_size=1, key=self._key).digest()[0] & 1
            flips = flips << 1 | flip
        return str(type(address)(value ^ flips))
