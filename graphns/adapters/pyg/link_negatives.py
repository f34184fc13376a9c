"""The negatives of seed edges: PyG's rule, keyed; or a sampler's, given the source of each edge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.sampler import NegativeSampling
from torch_geometric.sampler.neighbor_sampler import neg_sample

from graphns.base import Negatives, Query
from graphns.graph.graph import check_weight
from graphns.kernels.keys import row_keys
from graphns.kernels.weighted import cumulative_weights, fixed_point
from graphns.streams import Stream, bounded, words_at

ROUNDS = 5
"""How often a negative that is not there yet is drawn anew, as in PyG."""


class PlainNegatives:
    r"""PyG's own rule: nodes drawn without a look at the edges, uniformly or by the weights of `NegativeSampling`.

    .. math:: q(j) = w_j \Big/ \sum_{i : t_i \le t} w_i, \quad t_j \le t

    where nodes have times, t is that of the seed edge; else over all nodes. PyG draws up to six times there; here one
    draw among the nodes that are there is exact. If there is none yet, it is the node with the least time, as in PyG.
    """

    def __init__(self) -> None:
        # made from what the loader gives with every batch, and kept as long as it gives the same
        self._tables: dict[tuple[str, int], tuple[Any, Tensor | None, Tensor | None, Tensor | None]] = {}

    def draw(
        self, config: NegativeSampling, endpoint: str, seed: Tensor, num_nodes: int, stream: Stream, row: Tensor,
        seed_time: Tensor | None = None, node_time: Tensor | None = None, *, by_row: bool = False,
    ) -> Tensor:
        """Negatives [B, k] int64 for B seeds, k being the amount rounded up; keyed by `row` [B].

        A subclass of `NegativeSampling` with a `sample` of its own is asked as PyG asks it; `by_row` says in which of
        PyG's two layouts its answer is read.
        """
        k = math.ceil(config.amount)
        if type(config).sample is not NegativeSampling.sample:
            flat = neg_sample(seed, config, num_nodes, seed_time, node_time, endpoint)
            flat = torch.cat([flat, flat.new_zeros(k * len(seed) - len(flat))])  # beyond the amount: nobody looks
            return flat.view(len(seed), k) if by_row else flat.view(k, len(seed)).t()
        words = words_at(row_keys(stream, row), k)
        weight = config.src_weight if endpoint == "src" else config.dst_weight
        if node_time is not None and seed_time is None:
            raise ValueError("nodes have times, so their negatives need the time of each seed edge: pass "
                             "edge_label_time")
        order, times, table = self._table(endpoint, num_nodes, weight, node_time)
        if order is None or times is None or seed_time is None:
            if table is None:
                return bounded(words, num_nodes)
            return torch.searchsorted(table, bounded(words, int(table[-1])), right=True) - 1
        if times.dtype != seed_time.dtype:
            times, seed_time = times.double(), seed_time.double()
        there = torch.searchsorted(times, seed_time.contiguous(), right=True)
        total = (there if table is None else table[there])[:, None]
        mark = bounded(words, total)
        place = mark if table is None else torch.searchsorted(table, mark, right=True) - 1
        return order[torch.where(total > 0, place, 0).clamp(max=num_nodes - 1)]

    def _table(
        self, endpoint: str, num_nodes: int, weight: Tensor | None, node_time: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The nodes in the order of time, their times, and the weights before each, in that order."""
        known = self._tables.get((endpoint, num_nodes))
        # the version tells of weights that were overwritten in place, from one pass to the next
        version = None if weight is None or weight.is_inference() else weight._version
        if known is None or known[0][0] is not weight or known[0][1:] != (version, id(node_time)):
            order = times = table = None
            if node_time is not None:
                times, order = node_time.cpu().sort(stable=True)
            if weight is not None:
                if weight.numel() != num_nodes:
                    raise ValueError(f"{endpoint}_weight of the NegativeSampling needs one weight for each of the "
                                     f"{num_nodes} nodes, got {weight.numel()}")
                fixed = fixed_point(check_weight(weight.detach().cpu().view(-1), num_nodes, "node"))
                if int(fixed.max()) == 0:
                    raise ValueError(f"{endpoint}_weight of the NegativeSampling is 0 everywhere")
                table = cumulative_weights(fixed if order is None else fixed[order])
            known = self._tables[endpoint, num_nodes] = ((weight, version, id(node_time)), order, times, table)
        return known[1:]

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes its tables itself."""
        return {"_tables": {}}


def draw_given_source(
    sampler: Callable[[Query], Negatives], query: Query, num_nodes: int, name: str, seed_time: Tensor | None = None,
    node_time: Tensor | None = None, source_time: Tensor | None = None,
) -> Negatives:
    """What a sampler answers, refused where it is no node; and not of the future, where nodes have times.

    A negative whose time is after its seed's is drawn anew up to `ROUNDS` times, then masked; of a pair, both ends
    must be there. That changes the proposal, so log_prob is left out.

    Raises:
        ValueError: vectors, or ids that are no nodes.
    """
    drawn = sampler(query)
    if drawn.vectors is not None:
        raise ValueError(f"{name} draws vectors; a loader embeds nodes, so it needs ids of nodes")
    most = int(drawn.ids.max()) if drawn.ids.numel() else -1
    if most >= num_nodes:
        raise ValueError(f"{name} drew {most}, but there are {num_nodes} nodes to draw from; give a sampler whose "
                         "candidates are the nodes at which the seed edges end")
    if seed_time is None or (node_time is None and (source_time is None or drawn.anchor is None)):
        return drawn
    for round_ in range(ROUNDS):
        late = drawn.mask & _of_future(drawn, seed_time, node_time, source_time)
        if not bool(late.any()):
            break
        again = sampler(query.child(2**20 + round_))
        anchor = drawn.anchor
        if anchor is not None and again.anchor is not None:
            anchor = torch.where(late, again.anchor, anchor)
        drawn = Negatives(torch.where(late, again.ids, drawn.ids), None, torch.where(late, again.mask, drawn.mask),
                          anchor)
    mask = drawn.mask & ~_of_future(drawn, seed_time, node_time, source_time)
    return drawn._replace(mask=mask, log_prob=None)


def _of_future(
    drawn: Negatives, seed_time: Tensor, node_time: Tensor | None, source_time: Tensor | None
) -> Tensor:
    """Where [B, k] a drawn end is later than its seed."""
    late = torch.zeros_like(drawn.mask)
    for ids, times in ((drawn.ids, node_time), (drawn.anchor, source_time)):
        if ids is not None and times is not None:
            late = late | (times[ids] > seed_time[:, None])
    return late

