"""The web servers of the recordings: their configuration, start and stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faltcon.errors import ToolFailedError
from faltcon.lab import process

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from faltcon.lab.netns import Namespace
    from faltcon.lab.process import Child

__all__ = ["Server", "lighttpd", "nginx"]

START_S = 10


@dataclass(frozen=True)
class Server:
    """A server that listens: where, and the files that say how it was set up."""

    child: Child
    config: Path
    address: str
    ports: tuple[int, ...]
    access_log: Path | None = None


def lighttpd(
    stack: ExitStack,
    where: Namespace,
    scratch: Path,
    root: Path,
    *,
    address: str,
    port: int,
    cpu: int | None,
) -> Server:
    """Lighttpd without keep-alive (the paper's section 2.2.2), serving the folder `root`.

    `cpu` pins it. Raises PortInUseError.
    """
    where.require_free_port(port)
    config = scratch / "lighttpd.conf"
    config.write_text(
        f"""\
server.document-root = "{root}"
server.bind = "{address}"
server.port = {port}
# One request a connection, as in the paper.
server.max-keep-alive-requests = 0
server.max-connections = 4096
server.max-fds = 16384
server.listen-backlog = 4096
"""
    )
    command = [*_pin(cpu), "lighttpd", "-D", "-f", str(config)]
    child = process.start(stack, where.wrap(command), log=scratch / "lighttpd.log", first=True)
    _wait_until_listening(where, child, (port,))
    return Server(child, config, address, (port,))


def nginx(
    stack: ExitStack,
    where: Namespace,
    scratch: Path,
    root: Path,
    *,
    address: str,
    listens: dict[int, str],
    keepalive: bool,
    certificate: tuple[Path, Path] | None = None,
    cpu: int | None = None,
) -> Server:
    """Nginx with one worker, serving the folder `root`.

    `listens` maps a port to nginx's words for it ("", "http2", "ssl http2");
    `certificate` is (certificate, key). With `keepalive` a connection serves up to
    1000 requests (nginx's default), without it one. Raises PortInUseError.
    """
    for port in listens:
        where.require_free_port(port)
    config = scratch / "nginx.conf"
    access_log = scratch / "access.log"
    lines = [
        " ".join(["    listen", f"{address}:{port}", *words.split()]) + ";"
        for port, words in listens.items()
    ]
    if certificate is not None:
        lines += [
            f"    ssl_certificate {certificate[0]};",
            f"    ssl_certificate_key {certificate[1]};",
            # Forward-secret suites: the key log of the client is needed to read the capture.
            "    ssl_protocols TLSv1.2 TLSv1.3;",
        ]
    config.write_text(
        f"""\
daemon off;
user root;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log {scratch}/error.log;
events {{
  worker_connections 8192;
  multi_accept on;
}}
http {{
  types {{
    text/html html;
    text/css css;
    text/javascript js;
    application/json json;
    image/png png;
    text/plain txt;
  }}
  keepalive_timeout {65 if keepalive else 0};
  # connection number, requests on it so far, protocol: the server's own account
  log_format transactions '$msec $remote_addr $remote_port $connection '
                          '$connection_requests $server_protocol $status $bytes_sent "$request"';
  access_log {access_log} transactions;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  server {{
{chr(10).join(lines)}
    root {root};
  }}
}}
"""
    )
    command = [*_pin(cpu), "nginx", "-c", str(config), "-e", str(scratch / "error.log")]
    child = process.start(stack, where.wrap(command), log=scratch / "nginx.log", first=True)
    _wait_until_listening(where, child, tuple(listens))
    return Server(child, config, address, tuple(listens), access_log)


def _pin(cpu: int | None) -> list[str]:
    """Words before a command that keep it on a CPU."""
    return [] if cpu is None else ["taskset", "-c", str(cpu)]


def _wait_until_listening(where: Namespace, child: Child, ports: tuple[int, ...]) -> None:
    """Wait without a connection: one to try with would be part of the recording."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        child.require_running()
        if set(ports) <= where.listening_ports():
            return
        time.sleep(0.05)
    raise ToolFailedError(child.command, -1, f"{child.output()}\nlistens on no port {ports}")
