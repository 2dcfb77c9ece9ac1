"""A pyperf suite with its recordings as one table: a timing and its profile belong together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from faltcon.errors import FormatError, InputError
from faltcon.files import reading
from faltcon.perf.breakdown import break_down
from faltcon.perf.sources import read_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faltcon.perf.classify import Classifier

__all__ = ["rows_of"]

# What holds a run's samples, in its folder or beside the suite; the first that is there.
RECORDINGS = ("perf.data", "perf.data.zst", "perf-script.txt.zst", "perf-script.txt")


def rows_of(
    suite: Path, classifier: Classifier, *, kallsyms: Path | None = None
) -> Iterator[dict[str, Any]]:
    """One row a run and class: the run's timing and metadata, and the class's share.

    suite: a file that pyperf wrote (BenchmarkSuite JSON). A benchmark's
    recording lies beside the suite, or in the folder beside it that the
    metadata `run` names, under one of the names in RECORDINGS. Raises
    FormatError for a suite that pyperf cannot read, and InputError for a
    benchmark without a recording.
    """
    for benchmark in _benchmarks(suite):
        metadata = {
            key: value
            for key, value in benchmark.get_metadata().items()
            if isinstance(value, (str, int, float))
        }
        recording = _recording(suite, str(metadata.get("run", "")), benchmark.get_name())
        values = benchmark.get_values()
        profile = read_profile(recording, symbols=kallsyms)
        breakdown = break_down(profile.tallies, classifier, file=str(recording))
        for found, weight in sorted(breakdown.weights.items()):
            yield {
                "run": str(metadata.get("run", benchmark.get_name())),
                "benchmark": benchmark.get_name(),
                "values": len(values),
                "mean_s": sum(values) / len(values) if values else None,
                "recording": str(recording),
                "variant": classifier.rules.variant,
                "direction": found.direction,
                "layer": found.layer,
                "phase": found.phase,
                "samples": breakdown.samples_by_class[found],
                "share": weight / breakdown.weight,
                "skipped": profile.skipped.total(),
                "throttled": profile.throttled,
                "metadata": metadata,
            }


def _benchmarks(suite: Path) -> list[Any]:
    import pyperf  # noqa: PLC0415  slow to import

    with reading(suite):
        suite.open("rb").close()
    try:
        return list(pyperf.BenchmarkSuite.load(str(suite)).get_benchmarks())
    # pyperf lets whatever is wrong with the content through as it comes.
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise FormatError(
            suite, f"is no suite of pyperf's ({error})", mend="write it with pyperf's -o"
        ) from error


def _recording(suite: Path, run: str, name: str) -> Path:
    # A name from a file must not lead out of its folder.
    folders = (
        [suite.parent / run, suite.parent] if run and Path(run).name == run else [suite.parent]
    )
    for folder in folders:
        for file in RECORDINGS:
            if (folder / file).is_file():
                return folder / file
    raise InputError(
        suite,
        f"benchmark {name!r} has no recording beside it",
        mend=f"keep one of {', '.join(RECORDINGS)} in the suite's folder, or in one named by `run`",
    )
