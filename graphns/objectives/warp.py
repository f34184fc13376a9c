"""WARP: a hinge weighted by the rank that the number of tries betrays."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.objectives.correction import check_scores

Form = Literal["log", "harmonic"]
_EULER = 0.5772156649015329  # the Euler-Mascheroni constant: digamma(r + 1) + it is the harmonic sum


def estimated_rank(tries: Tensor, num_candidates: Tensor | int) -> Tensor:
    r"""WARP's estimate of the positive's rank from the tries that a violation took.

    .. math:: \widehat{\mathrm{rank}} = \lfloor (n - 1) / T \rfloor

    The more tries, the fewer candidates violate. An objective weighs a slot by it, with :math:`\log \max(1, r)`
    (LightFM) or :math:`\sum_{i \le r} 1 / i` (the paper).

    Args:
        tries: [B, k] integers, 0 where nothing was found.
        num_candidates: n, an integer, or [B, 1] where anchors differ.

    Returns:
        [B, k] int64; 0 where nothing was found.

    Example:
        >>> estimated_rank(torch.tensor([[1, 3, 10, 0]]), 101)
        tensor([[100,  33,  10,   0]])
    """
    rank = torch.div(torch.as_tensor(num_candidates, device=tries.device) - 1, tries.clamp(min=1),
                     rounding_mode="floor")
    return torch.where(tries > 0, rank, 0).long()


def warp_weight(tries: Tensor, num_candidates: int | Tensor, form: Form = "log") -> Tensor:
    r"""The weight of a violation that was found at the given number of tries.

    .. math::

        r = \Big\lfloor \frac{n - 1}{\text{tries}} \Big\rfloor, \qquad
        \Phi(r) = \log \max(1, r) \ \text{(log)} \quad \text{or} \quad \sum_{i=1}^{r} \frac1i \ \text{(harmonic)}

    Args:
        tries: integers of at least 1, any shape: draws up to and with the first violating one.
        num_candidates: n, an integer or a tensor that broadcasts: the positive and all that can be drawn.
        form: "log" is LightFM's, "harmonic" the paper's.

    Returns:
        float64 of the shape of `tries`.

    Raises:
        ValueError: tries or candidates are below 1, or the form is unknown.

    Example:
        >>> tries = torch.tensor([1, 3, 9])
        >>> warp_weight(tries, 10).exp()  # ranks 9, 3 and 1
        tensor([9.0000, 3.0000, 1.0000], dtype=torch.float64)
        >>> warp_weight(tries, 10, "harmonic")[1:]
        tensor([1.8333, 1.0000], dtype=torch.float64)

    References:
        Weston, Bengio, Usunier: WSABIE: Scaling Up To Large Vocabulary Image Annotation. IJCAI 2011.
        Kula: Metadata Embeddings for User and Item Cold-start Recommendations. CBRecSys 2015 (LightFM).
    """
    if form not in ("log", "harmonic"):
        raise ValueError(f"form must be 'log' or 'harmonic', got {form!r}")
    count = torch.as_tensor(num_candidates, device=tries.device)
    if not torch.compiler.is_compiling() and (bool((tries < 1).any()) or bool((count < 1).any())):
        raise ValueError("tries and num_candidates must be at least 1, got a smallest of "
                         f"{int(tries.min())} and {int(count.min())}")
    rank = estimated_rank(tries, count).double()
    if form == "log":
        return rank.clamp(min=1).log()
    return torch.where(rank > 0, torch.digamma(rank + 1) + _EULER, 0.0)


def warp(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    num_candidates: int | Tensor,
    margin: float = 1.0,
    form: Form = "log",
    tries: Tensor | None = None,
) -> Tensor:
    r"""Weighted approximate-rank pairwise loss: the slots of a row are its tries, the first violating one is used.

    .. math::

        j_b = \min\{j\ \text{usable} : s_{bj} > s^+_b - m\}, \quad
        L_b = \Phi\Big(\Big\lfloor \frac{n - 1}{\text{tries}_b} \Big\rfloor\Big) \big(m - s^+_b + s_{b j_b}\big)

    tries_b counts the usable slots up to and with j_b; a row without a violating slot has loss 0. So k is the most
    tries (10 in LightFM), drawn in one go by any sampler; uniform draws are what makes the estimate one of the rank.

    Args:
        positive_score: [B].
        negative_score: [B, k], in the order of the draws.
        mask: [B, k] bool, True = use. A masked slot is no try.
        num_candidates: n, an integer or [B]: the positive and all that can be drawn for the row.
        margin: m, above 0.
        form: of `warp_weight`: "log" is LightFM's, "harmonic" the paper's.
        tries: [B] integers, where a sampler has searched already and its tries are not the slots. Of a row without a
            usable slot they do not count: `WARP.search` gives 0 there.

    Returns:
        A scalar, the mean of L_b. The weight carries no gradient.

    Raises:
        ValueError: shapes do not fit, margin is not above 0, tries or candidates are below 1, or the form is unknown.

    Example:
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> loss = warp(torch.tensor([1.0]), torch.tensor([[-1.0, 0.5, 9.0]]), mask, num_candidates=7)
        >>> loss / 0.5  # found at the second try: rank 3
        tensor(1.0986)

    References:
        Weston, Bengio, Usunier: WSABIE: Scaling Up To Large Vocabulary Image Annotation. IJCAI 2011.
    """
    check_scores(positive_score, negative_score, mask, 1.0)
    if not margin > 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    for name, value in (("tries", tries), ("num_candidates", num_candidates)):
        if isinstance(value, Tensor) and value.shape not in ((), positive_score.shape):
            raise ValueError(f"{name} must be one number per row {tuple(positive_score.shape)}, got "
                             f"{tuple(value.shape)}")
    negative = negative_score.masked_fill(~mask, 0.0)  # whatever stands in a masked slot, NaN too, has no gradient
    hinge = margin - positive_score[:, None] + negative
    violates = mask & (hinge > 0)
    first = violates & (violates.cumsum(1) == 1)  # at most one slot of each row
    if tries is None:
        tries = torch.where(first, mask.cumsum(1), 0).sum(1).clamp(min=1)
    else:
        tries = torch.where(mask.any(1), tries, 1)  # a search that found nothing has 0 tries, and no loss
    weight = warp_weight(tries, num_candidates, form).to(hinge.dtype)
    return (weight * torch.where(first, hinge, 0.0).sum(1)).mean()
