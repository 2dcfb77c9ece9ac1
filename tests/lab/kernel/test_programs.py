from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from faltcon.lab.kernel import programs
from faltcon.lab.kernel.base import kernel_dir
from faltcon.lab.kernel.steps import which


def test_a_programs_libraries_include_its_loader() -> None:
    found = [path.name for path in programs.libraries(Path(shutil.which("env") or "/usr/bin/env"))]
    assert any(name.startswith("libc.so") for name in found)
    assert any(name.startswith("ld-linux") for name in found)


def test_the_guest_gets_what_its_script_names() -> None:
    missing = [name for name in programs.PROGRAMS if which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    found = programs.files()
    script = (kernel_dir() / "tests" / programs.SCRIPT).read_text("utf-8")
    assert f"FILES={programs.COUNT}" in script
    assert {f"/site/{number}" for number in range(1, programs.COUNT + 1)} <= set(found)
    assert {len(found[f"/site/{n}"]) for n in range(1, programs.COUNT + 1)} == set(programs.SIZES)
    for name in ("/etc/nginx.conf", "/etc/lighttpd.conf", "/levels", "/bin/wrk"):
        assert name in found
    assert found == programs.files()


def test_the_script_is_a_shells() -> None:
    script = kernel_dir() / "tests" / programs.SCRIPT
    subprocess.run(["sh", "-n", str(script)], check=True)
