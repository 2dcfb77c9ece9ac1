from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def what_is_missing() -> str | None:
    if os.geteuid() != 0:
        return "makes network namespaces: needs root"
    for tool in ("ip", "ethtool", "perf", "lighttpd", "ab", "nginx", "tcpdump", "setpriv", "curl"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            return f"{tool} is not installed (make test installs it)"
    if len(os.sched_getaffinity(0)) < 2:
        return "server and client need a CPU each"
    if not Path("/sys/class/net/lo").exists():
        return "no sysfs"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = what_is_missing()
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("root") and "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))
