from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltcon.errors import ToolFailedError
from faltcon.lab import capture
from faltcon.lab.netns import HOST

if TYPE_CHECKING:
    from pathlib import Path

# A tcpdump that is behind: each time it is asked it has taken some more packets.
SLOW = """\
import signal, sys, time
captured, received, step, dropped = 0, {received}, {step}, {dropped}
def say(*_):
    global captured
    captured = min(captured + step, received)
    print(f"{{captured}} packets captured\\n{{received}} packets received by filter\\n"
          f"{{dropped}} packets dropped by kernel", flush=True)
def end(*_):
    say()
    sys.exit(0)
signal.signal(signal.SIGUSR1, say)
signal.signal(signal.SIGINT, end)
print("tcpdump: listening on srv", flush=True)
while True:
    time.sleep(0.01)
"""


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    program = folder / "tcpdump"
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), max_size=4))
def test_every_account_of_tcpdump_is_read(numbers: list[tuple[int, int, int]]) -> None:
    text = "tcpdump: listening on srv\n" + "".join(
        f"{a} packets captured\n{b} packets received by filter\n{c} packets dropped by kernel\n"
        for a, b, c in numbers
    )
    assert capture._counts(text) == [capture.Counts(*one) for one in numbers]  # noqa: SLF001


def test_a_capture_waits_until_tcpdump_has_caught_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, SLOW.format(received=100, step=30, dropped=0))
    with ExitStack() as stack:
        counts = capture.start(stack, HOST, tmp_path).finish()
    assert counts == capture.Counts(100, 100, 0)
    assert counts.lost == 0


@pytest.mark.parametrize(("step", "dropped"), [(0, 0), (100, 3)])
def test_a_capture_that_lost_packets_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, dropped: int
) -> None:
    monkeypatch.setattr(capture, "CATCH_UP_S", 0.5)
    fake(tmp_path, monkeypatch, SLOW.format(received=100, step=step, dropped=dropped))
    with ExitStack() as stack, pytest.raises(ToolFailedError, match=r"lost \d+ of 100 packets"):
        capture.start(stack, HOST, tmp_path).finish()


def test_a_tcpdump_that_ends_at_once_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, "raise SystemExit('tcpdump: srv: No such device exists')\n")
    with ExitStack() as stack, pytest.raises(ToolFailedError, match="No such device exists"):
        capture.start(stack, HOST, tmp_path)


def test_a_tcpdump_that_never_listens_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "START_S", 0.3)
    fake(tmp_path, monkeypatch, "import time\ntime.sleep(600)\n")
    with ExitStack() as stack, pytest.raises(ToolFailedError, match="did not begin to listen"):
        capture.start(stack, HOST, tmp_path)
