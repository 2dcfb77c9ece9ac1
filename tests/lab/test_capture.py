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
captured, received, step, dropped, foreign = 0, 0, {step}, {dropped}, {foreign}
def account(start, between):
    global captured
    captured = min(captured + step, received)
    print(f"{{start}}{{captured}} packets captured{{between}}{{received + foreign}} packets "
          f"received by filter{{between}}{{dropped}} packets dropped by kernel", flush=True)
def say(*_):
    global received
    account("tcpdump: ", ", ")
    received = {received}
def end(*_):
    account("", "\\n")
    sys.exit(0)
signal.signal(signal.SIGUSR1, say)
signal.signal(signal.SIGINT, end)
print("tcpdump: listening on srv", flush=True)
while True:
    time.sleep(0.01)
"""


# One whose last packet comes after everything so far was written.
LATE = """\
import signal, sys, time
asked, late = 0, False
def account(captured, received, between=", "):
    print(f"{captured} packets captured{between}{received} packets received by filter{between}"
          "0 packets dropped by kernel", flush=True)
def say(*_):
    global asked
    asked += 1
    if asked == 1:
        account(0, 0)
    elif asked == 2:
        account(100, 100)
    elif asked == 3:
        account(100, 101)
    else:
        account(101, 101)
def end(*_):
    account(101 if asked > 3 else 100, 101, "\\n")
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


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), max_size=4), st.sampled_from([", ", "\n"]))
def test_every_account_of_tcpdump_is_read(
    numbers: list[tuple[int, int, int]], between: str
) -> None:
    def packets(number: int) -> str:
        return f"{number} packet{'' if number == 1 else 's'}"

    text = "tcpdump: listening on srv\n" + "".join(
        f"tcpdump: {packets(a)} captured{between}{packets(b)} received by filter{between}"
        f"{packets(c)} dropped by kernel\n"
        for a, b, c in numbers
    )
    assert capture._counts(text) == [capture.Counts(*one) for one in numbers]  # noqa: SLF001


def test_a_capture_waits_until_tcpdump_has_taken_all_but_foreign_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path, monkeypatch, SLOW.format(received=100, step=30, dropped=0, foreign=2))
    with ExitStack() as stack:
        counts = capture.start(stack, HOST, tmp_path).finish()
    assert counts == capture.Counts(100, 100, 0)
    assert counts.lost == 0


def test_a_packet_that_comes_while_the_capture_ends_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "SETTLED_S", 0.05)
    fake(tmp_path, monkeypatch, LATE)
    with ExitStack() as stack:
        counts = capture.start(stack, HOST, tmp_path).finish()
    assert counts == capture.Counts(101, 101, 0)


@pytest.mark.parametrize(("step", "dropped"), [(0, 0), (100, 3)])
def test_a_capture_that_lost_packets_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, dropped: int
) -> None:
    monkeypatch.setattr(capture, "CATCH_UP_S", 0.5)
    fake(tmp_path, monkeypatch, SLOW.format(received=100, step=step, dropped=dropped, foreign=0))
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
