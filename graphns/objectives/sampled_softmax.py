"""Sampled softmax: the full softmax, estimated from draws of a known density (logQ)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from graphns.objectives.infonce import infonce


def sampled_softmax(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    log_prob: Tensor | None,
    positive_log_prob: Tensor | None = None,
    temperature: float = 1.0,
    num_draws: int | Tensor | None = None,
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    r"""The corrected form of `infonce`: an estimate of the softmax over all candidates.

    .. math:: L = -\frac{s^+}{\tau} + \log\Big(e^{s^+/\tau} + \frac{1}{k} \sum_j \frac{e^{s_j/\tau}}{q_j}\Big)

    Inside the logarithm the sum is unbiased for :math:`\sum_{i} e^{s_i / \tau}` over the candidates. The arguments are
    those of `infonce`; `log_prob` must be given, and of marginal density (`correction` holds to that).

    Raises:
        ValueError: the sampler gave no log_prob; shapes do not fit.

    Example:
        >>> import torch
        >>> mask = torch.ones(1, 2, dtype=torch.bool)
        >>> sampled_softmax(torch.zeros(1), torch.zeros(1, 2), mask, log_prob=torch.full((1, 2), 1 / 9).log()).exp()
        tensor(10.)

    References:
        Bengio, Senécal: Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model.
        IEEE Transactions on Neural Networks 2008.
        Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations. RecSys 2019.
    """
    if log_prob is None:
        raise ValueError("sampled_softmax needs log_prob, and this sampler has no density: draw with one whose density "
                         "is 'marginal', or take infonce, which works uncorrected")
    return infonce(positive_score, negative_score, mask, temperature=temperature, log_prob=log_prob,
                   positive_log_prob=positive_log_prob, num_draws=num_draws, reduction=reduction)
