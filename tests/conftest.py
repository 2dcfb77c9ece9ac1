"""What all tests share: how hypothesis looks for counter-examples, and what a skip means."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser

    from faltcon.verdicts import Answered
    from faltcon.verdicts.evidence import Evidence

IN_CI = os.environ.get("CI", "").lower() == "true"
# A reason that starts so is about data of others, which no set-up can fetch.
NOT_OURS = "third-party data: "

# A shared machine may be slow at any moment: time is no property of the code under test.
# In CI the examples are the same each time, so that a failure can be repeated.
settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=IN_CI,
)
settings.load_profile("ours")


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure where the set-up was to bring all that the tests need."""
    if not IN_CI or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    # A skip is told as a tuple of file, line and reason.
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(NOT_OURS):
        report.outcome = "failed"
        report.longrepr = f"skipped, though in CI nothing may be missing: {reason}"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    """The recordings that verdicts rest on, read once for all tests: that takes a while."""
    from faltcon.verdicts.evidence import Evidence  # noqa: PLC0415  most tests need none

    return Evidence()


@pytest.fixture(scope="session")
def found(evidence: Evidence) -> dict[str, Answered]:
    """Each claim's answer, by its id."""
    from faltcon import verdicts  # noqa: PLC0415  as above

    return {row.claim.id: row for row in verdicts.check(evidence)}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one for all tests: playwright cannot be started twice at once."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed; run tools/setup-debian test")
    # Chromium's sandbox refuses to run as root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=options)
        yield chromium
        chromium.close()
