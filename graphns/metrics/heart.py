"""HeaRT's order of negatives: the best rank that any heuristic gives a candidate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def best_rank(scores: Sequence[Tensor]) -> Tensor:
    r"""The least rank of each candidate under several heuristics: low is hard.

    .. math:: r(c) = \min_h \tfrac{1}{2} \big(\#\{c' : s_h(c') > s_h(c)\} + 1 + \#\{c' : s_h(c') \ge s_h(c)\}\big)

    HeaRT ranks a positive's candidates by resource allocation, personalised PageRank and the cosine of features, and
    takes the least rank. Most candidates have no common neighbour, so ties are many, and with ranks by position the
    result is the sort's whim. Here tied candidates share the mean of their ranks: no order of the candidates matters.

    Args:
        scores: of each heuristic, [..., C] floating point, of one shape; higher means a likelier edge.

    Returns:
        [..., C] float64, from 1 to C.

    Raises:
        ValueError: no heuristic, shapes that differ, or NaN.

    Example:
        >>> best_rank([torch.tensor([3.0, 0.0, 0.0, 0.0]), torch.tensor([0.1, 0.4, 0.2, 0.1])]).tolist()
        [1.0, 1.0, 2.0, 3.0]

    References:
        Li et al.: Evaluating Graph Neural Networks for Link Prediction: Current Pitfalls and New Benchmarking. NeurIPS
        2023 (Datasets and Benchmarks).
    """
    if not scores or any(each.shape != scores[0].shape or each.dim() == 0 for each in scores):
        raise ValueError(f"need scores [..., C] of one shape, got {[tuple(each.shape) for each in scores]}")
    best = torch.full(scores[0].shape, torch.inf, dtype=torch.float64, device=scores[0].device)
    for each in scores:
        if bool(torch.isnan(each).any()):
            raise ValueError("scores hold NaN: a candidate without a value is to have the lowest")
        falling = (-each).contiguous()
        order = falling.sort(-1).values
        above = torch.searchsorted(order, falling)
        upto = torch.searchsorted(order, falling, right=True)
        best = torch.minimum(best, (above + 1 + upto).double() / 2)
    return best
