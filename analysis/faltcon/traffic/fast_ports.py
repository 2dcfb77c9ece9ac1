"""What a connection's ports say of its protocol, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faltcon.traffic.jit import compiled
from faltcon.traffic.protocols import HTTP_PORTS, NEVER_HTTP_PORTS, TLS_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["ON_HTTP", "ON_NEVER", "ON_TLS", "port_kind"]

ON_HTTP, ON_TLS, ON_NEVER = 1, 2, 4


def _ports(numbers: Iterable[int], bit: int) -> NDArray[np.uint8]:
    table = np.zeros(65536, dtype=np.uint8)
    table[list(numbers)] = bit
    return table


PORT_KINDS = _ports(HTTP_PORTS, ON_HTTP) | _ports(TLS_PORTS, ON_TLS)
PORT_KINDS |= _ports(NEVER_HTTP_PORTS, ON_NEVER)


@compiled
def port_kind(first: int, second: int) -> int:
    """What a connection's two ports say, as bits."""
    return int(PORT_KINDS[first] | PORT_KINDS[second])
