from __future__ import annotations

import subprocess
import sys

from faltcon import paths

# -S leaves site-packages out, as a browser's Python has none.
PROGRAM = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import faltcon.model
names = [m.name for m in pkgutil.iter_modules(faltcon.model.__path__)]
for name in names:
    importlib.import_module(f"faltcon.model.{name}")
foreign = {m.split(".")[0] for m in sys.modules} - set(sys.stdlib_module_names)
print(len(names), *sorted(foreign - {"__main__"}))
"""


def test_model__imports_the_standard_library_alone() -> None:
    source = paths.project_root() / "analysis"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    count, *foreign = run.stdout.split()
    assert int(count) >= 10
    assert foreign == ["faltcon"]
