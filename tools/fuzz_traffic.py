"""Feed the traffic engine damaged captures: no crash, no hang, and both engines agree.

    tools/fuzz_traffic.py CAPTURES [--seconds 600] [--whole]

CAPTURES is a folder of captures (searched deeply). `--whole` first goes
through each capture cut at every 1/16 of its length, and with 0.1 % and 1 % of
its bytes changed, 20 fixed seeds each. Then captures are cut, changed and
joined at random until the time is over. Cases run in a process of their own;
one that crashes it, or takes longer than a minute, is named and ends the run.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import FaltconError
from faltcon.traffic import compiled, mining

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(20)
SHARES = (0.001, 0.01)
LARGEST_BYTES = 2_000_000
CASE_SECONDS = 60


def changed(content: bytes, share: float, seed: int) -> bytes:
    """The content with that share of its bytes replaced at random; the same for the same seed."""
    chance = random.Random(seed)
    noisy = bytearray(content)
    for _ in range(max(1, round(len(noisy) * share))):
        noisy[chance.randrange(len(noisy))] = chance.randrange(256)
    return bytes(noisy)


def whole(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Every cut and every change of every capture."""
    for file in files:
        content = file.read_bytes()
        for part in range(1, 16):
            yield f"{file} cut at {part}/16", content[: len(content) * part // 16]
        for share in SHARES:
            for seed in SEEDS:
                name = f"{file} with {share:.1%} changed, seed {seed}"
                yield name, changed(content, share, seed)


def endless(files: list[Path], seed: int) -> Iterator[tuple[str, bytes]]:
    """Captures joined, cut and changed at random."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        content = chance.choice(files).read_bytes()
        if chance.random() < 0.3:
            other = chance.choice(files).read_bytes()
            at = chance.randrange(len(content) + 1)
            content = content[:at] + other[chance.randrange(len(other) + 1) :]
        if chance.random() < 0.8:
            share = chance.choice((1e-5, 1e-4, 1e-3, 1e-2))
            content = changed(content, share, chance.randrange(1 << 30)) if content else content
        if chance.random() < 0.3:
            content = content[: chance.randrange(len(content) + 1)]
        yield f"random case {number} of seed {seed}", content


def outcome(mine: object, file: Path) -> object:
    """Everything that a miner says about a file, in a form that can be compared."""
    try:
        found = mine(file)  # type: ignore[operator]
    except FaltconError as error:
        return str(error)
    return (
        found.packets,
        found.tcp_packets,
        found.first_tcp_ns,
        dict(found.skipped),
        found.truncated,
        found.tables.connections.to_pylist(),
        found.tables.transactions.to_pylist(),
    )


def work(options: argparse.Namespace, files: list[Path]) -> None:
    """Run cases; each is named before it begins, so that the last name tells what went wrong."""
    # Code is compiled before a case is timed: on a busy machine that takes longer than any case.
    for file in {file.read_bytes()[:4]: file for file in files}.values():
        outcome(compiled.mine, file)
    begin, cases = time.monotonic(), 0
    target = Path(options.work) / "case"
    sources = [whole(files)] if options.whole else []
    sources.append(endless(files, options.seed))
    for source in sources:
        for name, content in source:
            if source is sources[-1] and time.monotonic() - begin > options.seconds:
                break
            target.write_bytes(content)
            faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
            cases += 1
            if cases % 1000 == 0:
                sys.stderr.write(f"{cases} cases, {time.monotonic() - begin:.0f} s: {name}\n")
            (Path(options.work) / "name").write_text(f"case {cases}: {name}")
            if outcome(compiled.mine, target) != outcome(mining.mine, target):
                sys.exit(f"the engines differ: {name}")
    faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - begin
    print(json.dumps({"cases": cases, "captures": len(files), "seconds": round(seconds)}))


def main() -> None:
    """Run the cases in a process of their own, and tell which one it did not survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captures", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = {".pcap", ".pcapng", ".cap", ".trace", ".dmp", ".ntar"}
    files = sorted(
        file
        for file in options.captures.rglob("*")
        if file.suffix in names and 24 < file.stat().st_size <= LARGEST_BYTES
    )
    if not files:
        sys.exit(f"no captures in {options.captures}")
    if options.work:
        work(options, files)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], "--work", folder]
        ended = subprocess.run(command, check=False)
        if ended.returncode:
            sys.exit(f"code {ended.returncode} at: {(Path(folder) / 'name').read_text()}")


if __name__ == "__main__":
    main()
