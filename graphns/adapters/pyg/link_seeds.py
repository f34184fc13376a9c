"""Seed edges and their negatives as seeds of a subgraph, and where PyG's loader looks for them in the batch.

Negatives belong to their edge: the i-th of a binary batch to edge i modulo B, as PyG lays out the times of negatives; a
triplet's stand in the row of their edge. PyG's own layouts differ between disjoint and other batches, which does not
show while its negatives know nothing of their edge.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling

from graphns.adapters.pyg.carrier import Drawn
from graphns.base import Negatives
from graphns.kernels.keys import row_keys
from graphns.streams import Stream, words_at


class Ends(NamedTuple):
    """One side of the seed edges, the positives first.

    Attributes:
        node: [s] int64.
        owner: [s] the edge in [0, B) that each belongs to.
        slot: [s] which of its edge's ends it is: 0 and 1 for source and destination, from 2 on for its negatives'.
    """

    node: Tensor
    owner: Tensor
    slot: Tensor


def ends(
    index: EdgeSamplerInput, config: NegativeSampling | None, source: Tensor | None, target: Tensor | None
) -> tuple[Ends, Ends]:
    """Both sides of the edges, with negatives `source` and `target` [B, k], if there are any."""
    num_negatives = 0
    if config is not None and target is not None:  # of a pool, more than the amount
        num_negatives = target.numel() if config.is_triplet() else math.ceil(len(index.row) * config.amount)
    return (_side(index.row.long(), source, 0, num_negatives), _side(index.col.long(), target, 1, num_negatives))


def _side(positive: Tensor, negative: Tensor | None, slot: int, num_negatives: int) -> Ends:
    size = len(positive)
    own = torch.arange(size)
    if negative is None:
        return Ends(positive, own, torch.full_like(own, slot))
    number = torch.arange(num_negatives)
    return Ends(torch.cat([positive, negative.t().reshape(-1)[:num_negatives]]),
                torch.cat([own, number % max(size, 1)]),
                torch.cat([torch.full_like(own, slot), 2 + slot + 2 * (number // max(size, 1))]))


def tree_keys(stream: Stream, row: Tensor, sides: tuple[Ends, Ends]) -> Tensor:
    """What the draws of each end's tree depend on [T]: the seed, the epoch, the id of its edge and which end it is."""
    slots = max([int(side.slot.max()) + 1 for side in sides if len(side.slot)], default=2)
    words = words_at(row_keys(stream, row), slots)
    return torch.cat([words[side.owner, side.slot] for side in sides])


def seeds_and_places(
    sides: tuple[Ends, Ends], kinds: tuple[str, str], disjoint: bool
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The seeds by kind, distinct and rising unless disjoint, and the place of each end among those of its kind."""
    source, target = (side.node for side in sides)
    if kinds[0] == kinds[1]:
        seeds, place = _distinct(torch.cat([source, target]), disjoint)
        return {kinds[0]: seeds}, place[: len(source)], place[len(source) :]
    (first, at_first), (second, at_second) = (_distinct(each, disjoint) for each in (source, target))
    return {kinds[0]: first, kinds[1]: second}, at_first, at_second


def _distinct(nodes: Tensor, disjoint: bool) -> tuple[Tensor, Tensor]:
    if disjoint:
        return nodes, torch.arange(len(nodes))
    seeds, place = torch.unique(nodes, return_inverse=True)
    return seeds, place


def metadata(
    index: EdgeSamplerInput, config: NegativeSampling | None, source: Tensor, target: Tensor, owner: Tensor
) -> tuple[Any, ...]:
    """What PyG's loader writes into the batch, from the places of the ends.

    Args:
        index: the batch of seed edges.
        config: binary, triplet or none.
        source: [s] places.
        target: [t] places.
        owner: [s] the edge of each source.
    """
    size, label, time = len(index.row), index.label, index.time
    if config is not None and config.is_triplet():
        if label is not None:
            raise ValueError("edge_label must be None for triplet negatives")
        width = (len(target) - size) // size if size else config.amount
        negative = target[size:].view(width, size).t().contiguous().squeeze(-1)
        return index.input_id, source, target[:size], negative, time
    if config is not None:
        if label is None:
            label = torch.ones(size)
        label = torch.cat([label, label.new_zeros((len(source) - size, *label.shape[1:]))])
        time = None if time is None else time[owner]
    return index.input_id, torch.stack([source, target]), label, time


def beside(drawn: Negatives, config: NegativeSampling, num_negatives: int, input_type: Any) -> Drawn:
    """What a sampler says of its negatives, laid out as they stand in the batch: [B, k], or one after another."""
    mask, log_prob = drawn.mask, drawn.log_prob
    if config.is_triplet():  # of the shape of dst_neg_index
        drawn = Negatives(drawn.ids, None if log_prob is None else log_prob.expand(mask.shape).squeeze(-1),
                          mask.squeeze(-1))
        return Drawn(drawn, None if input_type is None else input_type[-1], False)
    if log_prob is not None:
        log_prob = log_prob.expand(mask.shape).t().reshape(-1)[:num_negatives]
    return Drawn(Negatives(drawn.ids, log_prob, mask.t().reshape(-1)[:num_negatives]), input_type, False)
