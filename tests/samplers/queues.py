"""Steps for samplers that keep vectors: batches whose vectors say which step and pair they came from."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.streams import Stream

NUM = 9  # candidates
POSITIVES = torch.tensor([[5, 6, 7], [8, 5, 4], [3, 6, 5], [7, 4, 8], [6, 6, 3]])


def query_at(step: int, k: int = 4) -> Query:
    """Pairs (0, .), (1, .), (2, .) of one of five batches."""
    return Query(torch.arange(3), POSITIVES[step % 5], k, stream=Stream(0, step))


def vectors_at(step: int, side: float = 1.0) -> Tensor:
    """[3, 2]: the pair's number in the stream, and which side it is of."""
    return torch.stack([3.0 * step + torch.arange(3) + 1, torch.full((3,), side)], 1)


def teach(sampler: Sampler, steps: range, anchors: bool = False) -> None:
    """Updates with the vectors of the positives, and of the anchors."""
    for step in steps:
        query = query_at(step)
        feedback = Feedback(positive_vectors=vectors_at(step), anchor_vectors=vectors_at(step, -1) if anchors else None)
        sampler.update(query, sampler(query), feedback)


def continues_bit_for_bit(one: Sampler, other: Sampler, wrap: int) -> None:
    """Past the wrap, saved and loaded into a fresh one, both go on alike."""
    teach(one, range(wrap), anchors=True)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for step in range(wrap, wrap + 5):
        first, second = one(query_at(step)), other(query_at(step))
        assert equal(first, second)
        teach(one, range(step, step + 1), anchors=True)
        teach(other, range(step, step + 1), anchors=True)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def equal(first: Negatives, second: Negatives) -> bool:
    """Whether two answers are the same, bit for bit."""
    return all((a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))
               for a, b in zip(first, second, strict=True))
