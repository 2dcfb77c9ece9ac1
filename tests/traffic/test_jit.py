from __future__ import annotations

from faltcon.traffic import fast_head, fast_memory, fast_records


def test_compiled_code_is_kept_for_these_sources_alone():
    """A change in one file must not leave code in use that another file's cache holds."""
    stamps = {
        one._cache._cache_file._source_stamp  # noqa: SLF001  numba says it nowhere else
        for one in (fast_records.classic, fast_memory.get, fast_head.read_head)
    }
    (stamp,) = stamps
    assert {"fast_headers.py", "tunnels.py", "jit.py"} <= {name for name, _, _ in stamp}
