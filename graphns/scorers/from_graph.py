"""What heuristics of link prediction have in common: scores of pairs that follow from the graph alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from graphns.graph.graph import Graph


class Heuristic(ABC):
    """Scores pairs of nodes by the edges around them; a `Model` of the contract that nothing trains.

    Edges are taken in both directions, self-loops and weights are not read. Give it the training edges alone: a graph
    that holds the pairs to be found gives them away.

    Args:
        graph: homogeneous.

    Raises:
        ValueError: the graph is bipartite.
    """

    def __init__(self, graph: Graph) -> None:
        if graph.bipartite:
            raise ValueError("in a bipartite graph a source and a candidate have no neighbour in common; take "
                             "joined(graph) of graphns.graph.build, where candidate j is node num_src + j")
        edges = graph.edge_index
        edges = edges[:, edges[0] != edges[1]]
        self.graph = Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), graph.num_nodes)

    @abstractmethod
    def _scores(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """[B, m] float64 for anchors [B] and ids [B|1, m], both int64 nodes of the graph."""

    @abstractmethod
    def _rows(self, anchor: Tensor) -> Tensor:
        """[B, N] float64 for anchors [B]."""

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] float64 of candidates `ids` [B|1, m] for anchors [B]; of a node with itself of no meaning.

        Raises:
            ValueError: a node is none of the graph or no integer, or shapes do not fit.
        """
        if ids.dim() != 2 or len(ids) not in (1, len(anchor)):
            raise ValueError(f"ids must be [B|1, m] for {len(anchor)} anchors, got {tuple(ids.shape)}")
        return self._scores(self._nodes(anchor), self._nodes(ids.reshape(-1)).view(ids.shape))

    def rows(self, anchor: Tensor) -> Tensor:
        """Scores [B, N] float64 of all nodes for anchors [B].

        Raises:
            ValueError: an anchor is no node of the graph.
        """
        return self._rows(self._nodes(anchor))

    def pairs(self, source: Tensor, target: Tensor) -> Tensor:
        """Scores [n] float64 of pairs, sources [n] and targets [n].

        Raises:
            ValueError: a node is none of the graph, or shapes do not fit.
        """
        if source.shape != target.shape:
            raise ValueError(f"a pair has a source and a target, got {tuple(source.shape)} and {tuple(target.shape)}")
        return self.score(source, target[:, None])[:, 0]

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """No heuristic of the graph can score vectors.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{type(self).__name__} scores nodes of a graph, no vectors; use a model with embeddings")

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """No heuristic of the graph has embeddings.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{type(self).__name__} has no embeddings; use a model that has")

    def _nodes(self, ids: Tensor) -> Tensor:
        if ids.is_floating_point():
            raise ValueError(f"nodes are integer ids, got {ids.dtype}; convert them with .long()")
        return self.graph.rows(ids.to(self.graph.device).long().contiguous())


def by_source(anchor: Tensor, step: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The distinct anchors of [B] in blocks of `step`: nodes [b], who asked [n] in [0, B), and each one's node [n]."""
    distinct, place = torch.unique(anchor, return_inverse=True)
    order = place.argsort(stable=True)
    sorted_place = place[order]
    for number, nodes in enumerate(torch.split(distinct, step) if len(distinct) else ()):
        limits = torch.tensor([number * step, (number + 1) * step], device=anchor.device)
        begin, end = torch.searchsorted(sorted_place, limits).tolist()
        asked = order[begin:end]
        yield nodes, asked, place[asked] - number * step
