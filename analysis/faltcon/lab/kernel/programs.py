"""Unmodified servers and clients for the guest, with the libraries that they need."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import FormatError
from faltcon.lab import process
from faltcon.lab.kernel.base import kernel_dir
from faltcon.lab.kernel.steps import need, which

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROGRAMS", "SCRIPT", "files", "libraries", "of"]

PROGRAMS = ("nginx", "lighttpd", "curl", "ab", "wrk")
SCRIPT = "programs.sh"
# What kernel/tests/programs.sh fetches: sizes around a segment's and a window's.
SIZES = (1, 2, 64, 1447, 1448, 1449, 4096, 14480, 65536, 200_000)
COUNT = 40
LEVELS = (0, 1, 2, 3)
NGINX = """\
user root;
worker_processes 2;
pid /tmp/nginx.pid;
error_log /dev/console crit;
events { worker_connections 256; }
http {
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path /tmp/nginx; proxy_temp_path /tmp/nginx; fastcgi_temp_path /tmp/nginx;
  uwsgi_temp_path /tmp/nginx; scgi_temp_path /tmp/nginx;
  server { listen 8081; root /site; }
}
"""
LIGHTTPD = """\
server.port = 8082
server.document-root = "/site"
server.max-keep-alive-requests = 0
server.errorlog = "/tmp/lighttpd.log"
"""
LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x")


def libraries(program: Path) -> list[Path]:
    """The shared libraries that a program loads, its loader among them.

    Raises FormatError where ldd cannot tell or one is missing.
    """
    printed = process.run(["ldd", str(program)]).stdout
    lost = [line.split()[0] for line in printed.splitlines() if "not found" in line]
    if lost:
        raise FormatError(program, f"needs {lost[0]}, which is not installed")
    return [Path(found[1]) for line in printed.splitlines() if (found := LIBRARY.match(line))]


def _site() -> dict[str, bytes]:
    content = random.Random(2021)  # noqa: S311  the same files each time
    return {
        f"/site/{number}": content.randbytes(SIZES[number % len(SIZES)])
        for number in range(1, COUNT + 1)
    }


def of(names: Sequence[str]) -> dict[str, bytes]:
    """These programs with all that they need to start, by path in the guest.

    Raises MissingToolError for programs that this machine lacks.
    """
    found = {
        "/etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
        "/etc/group": b"root:x:0:\n",
    }
    need(*names, "ldd")
    for name in names:
        program = Path(which(name) or name)
        found[f"/bin/{name}"] = program.read_bytes()
        for library in libraries(program):
            found[str(library)] = library.read_bytes()
    return found


def files() -> dict[str, bytes]:
    """Everything that `kernel/tests/programs.sh` needs in the guest, by path.

    Raises MissingToolError for programs that this machine lacks.
    """
    found = of(PROGRAMS)
    found |= _site()
    found["/etc/nginx.conf"] = NGINX.encode()
    found["/etc/lighttpd.conf"] = LIGHTTPD.encode()
    found["/levels"] = " ".join(map(str, LEVELS)).encode()
    found[f"/{SCRIPT}"] = (kernel_dir() / "tests" / SCRIPT).read_bytes()
    return found
