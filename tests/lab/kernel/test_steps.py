from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from faltcon.errors import MissingToolError, ToolFailedError
from faltcon.lab.kernel import steps as module
from faltcon.lab.kernel.lock import locked
from faltcon.lab.kernel.steps import Steps, need


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def steps(tmp_path: Path, said: io.StringIO) -> Steps:
    return Steps(tmp_path / "logs", Console(file=said, soft_wrap=True))


def test_all_missing_tools_are_named_at_once(tmp_path: Path) -> None:
    need("sh", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"no-such-a, no-such-b are not installed"):
        need("no-such-a", "sh", "no-such-b")
    with pytest.raises(MissingToolError, match=r"no-such-a is not installed.* no-such-a$"):
        need("no-such-a")


def test_a_package_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", {"no-such-a": "p", "no-such-b": "p"})
    with pytest.raises(MissingToolError, match=r"apt-get install p$"):
        need("no-such-a", "no-such-b")


def test_a_step_logs_what_its_program_prints(tmp_path: Path, steps: Steps) -> None:
    steps.run("say it", "a moment", ["echo", "hello"])
    assert (tmp_path / "logs" / "say-it.log").read_text() == "hello\n"


def test_a_failed_step_shows_errors_the_end_and_the_place(
    steps: Steps, said: io.StringIO, tmp_path: Path
) -> None:
    script = "echo a.c:1: error: bad; for i in $(seq 40); do echo line $i; done; exit 3"
    with pytest.raises(ToolFailedError, match="ended with code 3"):
        steps.run("compile", "a moment", ["sh", "-c", script])
    text = said.getvalue()
    assert "a.c:1: error: bad" in text
    assert "line 40" in text
    assert "line 1\n" not in text
    assert str(tmp_path / "logs" / "compile.log") in text


def test_a_long_step_says_how_far_it_is(
    steps: Steps, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELL_S", 0.2)
    steps.run("count", "a second", ["sh", "-c", "echo one; echo two; sleep 1"])
    assert re.search(r"count: 0:0\d, 2 lines of log: two", said.getvalue())


def test_the_second_to_come_waits_and_says_so(
    tmp_path: Path, steps: Steps, said: io.StringIO
) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock", steps):
            order.append("second")

    with locked(tmp_path / "lock", steps):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waits for it" in said.getvalue()


def test_an_interrupted_step_ends_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from faltcon.lab.kernel.steps import Steps\n"
        f"Steps(Path({str(tmp_path)!r})).run('wait', 'long', "
        "['sh', '-c', 'sleep 321.5 & echo $!; wait'])\n"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    log = tmp_path / "wait.log"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ours.terminate()
    assert b"InterruptedRunError" in ours.communicate(timeout=60)[1]
    grandchild = int(log.read_text())
    while True:
        try:
            os.kill(grandchild, 0)
        except ProcessLookupError:
            break
        stat = Path(f"/proc/{grandchild}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
