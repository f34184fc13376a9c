"""Short import of the networkx adapter: `from graphns.networkx import negative_edges`."""

from __future__ import annotations

from graphns.adapters.networkx import from_networkx, negative_edges, to_networkx

__all__ = ["from_networkx", "negative_edges", "to_networkx"]
