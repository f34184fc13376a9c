"""A sampler of graphns for DGL's loaders, and `global_uniform_negative_sampling` with DGL's signature."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from graphns.adapters.dgl.graphs import EdgeType, kept_graph, kept_space
from graphns.base import Sampler
from graphns.kernels.edges import distinct_values
from graphns.kernels.pairs import exchange_pairs
from graphns.streams import Stream, bounded

if TYPE_CHECKING:
    from graphns.adapters.dgl.negative_samplers import NegativeSampler


def as_negative_sampler(
    sampler: Sampler | Mapping[EdgeType, Sampler], k: int = 1, *, seed: int | None = 0, short: str = "raise"
) -> NegativeSampler:
    r"""Any static sampler as the `negative_sampler` of `dgl.dataloading.as_edge_prediction_sampler`.

    Every edge (u, v) of a batch gets k negatives

    .. math:: (u, y_1) \dots (u, y_k), \quad y_i \sim q(\cdot \mid u, v)

    as DGL's `PerSourceUniform` lays them out: row-major, each source k times in a row. A sampler that draws both ends
    (`GlobalEdges`) gives its own pairs, k per edge.

    Random is what the sampler draws, keyed by (seed, epoch, edge type, edge id): DGL tells its negative sampler of
    nothing but the graph and the edges. So within an epoch an edge keeps its negatives, in whatever batch it stands,
    for any number of workers, forked or spawned, and whatever the state of torch's, NumPy's and Python's generators; an
    edge that stands in a batch twice gets the same ones twice, while parallel edges, which have ids of their own, get
    their own. What is drawn for a batch as a whole (`Shared`, `GlobalEdges`) follows its lowest edge id. A loader tells
    nobody of an epoch: call `set_epoch` on what this returns before each pass, or every pass draws the same.

    Args:
        sampler: one whose candidates are the destination nodes, or a dict of them by edge type, names or canonical
            triples: ``{"clicks": Uniform(from_dgl(g, "clicks"))}``. It is asked for anchor u and positive v.
        k: negatives per edge.
        seed: of everything drawn here. None: each call takes one key from torch's default generator, which a loader
            seeds anew in every worker and pass: no `set_epoch`, but other draws for another number of workers.
        short: what happens to slots that the sampler masks, as there is no candidate or, where draws are shared, since
            the pair is known: ``"raise"``, or ``"drop"``: the negative graph then has fewer edges, and scores do not
            reshape to [B, k].

    Returns:
        A callable ``(g, eids) -> (sources, destinations)``, or a dict of such by canonical triple for a dict of eids;
        ids are of the graph's type, on the device of `eids`. It pickles, and has `epoch` and `set_epoch`.

    Raises:
        ValueError: k is below 1; `sampler` is none, or reads a model, keeps state or learns, of which a loader's worker
            holds only a copy. On call: no sampler for an edge type, or ids that are no nodes.
        InfeasibleError: on call, a slot is masked, and ``short="raise"``.

    Example:
        >>> import dgl
        >>> from graphns import Uniform
        >>> from graphns.graph.build import from_dgl
        >>> g = dgl.graph(([0, 1, 2, 3, 4], [1, 2, 3, 4, 0]))
        >>> negative_sampler = as_negative_sampler(Uniform(from_dgl(g)), k=2)
        >>> sampler = dgl.dataloading.as_edge_prediction_sampler(
        ...     dgl.dataloading.NeighborSampler([2, 2]), negative_sampler=negative_sampler)
        >>> loader = dgl.dataloading.DataLoader(g, torch.arange(5), sampler, batch_size=5)
        >>> negative_sampler.set_epoch(1)
        >>> input_nodes, positive, negative, blocks = next(iter(loader))
        >>> positive.num_edges(), negative.num_edges()
        (5, 10)
    """
    from graphns.adapters.dgl.negative_samplers import NegativeSampler

    return NegativeSampler(sampler, k, seed=seed, short=short)


def global_uniform_negative_sampling(
    g: Any,
    num_samples: int,
    exclude_self_loops: bool = True,
    replace: bool = False,
    etype: EdgeType | None = None,
    redundancy: float | None = None,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw pairs that are no edges of a type, uniformly, in random order.

    Of the M pairs that are no edges, exactly min(num_samples, M) distinct ones are drawn, every set of them equally
    likely; with `replace`, exactly num_samples independent ones, or none if M = 0.

    Args:
        g: a `DGLGraph`. Its numbering of non-edges is kept until its edges change, so further calls cost the draw.
        num_samples: how many, at least 0.
        exclude_self_loops: leave out the pairs (u, u). Without effect between two types of nodes.
        replace: whether a pair may be drawn twice.
        etype: the edge type, its name or canonical triple. None: the only one; DGL takes the first of several.
        redundancy: accepted for DGL's sake. Nothing is rejected here, and DGL does not read it either.
        generator: the randomness: one key is taken from it. None: from torch's default generator.

    Returns:
        Sources and destinations [n] each, of the id type of `g`, on its device.

    Raises:
        ValueError: num_samples is no integer of at least 0; no such edge type, or None of several; no nodes.

    Example:
        >>> import dgl
        >>> graph = dgl.graph(([0, 1, 2], [1, 2, 0]))
        >>> source, destination = global_uniform_negative_sampling(graph, 100)
        >>> sorted(zip(source.tolist(), destination.tolist()))
        [(0, 2), (1, 0), (2, 1)]
    """
    return draw_pairs(g, num_samples, exclude_self_loops, replace, etype, Stream.from_torch(generator))


def draw_pairs(
    g: Any, num_samples: int, exclude_self_loops: bool, replace: bool, etype: EdgeType | None,
    stream: Stream,
) -> tuple[Tensor, Tensor]:
    """`global_uniform_negative_sampling`, on a stream."""
    if not isinstance(num_samples, Integral) or num_samples < 0:
        raise ValueError(f"num_samples must be an integer of at least 0, got {num_samples!r}")
    graph = kept_graph(g, etype)
    space = kept_space(graph, graph.bipartite or not exclude_self_loops)
    available, num = space.num_pairs, int(num_samples)
    if replace:
        row = torch.arange(num if available else 0, device=graph.device)
        numbers = bounded(stream.words(row, 1)[:, 0], available)
    else:
        numbers = distinct_values(available, min(num, available), stream, graph.device)
    pairs = exchange_pairs(space, numbers, graph.edge_filter)
    return pairs[0].to(g.idtype), pairs[1].to(g.idtype)
