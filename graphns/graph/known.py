"""Known positives of anchors of any width: which tails a (head, relation) has, which items a user has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.kernels.csr import build_csr


class EdgeSet(Graph):
    """Known (anchor, positive) pairs, where an anchor is a row of integers.

    To a sampler it is a bipartite graph whose rows are the distinct anchors; `rows` finds an anchor's row by binary
    search, and an anchor that was never seen has no row (-1) and no known positives. So `Uniform(EdgeSet(...))` draws
    tails that complete no known triple. Make one with `EdgeSet.from_pairs`; `|` unites several.

    Args:
        indptr: [A + 1] int64.
        indices: [E], sorted within rows, distinct.
        num_dst: number of candidates.
        anchors: [A, a] int64, the distinct anchors in lexicographic order.

    Example:
        >>> head_relation = torch.tensor([[0, 0], [0, 0], [3, 1]])
        >>> known = EdgeSet.from_pairs(head_relation, torch.tensor([4, 2, 1]), num_candidates=5)
        >>> known.rows(torch.tensor([[3, 1], [3, 0]])).tolist(), known.neighbors(0).tolist()
        ([1, -1], [2, 4])
    """

    def __init__(self, indptr: Tensor, indices: Tensor, num_dst: int, anchors: Tensor) -> None:
        super().__init__(indptr, indices, num_dst)
        self.anchors = anchors
        self._sizes = _sizes(anchors)
        self._keys = _key(anchors, self._sizes)

    @classmethod
    def from_pairs(cls, anchor: Tensor, positive: Tensor, num_candidates: int) -> Self:
        """The set of the pairs given; repeated pairs count once.

        Args:
            anchor: [n] or [n, a] integers >= 0.
            positive: [n] integers in [0, num_candidates).
            num_candidates: number of candidates.

        Raises:
            ValueError: shapes, dtypes or ranges are wrong.
        """
        wide = anchor[:, None] if anchor.dim() == 1 else anchor
        if wide.dim() != 2 or wide.shape[1] < 1 or positive.shape != wide.shape[:1]:
            raise ValueError(f"need anchor [n] or [n, a] and positive [n], got {tuple(anchor.shape)} and "
                             f"{tuple(positive.shape)}")
        for name, values in (("anchor", wide), ("positive", positive)):
            if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
                raise ValueError(f"{name} must hold integer ids, got dtype {values.dtype}; convert it with .long()")
        if num_candidates < 1:
            raise ValueError(f"num_candidates must be at least 1, got {num_candidates}")
        wide = wide.long()
        if wide.numel() and int(wide.min()) < 0:
            raise ValueError(f"anchor ids must be >= 0, got {int(wide.min())}")
        sizes = _sizes(wide)
        keys, row = torch.unique(_key(wide, sizes), return_inverse=True)
        indptr, indices, _ = build_csr(row, positive.long(), len(keys), num_candidates)
        return cls(indptr, indices, num_candidates, _unkey(keys, sizes))

    @classmethod
    def from_edge_index(
        cls, edge_index: Tensor, num_nodes: int | tuple[int, int] | None = None, weight: Tensor | None = None
    ) -> Self:
        """The set of an `edge_index`'s edges: anchors of one column.

        Raises:
            ValueError: num_nodes or shape are missing, or there are weights: an edge set has none.
        """
        if num_nodes is None or weight is not None:
            raise ValueError("an EdgeSet needs num_nodes, the number of candidates, and takes no weights")
        return cls.from_pairs(edge_index[0], edge_index[1], num_nodes if isinstance(num_nodes, int) else num_nodes[1])

    @property
    def width(self) -> int:
        """Columns of an anchor."""
        return self.anchors.shape[1]

    @property
    def edge_index(self) -> Tensor:
        """The pairs [2, E], where anchors have one column.

        Raises:
            ValueError: anchors are wider; `pairs` gives them.
        """
        if self.width != 1:
            raise ValueError(f"anchors of width {self.width} make no edge_index; use pairs()")
        anchor, positive = self.pairs()
        return torch.stack([anchor[:, 0], positive])

    @property
    def transposed(self) -> Graph:
        """An edge set has no reverse: its anchors are no candidates.

        Raises:
            ValueError: always.
        """
        raise ValueError("an EdgeSet cannot be transposed; build one from the reversed pairs")

    def pairs(self) -> tuple[Tensor, Tensor]:
        """The distinct pairs, in order: anchors [E, a] and positives [E], int64."""
        return torch.repeat_interleave(self.anchors, self.degree, dim=0), self.indices.long()

    def rows(self, anchor: Tensor) -> Tensor:
        """The row [B] of each anchor, [B] or [B, a]; -1 for one that was never seen.

        Raises:
            ValueError: the anchors are of another width.
        """
        wide = anchor[:, None] if anchor.dim() == 1 else anchor
        if wide.dim() != 2 or wide.shape[1] != self.width:
            raise ValueError(f"this EdgeSet knows anchors of width {self.width}, got {tuple(anchor.shape)}")
        if len(self._keys) == 0:
            return torch.full((len(wide),), -1, dtype=torch.int64, device=wide.device)
        sizes = torch.tensor(self._sizes, device=wide.device)
        inside = ((wide >= 0) & (wide < sizes)).all(1)
        key = _key(torch.where(inside[:, None], wide, 0), self._sizes)
        at = torch.searchsorted(self._keys, key).clamp(max=len(self._keys) - 1)
        return torch.where(inside & (self._keys[at] == key), at, -1)

    def map(self, function: Callable[[Tensor], Tensor]) -> EdgeSet:
        """The set with `function` applied to its tensors."""
        return EdgeSet(function(self.indptr), function(self.indices), self.num_dst, function(self.anchors))

    def to(self, device: torch.device | str) -> EdgeSet:
        """The set on another device; itself if it is there already."""
        return self if torch.device(device) == self.device else self.map(lambda tensor: tensor.to(device))

    def __or__(self, other: EdgeSet) -> EdgeSet:
        """The pairs of both.

        Raises:
            ValueError: anchors or candidates of the two do not fit.
        """
        if not isinstance(other, EdgeSet):
            return NotImplemented
        if (self.width, self.num_dst) != (other.width, other.num_dst):
            raise ValueError(f"cannot unite anchors of width {self.width} over {self.num_dst} candidates with width "
                             f"{other.width} over {other.num_dst}")
        mine, theirs = self.pairs(), other.pairs()
        return EdgeSet.from_pairs(torch.cat([mine[0], theirs[0]]), torch.cat([mine[1], theirs[1]]), self.num_dst)

    def __repr__(self) -> str:
        """Sizes at a glance."""
        return (f"EdgeSet(num_anchors={self.num_src}, width={self.width}, num_candidates={self.num_dst}, "
                f"num_pairs={self.num_edges})")


def _sizes(anchors: Tensor) -> tuple[int, ...]:
    """One more than the largest value of each column: the digits of a mixed-radix key."""
    sizes = tuple((anchors.amax(0) + 1).tolist()) if len(anchors) else (1,) * anchors.shape[1]
    total = 1
    for size in sizes:
        total *= size
    if total >= 2**62:
        raise ValueError(f"anchors with columns up to {[size - 1 for size in sizes]} do not fit one 62-bit key; number "
                         "each column 0, 1, 2, … without gaps")
    return sizes


def _key(anchors: Tensor, sizes: tuple[int, ...]) -> Tensor:
    key = anchors[:, 0]
    for column, size in enumerate(sizes[1:], start=1):
        key = key * size + anchors[:, column]
    return key.contiguous()


def _unkey(keys: Tensor, sizes: tuple[int, ...]) -> Tensor:
    columns = []
    for size in reversed(sizes[1:]):
        columns.append(keys % size)
        keys = keys // size
    return torch.stack([keys, *reversed(columns)], 1)
