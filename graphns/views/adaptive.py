"""Views that keep what is central: edges and feature columns dropped at rates that fall with centrality (GCA)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphns.streams import Stream, unit

if TYPE_CHECKING:
    from graphns.encoders.sparse import Sparse

_ROWS = 1024  # of dense features, in double precision at once
_LEAST = 1e-8  # of the largest centrality, added to all: an eigenvector may be 0, or 1e-100, far from its centre


def edge_weights(edge_index: Tensor, centrality: Tensor) -> Tensor:
    r"""How readily each edge is dropped: 0 for the most central target, 1 on the average.

    .. math:: w_e = \frac{\max_e s - s_e}{\max_e s - \mathrm{mean}_e\, s}, \qquad
              s_e = \log \bar c_{\text{target}(e)}, \quad \bar c_v = \frac{c_v}{\max_u c_u} + 10^{-8}

    An edge is as central as the node it points at; of an undirected edge, each direction counts by its own end. Where
    all edges are alike, all weigh 1. The small number is this module's: it keeps the logarithm of a 0 in bounds.

    Args:
        edge_index: [2, E] int64, source over target.
        centrality: [N], at least 0: of `graphns.graph.centrality`, or any other measure.

    Returns:
        [E] float64, at least 0.

    Raises:
        ValueError: a centrality is negative or not finite.

    Example:
        >>> star = torch.tensor([[0, 0, 1, 2], [1, 2, 0, 0]])
        >>> edge_weights(star, torch.tensor([2.0, 1.0, 1.0])).tolist()
        [2.0, 2.0, 0.0, 0.0]

    References:
        Graph Contrastive Learning with Adaptive Augmentation. WWW 2021.
    """
    return _weights(_share(centrality).log()[edge_index[1]])


def feature_weights(features: Tensor | Sparse, centrality: Tensor, *, binary: bool = False) -> Tensor:
    r"""How readily each feature column is dropped: 0 for the one whose nodes are most central, 1 on the average.

    .. math:: w_f = \frac{\max_f s - s_f}{\max_f s - \mathrm{mean}_f\, s}, \qquad
              s_f = \log \sum_v \bar c_v\, |x_{vf}|, \quad \bar c_v = \frac{c_v}{\max_u c_u} + 10^{-8}

    The mean runs over columns that some node has; the others, with :math:`s_f = -\infty`, weigh as the least central of
    these: to drop them changes nothing. Sparse features are never made dense. The small number is this module's.

    Args:
        features: [N, F] float, dense or `graphns.encoders.sparse.Sparse`.
        centrality: [N], at least 0.
        binary: count whether a feature is there, not how large it is: for words and other marks.

    Returns:
        [F] float64, at least 0.

    Raises:
        ValueError: shapes do not fit, or a centrality is negative or not finite.

    Example:
        >>> feature_weights(torch.tensor([[1.0, 1.0], [0.0, 2.0]]), torch.tensor([1.0, 3.0]))
        tensor([2., 0.], dtype=torch.float64)

    References:
        Graph Contrastive Learning with Adaptive Augmentation. WWW 2021.
    """
    if centrality.shape != (features.shape[0],):
        raise ValueError(f"need one centrality per node [{features.shape[0]}], got {tuple(centrality.shape)}")
    total = _column_sums(features, _share(centrality), binary)
    score = total.log()
    used = total > 0
    if not bool(used.any()):
        return torch.ones_like(score)
    least = score[used].min()
    return _weights(torch.where(used, score, least), used)


def drop_rates(weights: Tensor, rate: float, threshold: float = 0.7) -> Tensor:
    r"""Probabilities of being dropped, :math:`p = \min(w \cdot \text{rate}, \text{threshold})`.

    Weights of mean 1 give the mean rate asked for, less what the threshold cuts off.

    Args:
        weights: any shape, at least 0: `edge_weights`, `feature_weights`.
        rate: mean before the cut, in [0, 1).
        threshold: in (0, 1), so that nothing is dropped for certain.

    Raises:
        ValueError: rate or threshold is out of range.

    Example:
        >>> drop_rates(torch.tensor([0.0, 0.5, 2.5]), 0.4)
        tensor([0.0000, 0.2000, 0.7000])
    """
    if not 0 <= rate < 1:
        raise ValueError(f"a drop rate must be in [0, 1), got {rate}")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be in (0, 1), got {threshold}")
    return (weights * rate).clamp(max=threshold)


def keep_mask_by(rates: Tensor, stream: Stream) -> Tensor:
    """A mask of the shape of `rates` [n] in which entry i is False with probability rates[i], keyed by its index.

    With equal rates it is `graphns.views.augment.keep_mask`, bit for bit.

    Raises:
        ValueError: a rate is outside [0, 1).

    Example:
        >>> keep_mask_by(torch.tensor([0.0, 0.0]), Stream(0))
        tensor([True, True])
    """
    if rates.dim() != 1 or (len(rates) and not bool(((rates >= 0) & (rates < 1)).all())):
        raise ValueError("need drop rates [n] in [0, 1), got "
                         + (f"shape {tuple(rates.shape)}" if rates.dim() != 1 else
                            f"values from {float(rates.min())} to {float(rates.max())}"))
    return unit(stream.words(torch.arange(len(rates), device=rates.device), 1)[:, 0]) >= rates


def drop_edge_by(edge_index: Tensor, rates: Tensor, stream: Stream) -> Tensor:
    """Drop column e of `edge_index` [2, E] with probability rates[e], each independently, keyed by e.

    Returns:
        [2, E'], in the order given.

    Raises:
        ValueError: a rate is outside [0, 1), or there is not one for each edge.

    Example:
        >>> edges = torch.arange(20).view(2, 10)
        >>> drop_edge_by(edges, torch.full((10,), 0.5), Stream(0)).shape[1] < 10
        True
    """
    if rates.shape != edge_index.shape[1:]:
        raise ValueError(f"need one rate per edge {tuple(edge_index.shape[1:])}, got {tuple(rates.shape)}")
    return edge_index[:, keep_mask_by(rates, stream)]


def _share(centrality: Tensor) -> Tensor:
    """Centralities [N] float64 as shares of the largest, in (0, 1] and a little."""
    if not bool((torch.isfinite(centrality) & (centrality >= 0)).all()):
        raise ValueError(f"a centrality must be finite and at least 0, got values from {float(centrality.min())} to "
                         f"{float(centrality.max())}")
    share = centrality.double()
    top = float(share.max()) if len(share) else 0.0
    return share / (top if top > 0 else 1.0) + _LEAST


def _weights(score: Tensor, counted: Tensor | None = None) -> Tensor:
    """(max - s) / (max - mean) [n], the mean over what is counted; 1 where all are alike, but for rounding."""
    if not len(score):
        return score
    below = score.max() - score
    mean = (below if counted is None else below[counted]).mean()
    alike = mean <= 64 * torch.finfo(score.dtype).eps * score.abs().max()
    return torch.where(alike, 1.0, below / torch.where(alike, 1.0, mean))


def _column_sums(features: Tensor | Sparse, centrality: Tensor, binary: bool) -> Tensor:
    """The sums [F] float64 over the nodes of centrality times size, or times 1 where a feature is there."""
    if not isinstance(features, Tensor):
        size = features.transposed.double().abs()
        return (size.sign() if binary else size) @ centrality
    total = centrality.new_zeros(features.shape[1])
    parts = zip(torch.split(features, _ROWS), torch.split(centrality, _ROWS), strict=True)
    for rows, weight in parts:
        size = rows.double().abs()
        total += weight @ (size.sign() if binary else size)
    return total
