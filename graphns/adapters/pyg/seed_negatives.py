"""Which negatives the seeds of a batch get: by a sampler given each seed, or by PyG's rule."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling

from graphns.adapters.pyg.link_negatives import PlainNegatives, draw_given_source
from graphns.adapters.pyg.relations import Prepared
from graphns.adapters.pyg.two_stages import pool_of
from graphns.base import Negatives, Query, Sampler
from graphns.streams import Stream


class EdgeNegatives(NamedTuple):
    """Of B seed edges.

    Attributes:
        source: [B, k] global ids; None where the edge's own source stays, in triplets.
        target: [B, k] global ids; None without negatives.
        drawn: what a sampler answered, an empty slot holding the edge's own destination; None by PyG's rule.
    """

    source: Tensor | None
    target: Tensor | None
    drawn: Negatives | None


class SeedNegatives:
    """Asks for negatives.

    Args:
        sampler: what chooses them given their seed; None: PyG's rule.
        base: the sampler inside it, where it reads the model and the loader draws its pool alone.
        prepared: the data.
    """

    def __init__(self, sampler: Sampler | None, base: Sampler | None, prepared: Prepared) -> None:
        self.sampler, self.base, self.prepared = sampler, base, prepared
        self._plain = PlainNegatives()

    def of_nodes(self, query: Query, kind: str) -> Negatives:
        """Global ids [B|1, k] for seed nodes of one kind."""
        times = self.prepared.node_time.get(kind)
        time = query.time if query.time is not None or times is None else times[query.anchor]
        drawn = self._ask(query, kind, time)
        if drawn.anchor is not None:
            raise ValueError(f"{type(self.sampler).__name__} draws pairs; a loader of nodes needs ids of nodes")
        return drawn

    def of_edges(
        self, index: EdgeSamplerInput, config: NegativeSampling | None, kinds: tuple[str, str], streams: list[Stream],
        row: Tensor, epoch: int, disjoint: bool,
    ) -> EdgeNegatives:
        """Negatives of seed edges: as many as `config` asks for, an amount of 1.5 being 2 here.

        Args:
            index: the batch.
            config: PyG's configuration.
            kinds: of node, at both ends.
            streams: the randomness of destinations and, by PyG's rule, of sources.
            row: [B] ids of the examples.
            epoch: of the query.
            disjoint: whether the batch is.
        """
        if config is None:
            if self.sampler is not None:
                raise ValueError("negatives=... needs to know how many: pass neg_sampling, such as "
                                 "NegativeSampling('triplet', amount=1)")
            return EdgeNegatives(None, None, None)
        source, target = index.row.long(), index.col.long()
        if self.sampler is None:
            drawn = [
                self._plain.draw(config, end, seed, self.prepared.num_nodes[kind], stream, row, index.time,
                                 self.prepared.node_time.get(kind), by_row=config.is_triplet() and not disjoint)
                for end, seed, kind, stream in zip(("dst", "src"), (target, source), kinds[::-1], streams, strict=True)
                if end == "dst" or config.is_binary()
            ]
            return EdgeNegatives(drawn[1] if config.is_binary() else None, drawn[0], None)
        self._check(config)
        k = math.ceil(config.amount)
        if len(source) == 0:
            none = source.new_empty((0, k))
            return EdgeNegatives(none if config.is_binary() else None, none, None)
        query = Query(source, target, k, stream=streams[0], row=row, epoch=epoch, time=index.time)
        answer = self._ask(query, kinds[1], index.time, kinds[0])
        if answer.anchor is not None and config.is_triplet():
            raise ValueError(f"{type(self.sampler).__name__} draws pairs, and a triplet keeps its source; take "
                             "neg_sampling='binary'")
        # an empty slot asks for no further seed
        answer = answer._replace(ids=torch.where(answer.mask, answer.ids, target[:, None]))
        if config.is_triplet():
            return EdgeNegatives(None, answer.ids, answer)
        kept = source[:, None].expand_as(answer.ids)
        sources = kept if answer.anchor is None else torch.where(answer.mask, answer.anchor, kept)
        return EdgeNegatives(sources, answer.ids, answer)

    def _check(self, config: NegativeSampling) -> None:
        name = type(self.sampler).__name__
        if config.src_weight is not None or config.dst_weight is not None:
            raise ValueError(f"the weights of NegativeSampling are for PyG's rule; {name} has its own: take "
                             "negatives=Degree(graph) or Popularity(...) for weights")
        if config.is_binary() and self.base is not None:
            raise ValueError(f"{name} reads the model, so the training step selects from a pool of each edge: that "
                             "needs neg_sampling='triplet'")

    def _ask(self, query: Query, kind: str, time: Tensor | None, source_kind: str | None = None) -> Negatives:
        """Global ids of the negatives, or of the pool; the kind of sources is for samplers of pairs."""
        sampler = self.sampler
        assert sampler is not None

        def draw(query: Query) -> Negatives:
            answer: Negatives = sampler(query) if self.base is None else pool_of(sampler, query)
            return answer

        node_time = self.prepared.node_time.get(kind)
        if node_time is not None and time is None:
            raise ValueError("nodes have times, so their negatives need the time of each seed: pass edge_label_time")
        source_time = None if source_kind is None else self.prepared.node_time.get(source_kind)
        return draw_given_source(draw, query, self.prepared.num_nodes[kind], type(sampler).__name__, time, node_time,
                                 source_time)
