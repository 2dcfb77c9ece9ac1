"""The two kinds of line in `perf script` text: a sample's header, and a frame.

The header's form follows the fields that were recorded and the perf version
(tools/perf/builtin-script.c, perf_sample__fprintf_start): comm, thread or
process/thread, then, each of them optional, [cpu], time, period, event, and
after the event a tracepoint's payload or, where no callchain was recorded,
the one frame.
"""

from __future__ import annotations

import re

from faltcon.perf.samples import Frame, Sample

__all__ = ["parse_frame", "parse_header"]

# Every repetition is bounded: a hostile line must not cost more than a long one.
_WHO = r"\s{0,64}(?P<comm>\S.{0,255}?)\s{1,64}(?P<pid>-?\d{1,10})(?:/(?P<tid>-?\d{1,10}))?"
_CPU = r"(?:\s{1,64}\[(?P<cpu>\d{1,6})\])?"
_PERIOD = r"(?:\s{1,64}(?P<period>\d{1,18}))?"
_EVENT = r"\s{1,64}(?P<event>\S{1,255}):(?=\s|$)"

# With a time the line can be nothing else, so comm may hold anything.
_TIMED = re.compile(
    rf"{_WHO}{_CPU}(?:\s{{1,64}}[A-Za-z.#-][\w.#-]{{0,9}})?"  # irq flags, `-F +misc`
    rf"\s{{1,64}}(?P<time>\d{{1,12}}\.\d{{1,9}}):{_PERIOD}(?:{_EVENT})?(?P<rest>.*)"
)
_UNTIMED = re.compile(rf"{_WHO}{_CPU}{_PERIOD}{_EVENT}(?P<rest>.*)")
_BARE = re.compile(rf"{_WHO}{_CPU}\s{{0,64}}$")

_FRAME = re.compile(r"\s{0,64}([0-9a-f]{1,16})\s(.*\))\s{0,64}$")
# What nearly every frame looks like; the careful way below reads it to the same.
_PLAIN_FRAME = re.compile(
    r"\t {0,16}([0-9a-f]{1,16}) ([^\s()+][^\s()]*?)(?:\+0x([0-9a-f]{1,16}))? \(([^\s()]+)\)"
)
_OFFSET = re.compile(r"\+0x([0-9a-f]{1,16})$")


def parse_header(line: str, *, expected: bool) -> Sample | None:
    """The sample that a header line starts, without its callchain; None for other lines.

    `expected` says that the line before was blank: only then is a line that
    names neither a time nor an event read as a header.
    """
    match = _TIMED.match(line)
    if match is None and not line.startswith("\t") and parse_frame(line) is None:
        match = _UNTIMED.match(line) or (_BARE.match(line) if expected else None)
    if match is None:
        return None
    found = match.groupdict()
    rest = found.get("rest") or ""
    event = found.get("event")
    if event is None and rest.strip():
        return None  # something follows the time that is no event: a cut or foreign line
    frames: tuple[Frame, ...] = ()
    # A frame is set off by two blanks, a tracepoint's payload by one.
    if rest.startswith(("  ", "\t")):
        frame = parse_frame(rest)
        frames = (frame,) if frame is not None else ()
    first, second = found["pid"], found["tid"]
    return Sample(
        comm=found["comm"],
        pid=None if second is None else int(first),
        tid=int(first if second is None else second),
        cpu=None if found["cpu"] is None else int(found["cpu"]),
        time_s=None if found.get("time") is None else float(found["time"]),
        event=event,
        period=None if found.get("period") is None else int(found["period"]),
        frames=frames,
    )


def parse_frame(line: str) -> Frame | None:
    """The frame on a line `address symbol[+0xoffset] (dso)`; None for other lines."""
    match = _PLAIN_FRAME.fullmatch(line)
    if match is not None:
        address, symbol, after, dso = match.groups()
        return Frame(int(address, 16), symbol, None if after is None else int(after, 16), dso)
    match = _FRAME.match(line)
    if match is None:
        return None
    text = match[2]
    start = _dso_start(text)
    if start < 0:
        return None
    symbol = text[:start].strip()
    offset = _OFFSET.search(symbol)
    if offset is not None:
        symbol = symbol[: offset.start()]
    return Frame(
        address=int(match[1], 16),
        symbol=symbol,
        offset=None if offset is None else int(offset[1], 16),
        dso=text[start + 1 : -1],
    )


def _dso_start(text: str) -> int:
    """Index of the parenthesis that opens the dso at the end of the text; -1 if none does.

    The dso may hold parentheses itself, as in `(/memfd:x (deleted))`, so the
    one that balances the last is taken; where none does, the last one that a
    blank precedes.
    """
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        character = text[index]
        if character == ")":
            depth += 1
        elif character == "(":
            depth -= 1
            if depth == 0:
                return index if index == 0 or text[index - 1].isspace() else -1
    return text.rfind(" (") + 1 or -1
