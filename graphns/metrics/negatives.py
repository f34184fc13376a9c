"""What drawn negatives are like: how many are of the anchor's class, and how hard they are for the model."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.base import Negatives, Query


def false_negatives(query: Query, negatives: Negatives, y: Tensor) -> float:
    r"""The share of usable negatives that have their anchor's class.

    .. math:: \frac{\sum_{b,s} m_{bs} [y_{j_{bs}} = y_{u_b}]}{\sum_{b,s} m_{bs}}

    Args:
        query: what was asked; anchors [B].
        negatives: what was drawn.
        y: [N] integer classes, shared by anchors and candidates; -1 where unknown. Pairs with an unknown class are left
            out.

    Returns:
        A number in [0, 1]; NaN where no slot is usable.

    Raises:
        ValueError: `y` is no vector of classes.

    Example:
        >>> from graphns.base import Negatives
        >>> query = Query(torch.tensor([0]), torch.tensor([0]), k=2)
        >>> drawn = Negatives(torch.tensor([[1, 2]]), None, torch.ones(1, 2, dtype=torch.bool))
        >>> false_negatives(query, drawn, torch.tensor([5, 5, 7]))
        0.5
    """
    if y.dim() != 1 or y.is_floating_point():
        raise ValueError(f"need one integer class per node [N], got {y.dtype} {tuple(y.shape)}")
    source, drawn = negatives.pairs(query)
    known = (y[source] >= 0) & (y[drawn] >= 0)
    return float((y[source] == y[drawn])[known].double().mean())


@torch.no_grad()
def hardness(query: Query, negatives: Negatives, num_candidates: int, block: int = 1 << 22) -> float:
    r"""The mean share of candidates that the model scores below the drawn one; ties count half.

    .. math:: \frac{1}{n} \sum_{b,s} m_{bs} \frac{\#\{j \in C_b : s_j < s_{bs}\} + \frac12 \#\{j \in C_b : s_j = s_{bs}\}}{|C_b|}

    where :math:`C_b` is every candidate but the anchor and its positive. Draws that do not look at the scores give 0.5 on
    average where they may draw everything; 1 is the hardest negative of all.

    Args:
        query: what was asked, with its model; anchors [B].
        negatives: what was drawn.
        num_candidates: rows of the candidate table, N. The candidates are nodes of the anchors' own type.
        block: scores held at once; anchors are taken in blocks of so many scores.

    Returns:
        A number in [0, 1]; NaN where no slot is usable.

    Raises:
        ValueError: the query has no model.
    """  # noqa: E501  # a formula cannot be broken
    model = query.require_model()
    everyone = torch.arange(num_candidates, device=query.device)[None]
    if negatives.anchor is not None:
        raise ValueError("hardness needs one anchor per row; two-ended negatives have none")
    total, count = 0.0, 0
    step = max(1, block // num_candidates)
    for start in range(0, query.batch_size, step):
        rows = slice(start, start + step)
        anchor, positive, mask = query.anchor[rows], query.positive[rows], negatives.mask[rows]
        score = model.score(anchor, everyone).float()
        score = score.expand(len(anchor), num_candidates)
        drawn = score.gather(1, negatives.ids.expand(query.batch_size, -1)[rows])
        # the anchor and its positive are no candidates: sorted to the front and counted away
        own = torch.stack([anchor, positive], 1)
        score = score.scatter(1, own, -torch.inf)
        num_own = 1 + (anchor != positive).long()[:, None]
        ordered = score.sort(1).values
        below = torch.searchsorted(ordered, drawn) + torch.searchsorted(ordered, drawn, right=True)
        share = (below.double() / 2 - num_own) / (num_candidates - num_own).clamp(min=1)
        total += float(share[mask].sum())
        count += int(mask.sum())
    return total / count if count else float("nan")
