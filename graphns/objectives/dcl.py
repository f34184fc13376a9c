"""DCL: InfoNCE rid of the false negatives that are to be expected."""

from __future__ import annotations

from torch import Tensor

from graphns.objectives.hcl import hcl


def dcl(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    tau_plus: float = 0.1,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""Debiased contrastive loss: the expected share of false negatives is subtracted from the negative sum.

    .. math::

        L_b = -\log \frac{e^{s^+_b/\tau}}{e^{s^+_b/\tau} + G_b}, \qquad
        G_b = \max\Big(\frac{\sum_j e^{s_{bj}/\tau} - N_b\, \tau^+ e^{s^+_b/\tau}}{1 - \tau^+},\; N_b\, e^{-1/\tau}\Big)

    The sum runs over the N_b usable slots. It is `hcl` with sharpness 0, and `infonce` with tau_plus = 0. The lower
    bound in G_b holds for cosines only, so scores outside [-1, 1] are refused.

    Args:
        positive_score: [B] cosines.
        negative_score: [B, m] cosines.
        mask: [B, m] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        tau_plus: the share of negatives that are false (one over the number of balanced classes), in [0, 1).
        temperature: divides the scores.
        log_prob: [B|1, m] log q of marginal density: slot j counts 1/q, normalised so that the sum estimates what N_b
            uniform negatives give.

    Returns:
        A scalar, the mean of L_b.

    Raises:
        ValueError: shapes do not fit, a usable score is no cosine, tau_plus is out of range, or `log_prob` cannot
            correct.

    Example:
        >>> import torch
        >>> dcl(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), tau_plus=0.0)
        tensor(0.5514)
        >>> dcl(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), tau_plus=0.1)
        tensor(0.4671)

    References:
        Chuang, Robinson, Lin, Torralba, Jegelka: Debiased Contrastive Learning. NeurIPS 2020.
    """
    return hcl(positive_score, negative_score, mask, sharpness=0.0, tau_plus=tau_plus, temperature=temperature,
               log_prob=log_prob)
