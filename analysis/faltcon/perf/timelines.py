"""Samples one by one, with their times: Firefox profiler JSON and Parquet."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from faltcon.perf.inout import no_sample_of, tell_left_out
from faltcon.perf.leftout import LeftOut
from faltcon.perf.sources import read_samples

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from faltcon.perf.samples import Sample

__all__ = ["firefox", "written"]

# Of the processed profile format, docs-developer/CHANGELOG-formats.md of
# github.com/firefox-devtools/profiler; the viewer itself brings older ones up to date.
_VERSION = 49
_GECKO_VERSION = 24


def written(form: str, file: str, event: str | None, kallsyms: Path | None) -> bytes:
    """The file's samples of one event as `firefox` (JSON) or `parquet`. Raises InputError."""
    samples, left_out = read_samples(file, symbols=kallsyms)
    taken = event or next((one.event for one in samples if one.event is not None), None)
    samples = [one for one in samples if one.event in {None, taken}]
    if not samples:
        raise no_sample_of(event, file)
    tell_left_out(file, left_out)
    if form == "firefox":
        document = firefox(samples, taken or "samples", left_out)
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    from faltcon.perf.classify import Classifier  # noqa: PLC0415
    from faltcon.perf.tables import samples_table  # noqa: PLC0415

    stream = io.BytesIO()
    table = samples_table(samples, Classifier())
    # Kept in the file's own metadata, and back in `attrs` when pandas reads it.
    table.attrs.update(left_out.document())
    table.to_parquet(stream, index=False)
    return stream.getvalue()


class _Thread:
    """The tables of one thread; a row is made when it is first asked for."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {}
        self.functions: dict[tuple[str, str], int] = {}
        self.stacks: dict[tuple[int | None, int], int] = {}
        self.resources: dict[str, int] = {}
        self.samples: list[tuple[int | None, float, int]] = []

    def text(self, value: str) -> int:
        return self.strings.setdefault(value, len(self.strings))

    def add(self, sample: Sample, begin: float) -> None:
        stack: int | None = None
        for frame in reversed(sample.frames):
            key = frame.symbol, frame.dso
            function = self.functions.setdefault(key, len(self.functions))
            stack = self.stacks.setdefault((stack, function), len(self.stacks))
        time = 1000 * ((sample.time_s or begin) - begin)
        self.samples.append((stack, time, sample.weight))

    def document(self, comm: str, pid: int, tid: int, end: float) -> dict[str, Any]:
        count = len(self.functions)
        names = [self.text(symbol) for symbol, _ in self.functions]
        places = [self.resources.setdefault(dso, len(self.resources)) for _, dso in self.functions]
        libraries = [self.text(dso) for dso in self.resources]
        none, zeros = [None] * count, [0] * count
        return {
            "name": comm, "processName": comm, "processType": "default", "isMainThread": pid == tid,
            "pid": str(pid), "tid": str(tid), "processStartupTime": 0, "processShutdownTime": None,
            "registerTime": 0, "unregisterTime": end, "pausedRanges": [],
            "samples": {
                "length": len(self.samples), "weightType": "samples",
                "stack": [stack for stack, _, _ in self.samples],
                "time": [time for _, time, _ in self.samples],
                "weight": [1] * len(self.samples),
            },
            "stackTable": {
                "length": len(self.stacks),
                "prefix": [prefix for prefix, _ in self.stacks],
                "frame": [frame for _, frame in self.stacks],
                "category": [0] * len(self.stacks), "subcategory": [0] * len(self.stacks),
            },
            "frameTable": {
                "length": count, "address": [-1] * count, "inlineDepth": zeros,
                "category": zeros, "subcategory": zeros, "func": list(range(count)),
                "nativeSymbol": none, "innerWindowID": none, "implementation": none,
                "line": none, "column": none,
            },
            "funcTable": {
                "length": count, "name": names, "isJS": [False] * count,
                "relevantForJS": [False] * count, "resource": places,
                "fileName": none, "lineNumber": none, "columnNumber": none,
            },
            "resourceTable": {
                "length": len(libraries), "lib": [None] * len(libraries), "name": libraries,
                "host": [None] * len(libraries), "type": [1] * len(libraries),
            },
            "nativeSymbols": {
                "length": 0, "address": [], "functionSize": [], "libIndex": [], "name": [],
            },
            "markers": {
                "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [],
                "startTime": [],
            },
            "stringArray": list(self.strings),
        }  # fmt: skip


def firefox(
    samples: Iterable[Sample], event: str, left_out: LeftOut | None = None
) -> dict[str, Any]:
    """A document in Firefox profiler's processed profile format, a thread each.

    Times in ms from the first sample; a sample weighs one, as the viewer's
    timeline expects.
    """
    samples = sorted(samples, key=lambda one: one.time_s or 0.0)
    begin = samples[0].time_s or 0.0
    end = 1000 * ((samples[-1].time_s or begin) - begin)
    threads: dict[tuple[str, int, int], _Thread] = {}
    for sample in samples:
        key = sample.comm, sample.tid if sample.pid is None else sample.pid, sample.tid
        threads.setdefault(key, _Thread()).add(sample, begin)
    return {
        "meta": {
            "version": _GECKO_VERSION, "preprocessedProfileVersion": _VERSION,
            "product": f"perf, {event}", "processType": 0, "startTime": 0, "interval": 1,
            "categories": [{"name": "Other", "color": "grey", "subcategories": ["Other"]}],
            "markerSchema": [], "symbolicated": True, "stackwalk": 1, "debug": False,
            "extensions": {"length": 0, "id": [], "name": [], "baseURL": []},
            "usesOnlyOneStackType": True, "doesNotUseFrameImplementation": True,
            "sourceCodeIsNotOnSearchfox": True,
            "extra": [{"label": "Recording", "entries": [
                {"label": "Left out", "format": "string", "value": str(left_out or LeftOut())},
            ]}],
        },
        "libs": [], "pages": [], "counters": [], "profilerOverhead": [],
        "threads": [thread.document(*key, end) for key, thread in threads.items()],
    }  # fmt: skip
