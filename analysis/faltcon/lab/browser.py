"""Headless Chromium that opens one page and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.lab import process

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from faltcon.lab.netns import Namespace

__all__ = ["HOST_NAME", "open_pages"]

HOST_NAME = "site.test"  # a name that is never registered, RFC 6761
PATIENCE_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",  # root has no sandbox; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--ignore-certificate-errors",  # the certificate is made for one recording
    "--window-size=1200,900",
)


def open_pages(
    stack: ExitStack,
    where: Namespace,
    scratch: Path,
    urls: list[str],
    *,
    address: str,
    key_log: Path,
    log: Path,
    profile: Path,
) -> None:
    """Open the pages one after the other, each by a browser of its own with one profile.

    `address` is what HOST_NAME means; TLS keys are appended to `key_log`. A picture
    is taken of each page, because Chromium then waits for the page's resources.
    Raises ToolFailedError.
    """
    for number, url in enumerate(urls):
        command = [
            "chromium",
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--host-resolver-rules=MAP {HOST_NAME} {address}, MAP * ~NOTFOUND",
            f"--ssl-key-log-file={key_log}",
            f"--screenshot={scratch / f'page-{number}.png'}",
            url,
        ]
        child = process.start(
            stack, where.wrap(command), log=log, env={"HOME": str(scratch), "TMPDIR": str(scratch)}
        )
        child.wait(PATIENCE_S)
        # Helper processes outlive the browser for a moment.
        child.stop()
