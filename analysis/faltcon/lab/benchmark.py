"""The pyperf benchmark of one repetition; pyperf runs this file as a program.

One value is the time of a fixed number of connections made by `ab`, divided by
that number: seconds a connection. pyperf's perf_record hook records the profile
around each value, so that timing and profile are of the same connections.

    python -m faltcon.lab.benchmark --load load.json [pyperf's options]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyperf

from faltcon.lab.load import AbLoad, run_ab

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]


def _pass_on(command: list[str], arguments: argparse.Namespace) -> None:
    """Give the worker process that pyperf starts the option that pyperf does not know."""
    command += ["--load", arguments.load]


def main() -> None:
    """Run the benchmark that the JSON file of `--load` describes.

    Its keys: `name`, `metadata`, `load` (fields of AbLoad), `log_folder` (ab's
    reports, one file a value).
    """
    runner = pyperf.Runner(add_cmdline_args=_pass_on, program_args=("-m", "faltcon.lab.benchmark"))
    runner.argparser.add_argument("--load", required=True)
    plan = json.loads(Path(runner.parse_args().load).read_text("utf-8"))
    load = AbLoad(**plan["load"])
    folder = Path(plan["log_folder"])

    def connections(loops: int) -> float:
        """Seconds that `loops` times the load take, by ab's own clock."""
        total = 0.0
        for _ in range(loops):
            number = len(list(folder.iterdir())) + 1
            total += run_ab(load, folder / f"ab-{number:03d}.txt").time_s
        return total

    runner.bench_time_func(
        plan["name"],
        connections,
        # The value is then seconds a connection.
        inner_loops=load.requests,
        metadata=plan["metadata"],
    )


if __name__ == "__main__":
    main()
