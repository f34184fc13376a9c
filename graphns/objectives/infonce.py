"""InfoNCE: the softmax of the positive against its negatives."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.objectives.correction import check_scores


def infonce(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
    positive_log_prob: Tensor | None = None,
    num_draws: int | Tensor | None = None,
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    r"""InfoNCE, or with `log_prob` its estimate over all candidates.

    .. math:: L_b = -\ell^+_b + \log\Big(e^{\ell^+_b} + \sum_{j\ \text{usable}} e^{\ell_{bj}}\Big)

    Uncorrected, :math:`\ell = s / \tau`. Corrected, :math:`\ell_{bj} = s_{bj} / \tau - \log(k_b\, q_{bj})`, so that the
    sum over draws estimates, without bias, the sum over the candidates. The positive stays where the proposal excludes
    it, and is corrected likewise where the proposal can draw it (in-batch). `correction(sampler, query, negatives)`
    makes the two arguments.

    Args:
        positive_score: [B].
        negative_score: [B, m].
        mask: [B, m] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        temperature: divides the scores.
        log_prob: [B|1, m] log q of the negatives, of marginal density; switches the correction on.
        positive_log_prob: [B] log q of the positives; -inf where the proposal excludes the positive. None: everywhere.
        num_draws: k_b, an integer or [B]: how many draws stand behind *one* sum over the candidates. Default: the
            usable slots of the row. Say it when the slots hold several sums: GRACE scores each of k drawn ids in two
            views, so m = 2k slots estimate two sums of k draws each, and `num_draws` is k.
        reduction: "mean" over the B rows, or "none" for [B].

    Returns:
        A scalar, or [B].

    Raises:
        ValueError: shapes do not fit, or `log_prob` cannot correct.

    Example:
        >>> infonce(torch.zeros(1), torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool)).exp()
        tensor(4.)

    References:
        van den Oord, Li, Vinyals: Representation Learning with Contrastive Predictive Coding. 2018.
        Bengio, Senécal: Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model.
        IEEE Transactions on Neural Networks 2008.
    """
    check_scores(positive_score, negative_score, mask, temperature, log_prob)
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    positive, negative = positive_score / temperature, negative_score / temperature
    if log_prob is not None:
        log_draws = _log_draws(num_draws, mask, negative.dtype)
        negative = negative - (log_prob + log_draws[:, None])
        if positive_log_prob is not None:
            if positive_log_prob.shape != positive.shape:
                raise ValueError(f"positive_log_prob must be {tuple(positive.shape)}, got "
                                 f"{tuple(positive_log_prob.shape)}")
            drawable = torch.isfinite(positive_log_prob)
            positive = positive - torch.where(drawable, positive_log_prob + log_draws, 0.0)
    elif positive_log_prob is not None or num_draws is not None:
        raise ValueError("positive_log_prob and num_draws belong to the correction: give log_prob too, or neither")
    # the lowest finite number, not -inf: a row of -inf only would have the gradient 0 * NaN
    negative = torch.where(mask, negative, torch.finfo(negative.dtype).min)
    # softplus(x) = log(1 + e^x): equal to the formula above, and stable on both sides
    loss = torch.nn.functional.softplus(torch.logsumexp(negative, 1) - positive)
    return loss.mean() if reduction == "mean" else loss


def _log_draws(num_draws: int | Tensor | None, mask: Tensor, dtype: torch.dtype) -> Tensor:
    if num_draws is None:
        return mask.sum(1).clamp(min=1).to(dtype).log()
    count = torch.as_tensor(num_draws, device=mask.device)
    if count.shape not in ((), mask.shape[:1]):
        raise ValueError(f"num_draws must be a number or [B] = {tuple(mask.shape[:1])}, got {tuple(count.shape)}")
    # a tensor may hold 0 for a row without usable slots, where it is of no account
    if isinstance(num_draws, int) and num_draws < 1:
        raise ValueError(f"num_draws must be at least 1, got {num_draws}")
    return count.clamp(min=1).to(dtype).log().expand(len(mask))
