"""JSD: the Jensen-Shannon estimate of mutual information, DGI's objective."""

from __future__ import annotations

import math

from torch import Tensor

from graphns.objectives.bce import binary_cross_entropy


def jsd(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    temperature: float = 1.0,
    log_prob: Tensor | None = None,
) -> Tensor:
    r"""Minus twice the Jensen-Shannon divergence of positive and negative pairs, as the scores see it.

    .. math::

        L = \mathrm{mean}_b\, \mathrm{sp}(-s^+_b / \tau)
            + \mathrm{mean}_{bj\ \text{usable}}\, \mathrm{sp}(s_{bj} / \tau)
            - 2 \log 2, \qquad \mathrm{sp}(x) = \log(1 + e^x)

    For the best possible scores, log p/n of the densities of positives and negatives, L = -2 JSD(p, n), which lies in
    [-2 log 2, 0]; for any scores L is above that, and 0 where all scores are 0. It is `binary_cross_entropy` less a
    constant, so both have the same gradient. In DGI the positive score is that of a node and the summary of its graph,
    and the one negative is the same node of a corrupted graph; its printed loss is (L + 2 log 2) / 2.

    Args:
        positive_score: [B] logits.
        negative_score: [B, k] logits.
        mask: [B, k] bool, True = use. Without any usable slot that half is -log 2.
        temperature: divides the scores.
        log_prob: [B|1, k] log q of marginal density: weighs the negatives of a row by 1/q, normalised to its usable
            slots, which estimates the mean under uniform negatives.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes do not fit, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> jsd(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
        tensor(0.)

    References:
        Veličković, Fedus, Hamilton, Liò, Bengio, Hjelm: Deep Graph Infomax. ICLR 2019.
        Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler, Bengio: Learning Deep Representations by Mutual
        Information Estimation and Maximization. ICLR 2019.
    """
    return binary_cross_entropy(positive_score, negative_score, mask, temperature=temperature,
                                log_prob=log_prob) - 2 * math.log(2)
