from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from faltcon.errors import HostError, MissingPermissionError, MissingToolError
from faltcon.lab import host


def test_every_tool_that_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    for tool, (package, _, _) in host.TOOLS.items():
        with pytest.raises(MissingToolError, match=rf"{tool} is not installed.*install {package}"):
            host.require_tools([tool])


def test_tools_of_the_administrators_folders_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(host, "ADMIN_FOLDERS", os.path.dirname(sys.executable))  # noqa: PTH120
    name = os.path.basename(sys.executable)  # noqa: PTH119
    monkeypatch.setitem(host.TOOLS, name, ("python3", ["--version"], r"Python (\S+)"))
    host.require_tools([name])
    assert host.ADMIN_FOLDERS in os.environ["PATH"].split(":")
    assert host.tool_versions([name])[name].startswith("3.")


def test_a_version_that_is_not_printed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(host.TOOLS, "true", ("coreutils", [], r"version (\S+)"))
    assert host.tool_versions(["true"]) == {"true": "unknown"}


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingPermissionError, match="namespaces; run the command as root"):
        host.require_root("network namespaces")


def test_a_cpu_that_is_not_there_is_named() -> None:
    with pytest.raises(HostError, match=r"CPU 4096 is not available.*--server-cpu"):
        host.require_cpus([4096], "choose another with --server-cpu")
    host.require_cpus(os.sched_getaffinity(0), "")


HOLDER = """
import sys
from contextlib import ExitStack
from faltcon.lab import host
with ExitStack() as stack:
    host.alone(stack, tell=print)
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_one_recording_at_a_time() -> None:
    said: list[str] = []
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        # Another recording may be running on this machine; then the holder waits for it.
        while b"holds" not in (line := other.stdout.readline()):
            assert line, "the other process ended"
        with (
            ExitStack() as stack,
            pytest.raises(HostError, match="another recording is still running"),
        ):
            host.alone(stack, wait_s=0.3, tell=said.append)
        assert said == ["another recording is running on this machine; waiting for it"]
        threading.Timer(0.5, other.stdin.close).start()
        with ExitStack() as stack:
            host.alone(stack, wait_s=60, tell=said.append)
