"""The heuristics of link prediction by the names that tables give them."""

from __future__ import annotations

from collections.abc import Callable

from graphns.graph.graph import Graph
from graphns.scorers.from_graph import Heuristic
from graphns.scorers.katz import Katz
from graphns.scorers.overlap import AdamicAdar, CommonNeighbors, ResourceAllocation
from graphns.scorers.pagerank import PersonalizedPageRank

HEURISTICS: dict[str, Callable[[Graph], Heuristic]] = {
    "cn": CommonNeighbors, "aa": AdamicAdar, "ra": ResourceAllocation, "ppr": PersonalizedPageRank, "katz": Katz,
}
"""What each makes of a graph of training edges, with its own defaults."""
