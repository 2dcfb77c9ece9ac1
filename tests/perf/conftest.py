from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests are no package (importmode importlib), so the module that they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))

SHARED = Path(__file__).resolve().parents[3] / "shared" / "perf-scripts"


@pytest.fixture(scope="session")
def perf_scripts() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"third-party data: public perf scripts are not beside the clone ({SHARED})")
    return SHARED
