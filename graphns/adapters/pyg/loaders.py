"""PyG's loaders of neighbourhoods, by the names and arguments of PyG, with negatives of any sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch_geometric.loader as theirs
from torch_geometric.sampler import BaseSampler, NegativeSampling
from torch_geometric.sampler.base import SubgraphType

from graphns.adapters.pyg.neighbor_sampler import NeighborSampler
from graphns.base import Negatives, Sampler

Hook = Callable[[Any], Any]


class _Passes:
    """What both loaders add: every pass draws anew, and `select`."""

    sampler_of_graph: Any
    _next_epoch = 0

    @property
    def epoch(self) -> int:
        """The pass that is drawn for, or was last."""
        return int(self.sampler_of_graph.epoch)

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass; those after it count on from there. The first is 0 if nobody says otherwise."""
        self._next_epoch = epoch
        if isinstance(self.sampler_of_graph, NeighborSampler):  # another knows of no passes
            self.sampler_of_graph.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        self.set_epoch(self._next_epoch)
        self._next_epoch += 1
        batches: Iterator[Any] = super().__iter__()  # type: ignore[misc]  # DataLoader's
        return batches


class LinkNeighborLoader(_Passes, theirs.LinkNeighborLoader):  # type: ignore[misc]  # PyG is not typed
    r"""`torch_geometric.loader.LinkNeighborLoader` on a plain install, with negatives of a sampler.

    The same arguments and the same batches, without pyg-lib or torch-sparse. With `negatives`, what PyG draws without a
    look at the edges is drawn given the source of each seed edge,

    .. math:: y_{b1} \dots y_{bk} \sim q(\cdot \mid u_b), \quad (u_b, v_b) \text{ the seed edges},

    for the k of ``neg_sampling``: `Uniform(graph)` over the training edges never draws one of them. "triplet" gives
    ``src_index``, ``dst_pos_index`` and ``dst_neg_index`` [B, k] ([B] for k = 1), whose row b is that of edge b.
    "binary" replaces the destination and keeps the source, where PyG draws both ends; a sampler of pairs
    (`GlobalEdges`) gives both. An amount below 1 serves the first edges of the batch. Batches hold ``negative_mask``
    too (True = use: False where a source has no candidate) and, where the sampler has a density,
    ``negative_log_prob``: of the shape of ``dst_neg_index``; binary, one for each 0 at the end of ``edge_label``.

    Random are neighbours and negatives, keyed by `seed`, the number of the pass and the id of the edge (`input_id`):
    batches are the same for any number of workers. Every pass over the loader draws anew; `set_epoch` numbers it. What
    PyG leaves to torch's generator, `shuffle`, stays so. Without `negatives`, negatives are PyG's (drawn without a
    look at edges, by the weights of `NegativeSampling`), keyed likewise. Where nodes have times, none is drawn before
    its time.

    A sampler that reads the model is drawn in two stages, "triplet" only: ``dst_neg_index`` [B, m] is its pool, and
    `select` gives its choice in the training step.

    Args:
        data: `Data`, `HeteroData` or PyG's (FeatureStore, GraphStore).
        num_neighbors: see PyG; as all arguments that are not named here.
        edge_label_index: the seed edges, or (edge type, seed edges); None: all edges.
        edge_label: labels of the seed edges; with binary negatives they move up by one if 0 is among them, for
            negatives are 0.
        edge_label_time: times of the seed edges; needs `time_attr`.
        neighbor_sampler: a `NeighborSampler`, or another of PyG's kind, that is ready; then `num_neighbors`,
            `negatives`, `seed` and what else concerns sampling are its own.
        negatives: a sampler on the CPU whose candidates are the destinations.
        seed: of everything drawn here.
        **kwargs: those of `torch.utils.data.DataLoader`.

    Raises:
        ValueError: arguments contradict each other or do not fit the data; see `NeighborSampler`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphns import Graph, Uniform
        >>> ring = torch.arange(6)
        >>> data = Data(x=torch.eye(6), edge_index=torch.stack([ring, (ring + 1) % 6]))
        >>> loader = LinkNeighborLoader(data, [2, 2], batch_size=3, neg_sampling="triplet",
        ...                             negatives=Uniform(Graph.from_edge_index(data.edge_index)))
        >>> batch = next(iter(loader))
        >>> batch.src_index.shape, batch.dst_neg_index.shape, bool(batch.negative_mask.all())
        (torch.Size([3]), torch.Size([3]), True)
    """

    def __init__(
        self, data: Any, num_neighbors: Any, edge_label_index: Any = None, edge_label: Any = None,
        edge_label_time: Any = None, replace: bool = False, subgraph_type: SubgraphType | str = "directional",
        disjoint: bool = False, temporal_strategy: str = "uniform", neg_sampling: Any = None,
        neg_sampling_ratio: float | None = None, time_attr: str | None = None, weight_attr: str | None = None,
        transform: Hook | None = None, transform_sampler_output: Hook | None = None, is_sorted: bool = False,
        filter_per_worker: bool | None = None, neighbor_sampler: BaseSampler | None = None, directed: bool = True,
        *, negatives: Sampler | None = None, seed: int = 0, **kwargs: Any,
    ) -> None:
        if neighbor_sampler is None:
            neighbor_sampler = NeighborSampler(
                data, num_neighbors, subgraph_type, replace, disjoint, temporal_strategy, time_attr, weight_attr,
                is_sorted, directed=directed, negatives=negatives, seed=seed)
        elif negatives is not None:
            raise ValueError("negatives=... belongs to the sampler that you pass: NeighborSampler(..., negatives=...)")
        own = neighbor_sampler.negatives if isinstance(neighbor_sampler, NeighborSampler) else None
        if own is not None and neg_sampling is None and not neg_sampling_ratio:
            raise ValueError("negatives=... needs to know how many: pass neg_sampling, such as "
                             "NegativeSampling('triplet', amount=1)")
        self.sampler_of_graph = neighbor_sampler
        hooks = _hooks(neighbor_sampler, transform, transform_sampler_output)
        super().__init__(
            data, num_neighbors, edge_label_index, edge_label, edge_label_time, neg_sampling=neg_sampling,
            neg_sampling_ratio=neg_sampling_ratio, time_attr=time_attr, filter_per_worker=filter_per_worker,
            neighbor_sampler=neighbor_sampler, **hooks, **kwargs)

    def select(self, batch: Any, model: Any) -> Negatives:
        """The choice of a sampler that reads the model, from the pool in a batch of this pass.

        Args:
            batch: with triplets.
            model: embeddings [n, d] of the batch's nodes; a pair of them, of sources and of destinations; or a `Model`
                that scores places in the batch.

        Returns:
            `Negatives` whose ids [B, k] are places in the batch, as those of ``dst_neg_index``, k the amount.
        """
        config: NegativeSampling = self.neg_sampling
        kind = self.input_data.input_type
        chosen: Negatives = self.sampler_of_graph.select(batch, model, k=config.amount,
                                                         kind=None if kind is None else tuple(kind))
        return chosen


