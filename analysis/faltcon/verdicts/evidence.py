"""The data that verdicts rest on, each read at most once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pandas as pd

from faltcon import connections, handshake, paths, profiles, provenance, published

if TYPE_CHECKING:
    from faltcon.handshake import Boot
    from faltcon.profiles import Profile
    from faltcon.published import FlowSum, SumsOrigin

__all__ = ["PAPERS_RESPONSE_BYTES", "PAPERS_SETUP", "Evidence"]

# Nearest to the paper's: the server's receiving on the server's core, as with a real card.
PAPERS_SETUP = "napi"
# Section 4.3's message; section 2.2.2 does not say which size it used.
PAPERS_RESPONSE_BYTES = 64


class Evidence:
    """Lazily read tables; the folder is `data/`, or what `FALTCON_DATA` names."""

    @functools.cached_property
    def profiles(self) -> list[Profile]:
        """Profiles of the paper's kind of set-up, of every response size.

        Raises UsageError where none is recorded.
        """
        return profiles.load(setup=PAPERS_SETUP)

    @property
    def main(self) -> list[Profile]:
        """Those of the default response size: the repetitions of Figure 1."""
        return [p for p in self.profiles if p.response_bytes == PAPERS_RESPONSE_BYTES]

    @functools.cached_property
    def handshakes(self) -> list[Boot]:
        """Boots of Figure 3 in the minimal configuration; none where none is recorded."""
        if not (paths.raw_dir() / handshake.EXPERIMENT).is_dir():
            return []
        return handshake.load(configuration="minimal")

    def connection_costs(self, experiment: str) -> pd.DataFrame:
        """What a connection cost the server, see `connections.costs`; empty where not recorded."""
        if experiment not in self._connection_costs:
            there = provenance.recorded(paths.raw_dir(), experiment)
            found = connections.costs(connections.load(experiment)) if there else pd.DataFrame()
            self._connection_costs[experiment] = found
        return self._connection_costs[experiment]

    @functools.cached_property
    def _connection_costs(self) -> dict[str, pd.DataFrame]:
        return {}

    @functools.cached_property
    def flows(self) -> tuple[list[FlowSum], SumsOrigin]:
        """Sums of the published flow histograms."""
        return published.flow_sums()
