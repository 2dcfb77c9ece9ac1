from __future__ import annotations

import errno
import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from faltcon.errors import KernelFeatureError, PortInUseError, ToolFailedError
from faltcon.lab import netns, process
from faltcon.lab.netns import HOST, Namespace

LISTENER = """
import socket, time
listener = socket.socket()
listener.bind(("0.0.0.0", {port}))
listener.listen()
print("listens", flush=True)
time.sleep(600)
"""


def namespaces() -> set[str]:
    folder = Path("/run/netns")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def ours() -> set[str]:
    return {name for name in namespaces() if f"-{os.getpid()}-" in name}


def test_a_named_namespace_wraps_a_command_and_the_host_does_not() -> None:
    assert Namespace("n").wrap(["a", "b"]) == ["ip", "netns", "exec", "n", "a", "b"]
    assert HOST.wrap(["a", "b"]) == ["a", "b"]


def test_a_port_in_use_on_this_machine_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert port in HOST.listening_ports()
        with pytest.raises(PortInUseError, match=f"port {port} is in use in this machine"):
            HOST.require_free_port(port)
    HOST.require_free_port(port)


def test_an_ipv6_listener_is_seen_too() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        assert listener.getsockname()[1] in HOST.listening_ports()


@pytest.mark.root
def test_the_pair_talks_and_is_gone_afterwards() -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        assert ours() == {pair.server.name, pair.client.name}
        for address in netns.CLIENT_ADDRESSES:
            answer = pair.server.run(["ip", "route", "get", address])
            assert f"dev {netns.SERVER_INTERFACE}" in answer
        # Nothing listens there, and the other end says so: packets go both ways.
        target = (netns.SERVER_ADDRESS, 9)
        probe = f"import socket; print(socket.socket().connect_ex({target}))"
        answer = pair.client.run([sys.executable, "-c", probe])
        assert int(answer) == errno.ECONNREFUSED
        assert pair.server.read("/proc/sys/net/ipv4/ip_local_port_range").split() == [
            "1024",
            "65535",
        ]
    assert not ours()


@pytest.mark.root
def test_removing_ends_every_process_inside(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        # A daemon that has left its parent's group: only the namespace still knows it.
        pair.server.run(
            ["sh", "-c", f"setsid sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/pid"]
        )
        inside = process.run(["ip", "netns", "pids", str(pair.server.name)]).stdout.split()
        assert inside
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}/ns").exists() for pid in inside) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(
        "sleep" in Path(f"/proc/{pid}/comm").read_text()
        for pid in inside
        if Path(f"/proc/{pid}/comm").exists()
    )
    assert not ours()


@pytest.mark.root
def test_a_failure_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ToolFailedError(["ip"], 1, "refused")

    monkeypatch.setattr(netns, "_address", refuse)
    with pytest.raises(ToolFailedError, match="refused"), ExitStack() as stack:
        netns.make_pair(stack)
    assert not ours()


@pytest.mark.root
def test_remove_twice_and_of_nothing_is_no_error() -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        assert pair.server.name is not None
        netns.remove(pair.server.name)
        netns.remove(pair.server.name)
    netns.remove("faltcon-that-never-was")


@pytest.mark.root
def test_sweep_removes_what_the_dead_left_and_spares_the_living() -> None:
    dead = "faltcon-99999999-server"
    foreign = f"other-{os.getpid()}-server"
    with ExitStack() as stack:
        for name in (dead, foreign):
            stack.callback(netns.remove, name)
            process.run(["ip", "netns", "add", name])
        pair = netns.make_pair(stack)
        assert dead in netns.sweep()
        left = namespaces()
        assert dead not in left
        assert {foreign, pair.server.name, pair.client.name} <= left


@pytest.mark.root
def test_threaded_napi_is_pinned_and_ends_with_the_pair() -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        pair.set_offloads("gro", "on", "tso", "off", "gso", "off")
        before = {
            interface: netns._napi_threads(interface)  # noqa: SLF001
            for interface in (netns.SERVER_INTERFACE, netns.CLIENT_INTERFACE)
        }
        pair.thread_napi(server_cpu=1, client_cpu=0)
        threads = {}
        for interface, cpu in ((netns.SERVER_INTERFACE, 1), (netns.CLIENT_INTERFACE, 0)):
            new = netns._napi_threads(interface) - before[interface]  # noqa: SLF001
            assert new
            for pid in new:
                assert os.sched_getaffinity(pid) == {cpu}
            threads[interface] = new
    for interface, pids in threads.items():
        assert not pids & netns._napi_threads(interface)  # noqa: SLF001


@pytest.mark.root
def test_a_kernel_without_threaded_napi_is_told_with_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Namespace, command: list[str], **__: object) -> str:
        raise ToolFailedError(command, 1, "No such file or directory")

    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        with monkeypatch.context() as patch:
            patch.setattr(Namespace, "run", refuse)
            with pytest.raises(
                KernelFeatureError, match=r"no threaded NAPI that can.*--variant veth"
            ):
                pair.thread_napi(1, 0)


@pytest.mark.root
def test_a_thread_that_does_not_come_is_not_waited_for_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(netns, "THREAD_WAIT_S", 0.1)
    monkeypatch.setattr(netns, "_napi_threads", lambda _interface: set())
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        pair.set_offloads("gro", "on")
        with pytest.raises(KernelFeatureError, match="though it was switched on"):
            pair.thread_napi(1, 0)


@pytest.mark.root
def test_without_gro_veth_has_no_napi_and_that_is_said() -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        pair.set_offloads("gro", "off")
        with pytest.raises(KernelFeatureError, match="generic receive offload"):
            pair.thread_napi(1, 0)


@pytest.mark.root
def test_a_port_in_use_is_seen_in_its_own_namespace_only(tmp_path: Path) -> None:
    with ExitStack() as stack:
        pair = netns.make_pair(stack)
        command = pair.server.wrap([sys.executable, "-c", LISTENER.format(port=8080)])
        child = process.start(stack, command, log=tmp_path / "log")
        deadline = time.monotonic() + 20
        while "listens" not in child.output() and time.monotonic() < deadline:
            child.require_running()
            time.sleep(0.02)
        with pytest.raises(PortInUseError, match=f"8080 is in use in namespace {pair.server.name}"):
            pair.server.require_free_port(8080)
        pair.client.require_free_port(8080)
