"""Samplers that read the model, in two stages: the loader draws their pool, the training step selects from it.

The sampler itself runs in the training step, on the ids of the graph; only its inner sampler is exchanged for one that
hands out the pool of the batch. So what is selected is what the sampler alone would have drawn of the whole graph.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from graphns.adapters.loading import check_static
from graphns.base import Model, Negatives, Query, Sampler
from graphns.scorers.table import TableModel
from graphns.streams import Stream


def split(sampler: Sampler) -> Sampler | None:
    """What a loader can draw of a sampler: all (None), or the pool of its inner sampler, which is given.

    Raises:
        ValueError: it is no sampler; it keeps state or learns; or it reads the model and not a pool alone.
    """
    base = getattr(sampler, "base", None)
    if not isinstance(base, Sampler) or base.model_aware or not sampler.model_aware:
        base = None
    check_static(sampler, reads_model=base is not None)
    return base


def pool_of(sampler: Sampler, query: Query) -> Negatives:
    """The pool that the sampler would ask its inner sampler for, drawn without the model."""
    probe = _Probe()
    try:
        _with_base(sampler, probe).sample(query)
    except _Asked as asked:
        pool: Negatives = sampler.base(asked.query)  # type: ignore[operator]  # split() has seen that there is one
        return pool
    raise ValueError(f"{type(sampler).__name__} chooses without asking the sampler inside it; draw with that one: "
                     "negatives=sampler.base")


class Places(NamedTuple):
    """Where the batch has what a query and its pool name by global ids.

    Attributes:
        anchor: [B].
        positive: [B].
        pool: [B|1, m].
    """

    anchor: Tensor
    positive: Tensor
    pool: Tensor


def select(sampler: Sampler, query: Query, pool: Negatives, places: Places, model: Model) -> Negatives:
    """What the sampler chooses from a pool.

    Args:
        query: of global ids, without a model.
        pool: global ids [B|1, m] that `pool_of` gave for this query.
        places: where the batch has all of them.
        model: scores places in the batch.

    Returns:
        Negatives whose ids are places in the batch.
    """
    door = _Door(query, pool.ids, places, model)
    chosen: Negatives = _with_base(sampler, _Given(pool))(replace(query, model=door))
    if chosen.anchor is not None or chosen.vectors is not None:
        raise ValueError(f"{type(sampler).__name__} makes pairs or vectors; a loader's pool holds nodes")
    return Negatives(door.places(chosen.ids), chosen.log_prob, chosen.mask)


def select_from_batch(
    sampler: Sampler, batch: Any, model: Any, k: int, kind: Any, stream: Stream, epoch: int
) -> Negatives:
    """`select` from a batch of PyG's loader: of seed nodes, or of seed edges with triplets.

    Args:
        sampler: what the loader has drawn the pool for.
        batch: `Data` or `HeteroData`.
        model: what `as_model` takes.
        k: negatives per seed.
        kind: of node or edge, heterogeneous.
        stream: what the pool was drawn by.
        epoch: likewise.
    """
    edges = isinstance(kind, tuple) or (kind is None and "src_index" in batch)
    ends = (kind[0], kind[-1]) if isinstance(kind, tuple) else (kind, kind)
    source, target = (batch if end is None else batch[end] for end in ends)
    seeds = batch if kind is None else batch[kind]
    if "negative_mask" not in target:
        raise ValueError("the batch holds no pool: make its loader with negatives=..., or pass sampler.hooks() to it")
    if edges:
        places = Places(source.src_index, target.dst_pos_index,
                        target.dst_neg_index.view(len(source.src_index), -1))
        time = target.seed_time if "seed_time" in target else None
    else:
        own = torch.arange(seeds.batch_size, device=seeds.n_id.device)
        places = Places(own, own, seeds.negative_id)
        time = seeds.seed_time if "seed_time" in seeds else None
    log_prob = target.negative_log_prob.view(len(places.anchor), -1) if "negative_log_prob" in target else None
    pool = Negatives(target.n_id[places.pool].long(), log_prob, target.negative_mask.view(len(places.anchor), -1))
    query = Query(source.n_id[places.anchor].long(), target.n_id[places.positive].long(), k, stream=stream,
                  row=seeds.input_id, epoch=epoch, time=time)
    return select(sampler, query, pool, places, as_model(model))


def as_model(model: Any) -> Model:
    """A `Model` over places in the batch: itself, or embeddings, scored by dot products.

    Args:
        model: a `Model`; embeddings [n, d] of the batch's nodes; or a pair of them, of anchors and of candidates.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(model, Tensor):
        return TableModel(model, model)
    if isinstance(model, tuple) and len(model) == 2 and all(isinstance(each, Tensor) for each in model):
        return TableModel(*model)
    if not isinstance(model, Model):
        raise ValueError(f"need embeddings [n, d] of the batch's nodes, a pair of them, or a Model, got "
                         f"{type(model).__name__}")
    return model