class NeighborLoader(_Passes, theirs.NeighborLoader):  # type: ignore[misc]
    r"""`torch_geometric.loader.NeighborLoader` on a plain install, with negatives of a sampler.

    The same arguments and the same batches, without pyg-lib or torch-sparse. With `negatives` every seed node gets k of
    them, embedded with the batch: ``negative_id`` [B|1, k], places in ``n_id``, ``negative_mask`` and, where the
    sampler has a density, ``negative_log_prob``. Random are neighbours and negatives, keyed as in `LinkNeighborLoader`;
    every pass draws anew, and `set_epoch` numbers it. Of a sampler that reads the model, ``negative_id`` is the pool,
    and `select` gives its choice in the training step.

    Args:
        data: `Data`, `HeteroData` or PyG's (FeatureStore, GraphStore).
        num_neighbors: see PyG; as all arguments that are not named here.
        input_nodes: the seeds, or (node type, seeds), or a mask; None: all nodes.
        input_time: times of the seeds, in place of the nodes' own.
        neighbor_sampler: a `NeighborSampler`, or another of PyG's kind, that is ready.
        negatives: a sampler on the CPU whose candidates are the nodes.
        k: negatives per seed.
        seed: of everything drawn here.
        **kwargs: those of `torch.utils.data.DataLoader`.

    Raises:
        ValueError: arguments contradict each other or do not fit the data; see `NeighborSampler`.

    Example:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> ring = torch.arange(6)
        >>> data = Data(x=torch.eye(6), edge_index=torch.stack([ring, (ring + 1) % 6]))
        >>> batch = next(iter(NeighborLoader(data, [2, 2], input_nodes=torch.tensor([4, 1]), batch_size=2)))
        >>> batch.n_id.tolist(), batch.batch_size
        ([4, 1, 3, 0, 2, 5], 2)
    """

    def __init__(
        self, data: Any, num_neighbors: Any, input_nodes: Any = None, input_time: Any = None, replace: bool = False,
        subgraph_type: SubgraphType | str = "directional", disjoint: bool = False, temporal_strategy: str = "uniform",
        time_attr: str | None = None, weight_attr: str | None = None, transform: Hook | None = None,
        transform_sampler_output: Hook | None = None, is_sorted: bool = False, filter_per_worker: bool | None = None,
        neighbor_sampler: BaseSampler | None = None, directed: bool = True, *, negatives: Sampler | None = None,
        k: int = 1, seed: int = 0, **kwargs: Any,
    ) -> None:
        if neighbor_sampler is None:
            neighbor_sampler = NeighborSampler(
                data, num_neighbors, subgraph_type, replace, disjoint, temporal_strategy, time_attr, weight_attr,
                is_sorted, directed=directed, negatives=negatives, k=k, seed=seed)
        elif negatives is not None:
            raise ValueError("negatives=... belongs to the sampler that you pass: NeighborSampler(..., negatives=...)")
        self.sampler_of_graph = neighbor_sampler
        hooks = _hooks(neighbor_sampler, transform, transform_sampler_output)
        super().__init__(data, num_neighbors, input_nodes, input_time, time_attr=time_attr,
                         filter_per_worker=filter_per_worker, neighbor_sampler=neighbor_sampler, **hooks, **kwargs)

    def select(self, batch: Any, model: Any) -> Negatives:
        """The choice of a sampler that reads the model, from the pool in a batch of this pass; see the link loader.

        Returns:
            `Negatives` whose ids [B, k] are places in the batch, as those of ``negative_id``.
        """
        chosen: Negatives = self.sampler_of_graph.select(batch, model, kind=self.input_data.input_type)
        return chosen


def _hooks(sampler: BaseSampler, transform: Hook | None, output: Hook | None) -> dict[str, Hook | None]:
    """The user's own, and, where there is something to carry, ours around them."""
    if not isinstance(sampler, NeighborSampler) or sampler.negatives is None:
        return {"transform": transform, "transform_sampler_output": output}
    return dict(sampler.hooks(transform, output))
