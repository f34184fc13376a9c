"""Batches of examples that are near each other, so that in-batch negatives are hard (BatchSampler)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from graphns.batchers.batcher import Batcher
from graphns.graph.graph import Graph
from graphns.graph.walks import random_walks
from graphns.kernels.distinct import complement_distinct
from graphns.kernels.gather_dot import gather_dot
from graphns.streams import Stream

_CHUNK = 1 << 22  # ids of a [chunk, M] tensor
_TURNS = 8  # walks for a batch that does not fill


class Proximity(Batcher):
    r"""Cut batches out of a proximity graph by random walks with restart (BatchSampler).

    .. math:: \mathcal{N}(i) = K \text{ most similar of } M \text{ random others}, \quad
        \text{similarity } \langle v_i, v_j \rangle; \qquad
        \text{batch} = \text{the first } B \text{ distinct nodes of a walk on } \mathcal{N}

    Each step of the walk goes to a random neighbour, or, with probability `restart`, back to the batch's start: the
    higher, the closer and the harder the batch. M trades hardness against false negatives: few candidates make the K
    best of them not very near. Walks of 8 B steps set out up to 8 times; where they meet fewer than B nodes, uniform
    ones fill the batch up. Batches are drawn for themselves: within a batch examples are distinct, in an epoch some
    come several times and others not at all. Starts are distinct within an epoch.

    Random are candidates, starts, walks and fillings: all from `seed`, and from the epoch that `set_epoch` tells.

    Args:
        vectors: [n, d] embeddings of the examples, as they are now.
        batch_size: B, at most n.
        pool: M, candidates per example; at least K, and no more than the n - 1 others are taken. This default and the
            next two are ours.
        neighbors: K.
        restart: in [0, 1].
        num_batches: batches in an epoch; None: n / B, rounded up.
        seed: any integer.

    Raises:
        ValueError: an option is out of range, or vectors are no matrix of finite numbers.

    Example:
        >>> angle = torch.arange(40) * torch.pi / 20  # a ring: nearness is the difference of ids
        >>> batcher = Proximity(torch.stack([angle.cos(), angle.sin()], 1), 6, pool=39, neighbors=4, restart=0.5)
        >>> batch = torch.tensor(next(iter(batcher)))
        >>> distance = (batch[:, None] - batch).abs()
        >>> int(torch.minimum(distance, 40 - distance).max()) < 12, len(batcher)
        (True, 7)

    References:
        Yang, Huang, Ding et al.: BatchSampler: Sampling Mini-Batches for Contrastive Learning in Vision, Language, and
        Graphs. KDD 2023.
    """

    def __init__(
        self, vectors: Tensor, batch_size: int, *, pool: int = 1000, neighbors: int = 100, restart: float = 0.2,
        num_batches: int | None = None, seed: int = 0,
    ) -> None:
        if vectors.dim() != 2 or len(vectors) < 2:
            raise ValueError(f"need vectors [n, d] of at least 2 examples, got {tuple(vectors.shape)}")
        if not 1 <= batch_size <= len(vectors):
            raise ValueError(f"batch_size must be between 1 and the {len(vectors)} examples, got {batch_size}")
        if not 1 <= neighbors <= pool:
            raise ValueError(f"neighbors must be between 1 and pool={pool}, got {neighbors}")
        if not 0 <= restart <= 1:
            raise ValueError(f"restart must be in [0, 1], got {restart}")
        if num_batches is not None and not 1 <= num_batches <= len(vectors):
            raise ValueError(f"num_batches must be between 1 and the {len(vectors)} examples, got {num_batches}")
        self.batch_size = batch_size
        self.drop_last = False
        self.pool = pool
        self.neighbors = neighbors
        self.restart = restart
        self.seed = seed
        self.epoch = 0
        self.num_batches = -(-len(vectors) // batch_size) if num_batches is None else num_batches
        self.graph = self._proximity(vectors, Stream(seed))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins: batches differ from epoch to epoch, and are equal for equal epochs."""
        self.epoch = epoch

    def refresh(self, vectors: Tensor) -> None:
        """Build the proximity graph anew from embeddings [n, d] of later; candidates follow seed and epoch.

        Raises:
            ValueError: another number of examples.
        """
        if vectors.dim() != 2 or len(vectors) != self.graph.num_nodes:
            raise ValueError(f"need vectors [n, d] of the {self.graph.num_nodes} examples, got {tuple(vectors.shape)}")
        self.graph = self._proximity(vectors, Stream(self.seed, self.epoch))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        """The example ids of one batch after another."""
        stream = Stream(self.seed, self.epoch)
        every = torch.arange(self.graph.num_nodes)
        starts = stream.child(1).words(every, 1)[:, 0].argsort(stable=True)[: self.num_batches]
        for i, start in enumerate(starts):
            met: dict[int, None] = {}  # in order of the first visit
            for turn in range(_TURNS):
                walk = random_walks(self.graph, start[None], 8 * self.batch_size, stream.child(2, turn),
                                    restart=self.restart, row=torch.tensor([i]))[0]
                met |= dict.fromkeys(walk.tolist())
                if len(met) >= self.batch_size:
                    break
            batch = list(met)[: self.batch_size]
            if len(batch) < self.batch_size:
                lots = stream.child(3, i).words(every, 1)[:, 0]
                lots[torch.tensor(batch)] = torch.iinfo(torch.int64).max  # in the batch already: last
                batch += lots.argsort(stable=True)[: self.batch_size - len(batch)].tolist()
            yield batch

    def _proximity(self, vectors: Tensor, stream: Stream) -> Graph:
        """The graph whose rows are the K most similar of M random others."""
        vectors = vectors.detach()
        if not vectors.is_floating_point() or not bool(torch.isfinite(vectors).all()):
            raise ValueError(f"vectors must be finite floating-point numbers, got {vectors.dtype} with "
                             f"{int((~torch.isfinite(vectors)).sum())} that are not finite")
        n = len(vectors)
        pool = min(self.pool, n - 1)
        nothing = torch.zeros(2, dtype=torch.int64), torch.zeros(0, dtype=torch.int32)
        rows, size = [], max(1, _CHUNK // pool)
        for first in range(0, n, size):
            each = torch.arange(first, min(first + size, n))
            ids, _ = complement_distinct(*nothing, torch.full_like(each, -1), each[:, None], n,
                                         stream.child(0).row_keys(each), pool)
            scores = gather_dot(vectors[first : first + size], vectors, ids.to(vectors.device))
            best = scores.topk(min(self.neighbors, pool), 1).indices.cpu()
            rows.append(ids.gather(1, best))
        near = torch.cat(rows)
        source = torch.arange(n)[:, None].expand_as(near)
        return Graph.from_edge_index(torch.stack([source.flatten(), near.flatten()]), num_nodes=n)