class _Asked(Exception):
    """The inner sampler was asked; how `pool_of` leaves a sampler before it needs the model."""

    def __init__(self, query: Query) -> None:
        super().__init__()
        self.query = query


class _Probe(Sampler):
    def sample(self, query: Query) -> NoReturn:
        raise _Asked(query)


class _Given(Sampler):
    """Hands out a pool, once."""

    def __init__(self, pool: Negatives) -> None:
        super().__init__()
        self.pool = pool
        self.given = False

    def sample(self, query: Query) -> Negatives:
        if self.given or query.k != self.pool.ids.shape[1]:
            raise ValueError("this sampler asks the one inside it for more than one pool, and one is drawn for the "
                             "batch; use it where every node is embedded")
        self.given = True
        return self.pool


def _with_base(sampler: Sampler, base: Sampler) -> Sampler:
    """The same sampler around another; nothing of it is copied but the list of its parts."""
    other = copy.copy(sampler)
    other._modules = {**sampler._modules, "base": base}
    return other


class _Door:
    """The model as the sampler sees it: asked by global ids, answered by places in the batch.

    A node may have several places, one for each tree of disjoint sampling, so each row looks in its own pool.
    """

    def __init__(self, query: Query, ids: Tensor, places: Places, model: Model) -> None:
        self.query, self.at, self.model = query, places, model
        rows = query.batch_size
        # the positives are in the batch too, and some samplers compare with them
        ids = torch.cat([ids.expand(rows, -1), query.positive[:, None]], 1)
        self.sorted, order = ids.sort(dim=1, stable=True)
        self.pool = torch.cat([places.pool.expand(rows, -1), places.positive[:, None]], 1).gather(1, order)

    def places(self, ids: Tensor) -> Tensor:
        """[B, m] places of global ids [B|1, m], which are of the row's pool, or its positive."""
        ids = ids.expand(self.query.batch_size, -1).contiguous()
        at = torch.searchsorted(self.sorted, ids).clamp(max=self.sorted.shape[1] - 1)
        if not torch.equal(self.sorted.gather(1, at), ids):
            raise ValueError("the sampler asked for the score of a node outside its pool, which the batch has not "
                             "embedded; use it in the training step alone")
        return self.pool.gather(1, at)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        self._check(anchor)
        return self.model.score(self.at.anchor, self.places(ids))

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        self._check(anchor)
        return self.model.score_vectors(self.at.anchor, vectors)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        if ids.dim() == 1:
            for own, place in ((self.query.anchor, self.at.anchor), (self.query.positive, self.at.positive)):
                if torch.equal(ids, own):
                    return self.model.embed(place, layers)
        return self.model.embed(self.places(ids), layers)

    def _check(self, anchor: Tensor) -> None:
        if not torch.equal(anchor, self.query.anchor):
            raise ValueError("the sampler scores other anchors than the batch's; use it in the training step alone")
