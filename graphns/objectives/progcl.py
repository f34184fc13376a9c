"""ProGCL: InfoNCE with negatives weighted by hardness and by the chance that they are true negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from graphns.objectives.beta_mixture import BetaMixture
from graphns.objectives.correction import check_scores


def progcl(
    positive_score: Tensor,
    negative_score: Tensor,
    mask: Tensor,
    *,
    mixture: BetaMixture | None,
    temperature: float = 1.0,
) -> Tensor:
    r"""ProGCL-weight: each term of InfoNCE's negative sum times a weight whose mean over the row is 1.

    .. math::

        L_b = -\log \frac{e^{s^+_b/\tau}}{e^{s^+_b/\tau} + \sum_{j\ \text{usable}} w_{bj}\, e^{s_{bj}/\tau}}, \qquad
        w_{bj} = \frac{p(\text{true} \mid s_{bj})\, x_{bj}}
        {\mathrm{mean}_{i\ \text{usable}}\, p(\text{true} \mid s_{bi})\, x_{bi}}

    x is the similarity brought to [0, 1] as for the fit of `mixture`, so that no weight is negative; p is the
    mixture's posterior. Hard negatives count more, until they are so similar that they are probably false. The weights
    carry no gradient. Where all weights of a row are equal it is `infonce`. ProGCL-mix makes negatives instead:
    `graphns.mixers.progcl_mix`.

    Args:
        positive_score: [B] similarities.
        negative_score: [B, m] similarities, of the kind that the mixture was fitted to.
        mask: [B, m] bool, True = use. A row with no usable slot contributes 0, and counts in the mean.
        mixture: from `fit_beta_mixture`. None: not fitted yet, all weights 1 (the epochs before the fit).
        temperature: divides the scores; the weights see them undivided.

    Returns:
        A scalar, the mean of L_b.

    Raises:
        ValueError: shapes do not fit.

    Example:
        >>> mixture = BetaMixture(-1.0, 1.0, alpha=(2.0, 8.0), beta=(8.0, 2.0), weight=(0.9, 0.1))
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> plain = progcl(torch.zeros(1), torch.tensor([[-0.9, 0.0, 0.9]]), mask, mixture=None)
        >>> bool(progcl(torch.zeros(1), torch.tensor([[-0.9, 0.0, 0.9]]), mask, mixture=mixture) < plain)
        True

    References:
        Xia, Wu, Wang, Chen, Li: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022.
    """
    check_scores(positive_score, negative_score, mask, temperature)
    # whatever stands in a masked slot, NaN too, has no gradient
    negative = negative_score.masked_fill(~mask, 0.0)
    logits = negative / temperature
    if mixture is not None:
        logits = logits + _log_weights(mixture, negative.detach(), mask)
    # the lowest finite number, not -inf: a row of -inf only would have the gradient 0 * NaN
    logits = torch.where(mask, logits, torch.finfo(logits.dtype).min)
    return softplus(torch.logsumexp(logits, 1) - positive_score / temperature).mean()


@torch.no_grad()
def _log_weights(mixture: BetaMixture, similarity: Tensor, mask: Tensor) -> Tensor:
    raw = mixture.true_negative(similarity).mul_(mixture.normalized(similarity)).masked_fill_(~mask, 0.0)
    mean = raw.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    # where every negative of a row is certainly false, none is preferred
    raw.div_(torch.where(mean > 0, mean, 1.0)).masked_fill_(mean <= 0, 1.0)
    return raw.clamp_(min=torch.finfo(raw.dtype).tiny).log_()
