"""Another sampler's draws with known positives masked by a Bloom filter."""

from __future__ import annotations

from typing import Any, Self

from graphns.base import Negatives, Query, Sampler
from graphns.graph.bloom import BloomFilter
from graphns.graph.graph import Graph
from graphns.samplers.exclusion import Exclude, check_choice
from graphns.samplers.static.uniform import Uniform


class BloomFiltered(Sampler):
    r"""Mask the draws of another sampler that a Bloom filter takes for known positives; and positive and anchor.

    .. math:: \text{mask}_{us} = \text{mask}^0_{us} \wedge j_{us} \notin \{u, y^+_u\} \wedge \neg B(u, j_{us}),
        \qquad B(u, j) = \text{True for known pairs, and for others with probability}\ p

    The filter of `Filtered` where known pairs are too many to be kept: 9.6 bits a pair at p = 0.01, whatever the ids.
    One-sided: no known positive is ever kept; a share p of the true negatives is masked, always the same ones. Nothing
    is drawn again, so a pair may have fewer than k usable negatives. Put it *inside* what chooses:
    ``Hardest(BloomFiltered(base, known))``.

    The density is "none": the mass that the filter takes away is known only by asking it about every candidate.

    Args:
        base: draws ids; it may draw known positives. Its log_prob is not used.
        known: the filter, of anchors of any width; see `BloomFilter.from_graph`, `BloomFilter.from_pairs`.

    Returns:
        On call, what the base gives, with a smaller mask and no log_prob.

    Raises:
        ValueError: the base draws pairs or vectors; the rate is not in (0, 1).

    Example:
        >>> import torch
        >>> from graphns.streams import Stream
        >>> graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=5)
        >>> sampler = BloomFiltered.from_graph(graph, rate=0.001)
        >>> negatives = sampler(Query(torch.tensor([0]), torch.tensor([1]), k=50, stream=Stream(0)))
        >>> negatives.ids[negatives.mask].unique()
        tensor([3, 4])

    References:
        Bloom: Space/Time Trade-offs in Hash Coding with Allowable Errors. Communications of the ACM 1970.
    """

    def __init__(self, base: Sampler, known: BloomFilter) -> None:
        super().__init__()
        self.base = base
        self.known = known

    @classmethod
    def from_graph(cls, graph: Graph, *, exclude: Exclude = "neighbors", rate: float = 0.01, **options: Any) -> Self:
        """Uniform draws that may hit neighbours, with these masked; with ``exclude="self"`` nothing is left to mask.

        Further options are those of `Uniform`.
        """
        check_choice(exclude, ("neighbors", "self"), "exclude")
        size = (graph.num_src, graph.num_dst) if graph.bipartite else graph.num_src
        known = BloomFilter.from_graph(graph if exclude == "neighbors" else Graph.empty(size, graph.device), rate)
        return cls(Uniform(graph, exclude="self", **options), known)

    def sample(self, query: Query) -> Negatives:
        """Draw from the base, and mask."""
        drawn: Negatives = self.base(query)
        if drawn.anchor is not None or drawn.vectors is not None:
            raise ValueError(f"{type(self.base).__name__} draws pairs or vectors; a filter needs ids for the query's "
                             "anchors")
        masked = self.known.has_edge(query.anchor, drawn.ids) | (drawn.ids == query.positive[:, None])
        if not self.known.bipartite:
            masked |= drawn.ids == query.anchor[:, None]
        return drawn._replace(mask=drawn.mask & ~masked, log_prob=None)
