"""Vectors that a sampler keeps from earlier steps: a table whose width the first step may tell, and a ring over it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from graphns.base import Negatives, Query
from graphns.graph.graph import Graph
from graphns.samplers.batch import batch_words
from graphns.samplers.exclusion import Exclude, excluded, is_candidate


class VectorTable(nn.Module):
    """Rows of vectors, part of the state.

    Args:
        num_rows: how many.
        dim: their width. None: that of the first vectors that are written; until then it is 0.
    """

    values: Tensor

    def __init__(self, num_rows: int, dim: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__()
        for name, size in (("size", num_rows), ("dim", 1 if dim is None else dim)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        self.register_buffer("values", torch.zeros((num_rows, dim or 0), device=device))

    @property
    def dim(self) -> int:
        """The width; 0 as long as nothing told it."""
        return self.values.shape[1]

    def fit(self, vectors: Tensor, num: int) -> Tensor:
        """`vectors` [num, d] in the table's dtype; the first ones decide d and dtype.

        Raises:
            ValueError: another shape.
        """
        if vectors.dim() != 2 or len(vectors) != num or self.dim not in (0, vectors.shape[1]):
            width = f"width {self.dim}" if self.dim else "one width"
            raise ValueError(f"need one vector of {width} for each of {num} ids, got {tuple(vectors.shape)}")
        if self.dim == 0:
            self.values = vectors.new_zeros((len(self.values), vectors.shape[1]))
        return vectors.detach().to(self.values.dtype)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(f"{prefix}values")
        # one of the two has no width yet: take the saved one's
        if saved is not None and saved.dim() == 2 and 0 in (self.dim, saved.shape[1]):
            self.values = torch.zeros((len(self.values), saved.shape[1]), dtype=saved.dtype, device=self.values.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Vectors [n, d] of length 1 in their own dtype; a zero vector stays zero, in half precision too."""
    half = vectors.dtype in (torch.float16, torch.bfloat16)
    return normalize(vectors.float() if half else vectors, dim=-1).to(vectors.dtype)


class Ring(nn.Module):
    """The last `size` vectors written, with their ids: first in, first out, across the wrap too.

    Args:
        size: how many are kept.
        dim: their width; None: told by the first.

    Example:
        >>> ring = Ring(3)
        >>> for first in (0, 2):
        ...     ring.push(torch.tensor([first, first + 1]), torch.zeros(2, 4))
        >>> ring.ids[ring.slots()].tolist()
        [1, 2, 3]
    """

    ids: Tensor
    num_written: Tensor

    def __init__(self, size: int, dim: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.table = VectorTable(size, dim, device)
        self.size = size
        self.register_buffer("ids", torch.zeros(size, dtype=torch.int64, device=device))
        self.register_buffer("num_written", torch.zeros((), dtype=torch.int64, device=device))

    def push(self, ids: Tensor, vectors: Tensor) -> None:
        """Write ids [n] and vectors [n, d] over the oldest; of more than `size`, the last `size` are kept."""
        vectors = self.table.fit(vectors, len(ids))
        first = max(len(ids) - self.size, 0)
        at = (self.num_written + torch.arange(first, len(ids), device=ids.device)) % self.size
        self.ids[at] = ids[first:]
        self.table.values[at] = vectors[first:]
        self.num_written.add_(len(ids))

    def slots(self) -> Tensor:
        """Where the stored ones stand [n], the oldest first."""
        written = int(self.num_written)
        stored = min(written, self.size)
        return (written - stored + torch.arange(stored, device=self.ids.device)) % self.size


def take_stored(ring: Ring, graph: Graph, query: Query, exclude: Exclude) -> Negatives:
    """K of the stored vectors for the whole batch, chosen at random; all, oldest first, where there are no more than k.

    ids [1, k] are the rows of the candidate table that the vectors were made of, by which known positives are masked.
    """
    slots = ring.slots()
    if query.k < len(slots):
        slots = slots[batch_words(query, len(slots)).argsort(stable=True)[: query.k]]
    ids = ring.ids[slots][None]
    rows, extra = excluded(graph, query, exclude)
    mask = is_candidate(graph, rows, extra, ids)
    empty = query.k - len(slots)
    values = ring.table.values[slots]
    # vectors have no width before the first: torch 2.5 refuses to pad such, so they are joined
    vectors = torch.cat([values, values.new_zeros(empty, values.shape[1])])[None]
    return Negatives(pad(ids, (0, empty)), None, pad(mask, (0, empty), value=False), None, vectors)
