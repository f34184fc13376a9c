"""Small parts for tests of samplers that choose: a model of written-down scores, and a pool of written-down ids."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler


class Scores:
    """A model whose score of (anchor, id) stands in a matrix."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix.requires_grad_()

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        return self.matrix[anchor[:, None], ids.expand(len(anchor), -1)]

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        raise NotImplementedError

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        raise NotImplementedError


class Given(Sampler):
    """The same ids and mask for every pair."""

    def __init__(self, ids: list[int], mask: list[bool] | None = None) -> None:
        super().__init__()
        self.register_buffer("ids", torch.tensor([ids]))
        self.register_buffer("mask", torch.tensor([[True] * len(ids) if mask is None else mask]))

    def sample(self, query: Query) -> Negatives:
        size = (query.batch_size, self.ids.shape[1])
        return Negatives(self.ids.expand(size), None, self.mask.expand(size))


def repeated(anchor: int, positive: int, times: int, **options) -> Query:
    """One pair many times over, each with a row id of its own."""
    return Query(torch.full((times,), anchor), torch.full((times,), positive), **options)
