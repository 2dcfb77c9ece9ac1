from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from faltcon.errors import InterruptedRunError, MissingToolError, ToolFailedError
from faltcon.lab import process
from faltcon.lab.interrupts import guarded


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def eventually(condition: object, seconds: float = 5) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_run_returns_output_and_feeds_stdin() -> None:
    assert process.run(["cat"], stdin="some text").stdout == "some text"


def test_run_fails_with_the_programs_last_words() -> None:
    with pytest.raises(ToolFailedError, match=r"ended with code 3: first \| last") as caught:
        process.run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"])
    assert caught.value.returncode == 3


def test_run_unchecked_gives_the_code() -> None:
    assert process.run(["sh", "-c", "exit 5"], check=False).returncode == 5


def test_run_does_not_wait_for_ever() -> None:
    with pytest.raises(ToolFailedError, match="did not end within"):
        process.run(["sleep", "60"], timeout_s=0.05)


def test_run_names_a_program_that_is_not_there() -> None:
    with pytest.raises(MissingToolError, match="no-such-program"):
        process.run(["no-such-program"])


def test_a_child_and_all_that_it_started_end_with_the_stack(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! >> {pids}; (trap '' TERM; sleep 600 & echo $! >> {pids}; wait)"
    with ExitStack() as stack:
        child = process.start(stack, ["sh", "-c", script], log=tmp_path / "log")
        assert eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        started = [child.popen.pid, *map(int, pids.read_text().split())]
        assert all(alive(pid) for pid in started)
    assert eventually(lambda: not any(alive(pid) for pid in started))


def test_stop_twice_is_as_good_as_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        child = process.start(stack, ["sleep", "600"], log=tmp_path / "log")
        child.stop()
        child.stop()
        assert child.popen.returncode == -signal.SIGTERM


def test_a_child_that_has_ended_says_its_last_words(tmp_path: Path) -> None:
    with ExitStack() as stack:
        child = process.start(stack, ["sh", "-c", "echo no port; exit 1"], log=tmp_path / "log")
        with pytest.raises(ToolFailedError, match="no port"):
            child.wait(10)
        with pytest.raises(ToolFailedError, match="no port"):
            child.require_running()


def test_wait_gives_up_in_time(tmp_path: Path) -> None:
    with ExitStack() as stack:
        child = process.start(stack, ["sleep", "600"], log=tmp_path / "log")
        with pytest.raises(ToolFailedError, match=r"did not end within 0\.05 s"):
            child.wait(0.05)


def test_a_child_sees_the_environment_and_the_folder(tmp_path: Path) -> None:
    with ExitStack() as stack:
        child = process.start(
            stack,
            ["sh", "-c", "echo $WORD; pwd"],
            log=tmp_path / "log",
            env={"WORD": "w"},
            cwd=tmp_path,
        )
        child.wait(10)
    assert child.output().split() == ["w", str(tmp_path)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
def test_a_child_put_first_says_how(tmp_path: Path) -> None:
    with ExitStack() as stack:
        child = process.start(stack, ["sleep", "600"], log=tmp_path / "log", first=True)
        if child.scheduling == "SCHED_RR 1":
            assert os.sched_getscheduler(child.popen.pid) == os.SCHED_RR
        else:
            assert child.scheduling == "nice -20"
            assert os.getpriority(os.PRIO_PROCESS, child.popen.pid) == process.FIRST_NICENESS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go before others")
def test_where_real_time_is_forbidden_niceness_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    with ExitStack() as stack:
        child = process.start(stack, ["sleep", "600"], log=tmp_path / "log", first=True)
        assert child.scheduling == "nice -20"
        assert os.getpriority(os.PRIO_PROCESS, child.popen.pid) == process.FIRST_NICENESS


def test_to_put_first_what_has_ended_is_no_error() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    process.put_first(ended.pid)


def test_children_die_with_a_parent_that_is_killed_outright(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from contextlib import ExitStack\n"
        "from pathlib import Path\n"
        "from faltcon.lab import process\n"
        "with ExitStack() as stack:\n"
        "    child = process.start(stack, ['sleep', '600'], log=Path(sys.argv[1]) / 'log')\n"
        "    (Path(sys.argv[1]) / 'pid').write_text(str(child.popen.pid))\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as parent:
        pid_file = tmp_path / "pid"
        assert eventually(lambda: pid_file.exists() and pid_file.read_text() != "", 20)
        pid = int(pid_file.read_text())
        assert alive(pid)
        parent.kill()
    assert eventually(lambda: not alive(pid))


class StrikingLock:
    """Popen's lock, with a signal that comes just when it has been taken."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def acquire(self, blocking: bool = True) -> bool:
        # Nobody else takes it: where it does not come free, it was left taken.
        taken = self.lock.acquire(timeout=5) if blocking else self.lock.acquire(blocking=False)
        assert taken or not blocking, "Popen's lock was left taken; the clean-up would hang"
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.001)
        return taken

    def release(self) -> None:
        self.lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def test_a_signal_while_a_child_is_waited_for_leaves_no_lock_taken(tmp_path: Path) -> None:
    lock = StrikingLock()

    def work(stack: ExitStack) -> None:
        child = process.start(stack, ["sleep", "30"], log=tmp_path / "log")
        child.popen._waitpid_lock = lock  # type: ignore[attr-defined]  # noqa: SLF001
        stack.callback(lambda: None if not lock.lock.locked() else child.popen.kill())
        child.wait(30)

    with pytest.raises(InterruptedRunError):
        guarded(work)
    assert not lock.lock.locked()
