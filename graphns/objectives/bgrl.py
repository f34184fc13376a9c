"""BGRL: one view's prediction meets the other view's slowly moving target; no negatives."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from graphns.objectives.vectors import check_pairs


def bgrl(first_prediction: Tensor, second_target: Tensor, second_prediction: Tensor, first_target: Tensor) -> Tensor:
    r"""Two less the mean cosines of each view's prediction with the other view's target.

    .. math:: L = 2 - \mathrm{mean}_b \cos(p_{1b}, t_{2b}) - \mathrm{mean}_b \cos(p_{2b}, t_{1b})

    Targets come from an encoder that follows the trained one by `graphns.encoders.momentum.follow`, and carry no
    gradient here whatever they come with. The predictor stands behind the trained encoder alone; without it, or with
    gradient through the targets, everything may collapse to one point.

    Args:
        first_prediction: p_1 [B, d], predictor of the trained encoder's embeddings of view 1.
        second_target: t_2 [B, d], the target encoder's embeddings of view 2.
        second_prediction: p_2 [B, d].
        first_target: t_1 [B, d].

    Returns:
        A scalar in [0, 4].

    Raises:
        ValueError: shapes differ.

    Example:
        >>> import torch
        >>> x = torch.eye(2)
        >>> bgrl(x, x, x, -x)
        tensor(2.)

    References:
        Thakoor, Tallec, Azar, Azabou, Dyer, Munos, Veličković, Valko: Large-Scale Representation Learning on Graphs via
        Bootstrapping. ICLR 2022.
    """
    check_pairs(first_prediction=first_prediction, second_target=second_target, second_prediction=second_prediction,
                first_target=first_target)
    one = F.cosine_similarity(first_prediction, second_target.detach(), dim=1).mean()
    other = F.cosine_similarity(second_prediction, first_target.detach(), dim=1).mean()
    return 2 - one - other
