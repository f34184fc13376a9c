"""Candidates numbered cluster by cluster, so that drawing from some clusters is drawing from a range."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.graph.clusters import clusters
from graphns.graph.graph import Graph

Labels = Tensor | tuple[Tensor, Tensor] | None
"""A cluster for each node [N]; for each source and each candidate; or None, to be found by `graph.clusters`."""


class ClusterTables(NamedTuple):
    """members [N], candidates by cluster; place [N], where each stands; first [C + 1], where each cluster begins."""

    members: Tensor
    place: Tensor
    first: Tensor


def cluster_tables(label: Tensor, num: int) -> ClusterTables:
    """The tables of candidates with the clusters `label` [N] in [0, num)."""
    members = label.argsort(stable=True)
    first = torch.zeros(num + 1, dtype=torch.int64, device=label.device)
    first[1:] = torch.bincount(label, minlength=num).cumsum(0)
    return ClusterTables(members, members.argsort(), first)


def labels_of(graph: Graph, labels: Labels, num_clusters: int | None, seed: int) -> tuple[Tensor, Tensor, int]:
    """The cluster of each source and of each candidate, checked or found, and how many clusters there are.

    Raises:
        ValueError: labels have a wrong shape, dtype or value, or are missing for a bipartite graph.
    """
    if labels is None:
        if graph.bipartite:
            raise ValueError("clusters of a bipartite graph must be given: labels=(of sources, of candidates)")
        labels = clusters(graph, num_clusters or max(round(graph.num_src**0.5), 1), seed)
    source, target = labels if isinstance(labels, tuple) else (labels, labels)
    for what, given, size in (("source", source, graph.num_src), ("candidate", target, graph.num_dst)):
        if given.shape != (size,) or given.is_floating_point() or int(given.min()) < 0:
            raise ValueError(f"need one cluster >= 0 per {what}, integers [{size}], got {given.dtype} "
                             f"{tuple(given.shape)}")
    num = int(torch.maximum(source.max(), target.max())) + 1
    return source.long().to(graph.device), target.long().to(graph.device), num
