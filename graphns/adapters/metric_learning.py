"""Drawn negatives as the index tuples that pytorch-metric-learning's losses take."""

from __future__ import annotations

from torch import Tensor

from graphns.base import Negatives, Query


def index_pairs(query: Query, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Positive and negative pairs (a1, p, a2, n) of rows of one table of embeddings.

    Each anchor stands once beside its positive, and once beside each of its usable negatives, row by row. A loss takes
    them as `indices_tuple` beside that table, for instance `NTXentLoss()(table, indices_tuple=...)`; it looks at no
    labels then. An anchor that comes twice gets the negatives of both rows there.

    Args:
        query: what was asked; one id an anchor.
        negatives: what was drawn; rows of the table of the anchors, not vectors.

    Returns:
        a1 [B], p [B], a2 [n], n [n], all int64.

    Raises:
        ValueError: negatives are vectors, or anchors are wider than one id.

    Example:
        >>> import torch
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([2, 3]), k=2)
        >>> drawn = Negatives(torch.tensor([[4, 5]]), None, torch.tensor([[True, True], [False, True]]))
        >>> [each.tolist() for each in index_pairs(query, drawn)]
        [[0, 1], [2, 3], [0, 0, 1], [4, 5, 5]]

    References:
        Musgrave, Belongie, Lim: PyTorch Metric Learning. 2020.
    """
    _check(query, negatives)
    source, target = negatives.pairs(query)
    return query.anchor, query.positive, source, target


def index_triplets(query: Query, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
    """Triplets (anchor, positive, negative) of rows of one table, one for each usable negative, row by row.

    Args:
        query: see `index_pairs`.
        negatives: likewise; not of whole edges, whose sources are other than the anchors.

    Returns:
        Three int64 tensors [n].

    Raises:
        ValueError: see `index_pairs`; or negatives replace the anchor too.

    Example:
        >>> import torch
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([2, 3]), k=2)
        >>> drawn = Negatives(torch.tensor([[4, 5]]), None, torch.tensor([[True, True], [False, True]]))
        >>> [each.tolist() for each in index_triplets(query, drawn)]
        [[0, 0, 1], [2, 2, 3], [4, 5, 5]]
    """
    _check(query, negatives)
    if negatives.anchor is not None:
        raise ValueError("these negatives are whole edges, and a triplet has one anchor: take index_pairs")
    row, slot = negatives.mask.nonzero(as_tuple=True)
    ids = negatives.ids.expand(negatives.mask.shape)
    return query.anchor[row], query.positive[row], ids[row, slot]


def _check(query: Query, negatives: Negatives) -> None:
    if negatives.vectors is not None:
        raise ValueError("these negatives are vectors and no rows of a table: an index tuple cannot name them")
    if query.anchor.dim() != 1:
        raise ValueError(f"need one id an anchor [B], got {tuple(query.anchor.shape)}")
