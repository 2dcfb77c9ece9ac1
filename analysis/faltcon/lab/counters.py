"""The kernel's own counters of a network namespace, as text that is kept as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faltcon.lab import netns

if TYPE_CHECKING:
    from faltcon.lab.netns import Namespace

__all__ = ["snapshot"]


def snapshot(where: Namespace) -> str:
    """TCP, IP, interface and softnet counters, each under a heading with its command."""
    commands = [
        ["nstat", "-a", "-z", "-s"],
        ["cat", "/proc/net/softnet_stat"],
        ["cat", "/proc/net/sockstat"],
        ["cat", "/proc/interrupts"],
        ["cat", "/proc/softirqs"],
    ]
    if where is not netns.HOST:
        commands.append(["ethtool", "-S", netns.SERVER_INTERFACE])
        commands.append(["ethtool", "-k", netns.SERVER_INTERFACE])
    return "\n".join(
        f"# {' '.join(command)}\n{where.run(command, check=False)}" for command in commands
    )
