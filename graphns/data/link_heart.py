"""Any links with HeaRT's negatives in the place of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphns.data.link import LinkData, LinkPart
from graphns.metrics.heart_negatives import heart_negatives


def heart_links(data: LinkData, n: int = 500, *, heuristics: Sequence[str] | None = None, restart: float = 0.15,
                tolerance: float | None = None, seed: int = 0) -> LinkData:
    """The same links, each held-out positive with n hard negatives of its own; see `heart_negatives`.

    For validation no negative is a training edge, for test none is an edge of training or validation. The heuristics
    read the training edges in both. `LinkData.save` writes the result, `load_links` reads it back.

    Args:
        data: the links; of an undirected graph, negatives are excluded in both directions.
        n: negatives of a positive, even.
        heuristics: None: resource allocation, PageRank and, where there are features, their cosine.
        restart: of PageRank.
        tolerance: of PageRank; None: what suits the graph.
        seed: decides between candidates that the heuristics rank alike.

    Raises:
        ValueError: see `heart_negatives`.

    Example:
        >>> import torch
        >>> from graphns.data.link_split import random_links
        >>> from graphns.graph.graph import Graph
        >>> ring = torch.arange(60)
        >>> data = heart_links(random_links(Graph.from_edge_index(torch.stack([ring, (ring + 1) % 60]))), n=10)
        >>> data.setting, data.metric, data.test.negative.shape
        ('heart', 'mrr', torch.Size([2, 6, 10]))
    """
    parts = {}
    for name, known in (("valid", ("train",)), ("test", ("train", "valid"))):
        positive = data.part(name).positive
        negative = heart_negatives(data.graph, positive, n, x=data.features, exclude=data.joined(*known),
                                   heuristics=heuristics, restart=restart, tolerance=tolerance, seed=seed)
        parts[name] = LinkPart(positive, negative)
    return replace(data, valid=parts["valid"], test=parts["test"], setting="heart", metric="mrr")
