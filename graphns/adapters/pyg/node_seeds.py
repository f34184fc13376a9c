"""Seed nodes and the negatives among them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphns.base import Negatives
from graphns.kernels.neighbors import relabel


class NodeSeeds(NamedTuple):
    """The seeds of a batch.

    Attributes:
        seeds: [s] int64: the batch's own, then their negatives.
        owner: [s] the place in the batch that each belongs to.
        slot: [s] 0 for the batch's own, from 1 on for its negatives.
        drawn: the negatives, their ids being places among the seeds; None without.
    """

    seeds: Tensor
    owner: Tensor
    slot: Tensor
    drawn: Negatives | None


def node_seeds(nodes: Tensor, drawn: Negatives | None, disjoint: bool) -> NodeSeeds:
    """The seeds of a batch; negatives once each, or, disjoint, each with a tree of its own.

    Args:
        nodes: [B] int64.
        drawn: with global ids; a slot that nobody uses gets the first seed, which costs no further one.
        disjoint: whether every seed has its tree.
    """
    size = len(nodes)
    own = torch.arange(size)
    if drawn is None:
        return NodeSeeds(nodes, own, torch.zeros_like(own), None)
    shared = len(drawn.ids) == 1 and not disjoint
    used = drawn.mask.any(0, keepdim=True) if shared else drawn.mask
    ids = torch.where(used, drawn.ids, nodes[0])
    if disjoint:
        k = ids.shape[1]
        seeds = torch.cat([nodes, ids.flatten()])
        owner = torch.cat([own, own.repeat_interleave(k)])
        slot = torch.cat([torch.zeros_like(own), torch.arange(1, k + 1).repeat(size)])
        log_prob = drawn.log_prob if drawn.log_prob is None else drawn.log_prob.expand(size, -1)
        place = torch.arange(size, size + size * k).view(size, k)
        return NodeSeeds(seeds, owner, slot, drawn._replace(ids=place, log_prob=log_prob))
    distinct, place = relabel(torch.cat([nodes, ids.flatten()]))
    num_own = int(place[:size].max()) + 1
    first = torch.full((num_own,), size).scatter_reduce_(0, place[:size], own, "amin")
    further = place[size:]
    place = torch.where(further < num_own, first[further.clamp(max=num_own - 1)], further - num_own + size)
    seeds = torch.cat([nodes, distinct[num_own:]])
    none = torch.zeros(len(seeds), dtype=torch.int64)  # only trees have owners
    return NodeSeeds(seeds, none, none, drawn._replace(ids=place.view(ids.shape)))
