"""Two network namespaces joined by a veth pair, made for one recording and then removed."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faltcon.errors import KernelFeatureError, PortInUseError, ToolFailedError
from faltcon.lab import process
from faltcon.lab.host import process_is_alive

if TYPE_CHECKING:
    from contextlib import ExitStack

__all__ = ["HOST", "Namespace", "VethPair", "make_pair", "sweep"]

PREFIX = "faltcon"
SERVER_INTERFACE = "srv"
CLIENT_INTERFACE = "cli"
SERVER_ADDRESS = "10.77.0.1"
CLIENT_ADDRESSES = tuple(f"10.77.1.{host}" for host in range(1, 9))
# A load of new connections needs ports and a queue for them; both belong to the namespace.
SYSCTLS = {
    "net.ipv4.ip_local_port_range": "1024 65535",
    "net.ipv4.tcp_tw_reuse": "1",
    "net.ipv4.tcp_max_syn_backlog": "16384",
    "net.core.somaxconn": "16384",
}
THREAD_WAIT_S = 2.0
LISTEN = "0A"  # state in /proc/net/tcp, include/net/tcp_states.h


@dataclass(frozen=True)
class Namespace:
    """A network namespace by name; no name is the one that we are in."""

    name: str | None

    def wrap(self, command: list[str]) -> list[str]:
        """The command as it runs inside."""
        return command if self.name is None else ["ip", "netns", "exec", self.name, *command]

    def run(self, command: list[str], *, check: bool = True, stdin: str | None = None) -> str:
        """Run a short program inside and return what it prints."""
        return process.run(self.wrap(command), check=check, stdin=stdin).stdout

    def read(self, path: str) -> str:
        """Contents of a file of /proc or /sys as this namespace sees it."""
        return self.run(["cat", path])

    def listening_ports(self) -> set[int]:
        """TCP ports, IPv4 and IPv6, that something listens on."""
        ports = set()
        for line in self.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], check=False).splitlines():
            fields = line.split()
            if len(fields) > 3 and fields[3] == LISTEN:
                ports.add(int(fields[1].rpartition(":")[2], 16))
        return ports

    def require_free_port(self, port: int) -> None:
        """Raise PortInUseError when something listens on the port."""
        if port in self.listening_ports():
            where = "this machine" if self.name is None else f"namespace {self.name}"
            raise PortInUseError(port, where)


HOST = Namespace(None)


@dataclass(frozen=True)
class VethPair:
    """The two ends; `addresses` of the client are as many as the traffic scenarios ask for."""

    server: Namespace
    client: Namespace

    def set_offloads(self, *features: str) -> None:
        """Switch features of both ends as `ethtool -K` names them: "gro", "on", "tso", "off"."""
        for side, interface in self._ends():
            side.run(["ethtool", "-K", interface, *features])

    def thread_napi(self, server_cpu: int, client_cpu: int) -> None:
        """Poll each end in a kernel thread of its own, pinned to a CPU.

        Without this the receive path of one end runs inside the other end's
        system calls, and neither CPU's profile is one side's alone. Raises
        KernelFeatureError where the kernel cannot (before Linux 5.12).
        """
        for (side, interface), cpu in zip(self._ends(), (server_cpu, client_cpu), strict=True):
            switch = f"/sys/class/net/{interface}/threaded"
            before = _napi_threads(interface)
            try:
                side.run(["tee", switch], stdin="1")
            except ToolFailedError as error:
                raise KernelFeatureError(
                    f"threaded NAPI that can be switched on for {interface}",
                    "use Linux 5.12 or newer with generic receive offload, or --variant veth",
                ) from error
            ours = _wait_for_new_threads(interface, before)
            for pid in ours:
                os.sched_setaffinity(pid, {cpu})
                process.put_first(pid)

    def _ends(self) -> tuple[tuple[Namespace, str], tuple[Namespace, str]]:
        return (self.server, SERVER_INTERFACE), (self.client, CLIENT_INTERFACE)


def _napi_threads(interface: str) -> set[int]:
    """Process numbers of the kernel threads napi/<interface>-<id>."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # A process may end while we look at it.
            with suppress(OSError):
                if (entry / "comm").read_text().startswith(f"napi/{interface}-"):
                    found.add(int(entry.name))
    return found


def _wait_for_new_threads(interface: str, before: set[int]) -> set[int]:
    deadline = time.monotonic() + THREAD_WAIT_S
    while time.monotonic() < deadline:
        new = _napi_threads(interface) - before
        if new:
            return new
        time.sleep(0.02)
    raise KernelFeatureError(
        f"NAPI thread for {interface} though it was switched on",
        "check that generic receive offload is on, or use --variant veth",
    )


def make_pair(stack: ExitStack) -> VethPair:
    """Make both namespaces and the pair, with addresses; the stack removes all of it."""
    names = [f"{PREFIX}-{os.getpid()}-{side}" for side in ("server", "client")]
    server, client = (Namespace(name) for name in names)
    for name in names:
        stack.callback(remove, name)
        process.run(["ip", "netns", "add", name])
    ends = (SERVER_INTERFACE, "netns", names[0]), (CLIENT_INTERFACE, "netns", names[1])
    process.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1]])
    _address(names[0], SERVER_INTERFACE, [SERVER_ADDRESS])
    _address(names[1], CLIENT_INTERFACE, list(CLIENT_ADDRESSES))
    for side in (server, client):
        side.run(["sysctl", "-q", "-w", *(f"{key}={value}" for key, value in SYSCTLS.items())])
    return VethPair(server, client)


def _address(name: str, interface: str, addresses: list[str]) -> None:
    for address in addresses:
        process.run(["ip", "-n", name, "addr", "add", f"{address}/16", "dev", interface])
    for link in ("lo", interface):
        process.run(["ip", "-n", name, "link", "set", link, "up"])


def remove(name: str) -> None:
    """End every process in a namespace and remove it with its interfaces. Safe to call again."""
    if not (Path("/run/netns") / name).exists():
        return
    for pid in process.run(["ip", "netns", "pids", name], check=False).stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    # The kernel removes a namespace's interfaces some time later; removing the pair first
    # ends its NAPI threads now.
    for interface in (SERVER_INTERFACE, CLIENT_INTERFACE):
        process.run(["ip", "-n", name, "link", "del", interface], check=False)
    process.run(["ip", "netns", "del", name])


def sweep() -> list[str]:
    """Remove namespaces whose recorder was killed outright; returns their names."""
    folder = Path("/run/netns")
    stale = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        owner = re.fullmatch(rf"{PREFIX}-(\d+)-(?:server|client)", path.name)
        if owner and not process_is_alive(int(owner.group(1))):
            remove(path.name)
            stale.append(path.name)
    return stale
