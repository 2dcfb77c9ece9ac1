"""What a recording says about the machine and itself: perf.data's feature sections.

Source: tools/perf/util/header.h (HEADER_*), header.c (process_*).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

__all__ = ["FEATURES", "Features", "add_feature"]

_HOSTNAME, _OSRELEASE, _VERSION, _ARCH = 3, 4, 5, 6
_CMDLINE, _EVENT_DESC = 11, 12
FEATURES = (_HOSTNAME, _OSRELEASE, _VERSION, _ARCH, _CMDLINE, _EVENT_DESC)


@dataclass
class Features:
    """The features that this project uses; empty where the recording has none."""

    release: str = ""
    perf_version: str = ""
    arch: str = ""
    command: list[str] = field(default_factory=list)
    event_names: list[str] = field(default_factory=list)


def add_feature(features: Features, bit: int, content: bytes) -> None:
    """Read one feature section; a damaged one is left out, as none of them is needed."""
    try:
        if bit == _OSRELEASE:
            features.release = _string(content, 0)[0]
        elif bit == _VERSION:
            features.perf_version = _string(content, 0)[0]
        elif bit == _ARCH:
            features.arch = _string(content, 0)[0]
        elif bit == _CMDLINE:
            features.command = _strings(content)
        elif bit == _EVENT_DESC:
            features.event_names = _event_names(content)
    except struct.error:
        return


def _string(content: bytes, at: int) -> tuple[str, int]:
    """A length and a padded, zero-ended string; and where the next thing stands."""
    length = struct.unpack_from("<I", content, at)[0]
    text = content[at + 4 : at + 4 + length].split(b"\0")[0]
    return text.decode(errors="replace"), at + 4 + length


def _strings(content: bytes) -> list[str]:
    count = struct.unpack_from("<I", content)[0]
    found: list[str] = []
    at = 4
    for _ in range(count):
        text, at = _string(content, at)
        found.append(text)
    return found


def _event_names(content: bytes) -> list[str]:
    count, attr_size = struct.unpack_from("<2I", content)
    names: list[str] = []
    at = 8
    for _ in range(count):
        at += attr_size
        ids = struct.unpack_from("<I", content, at)[0]
        name, at = _string(content, at + 4)
        names.append(name)
        at += 8 * ids
    return names
