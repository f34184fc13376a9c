"""What weightings share: weights over the usable slots of a row, and the check that scores are cosines."""

from __future__ import annotations

import torch
from torch import Tensor

_TOLERANCE = 0.01  # rounding of half-precision and TF32 products of unit vectors stays below it


@torch.no_grad()
def slot_weights(logits: Tensor, mask: Tensor, log_prob: Tensor | None = None) -> Tensor:
    r"""The softmax of logits [B, m] over each row's usable slots: :math:`w_{bj} \propto e^{l_{bj}}`, no gradient.

    With `log_prob` [B|1, m], :math:`w_{bj} \propto e^{l_{bj}} / q_{bj}`: the self-normalised estimate of the softmax
    over all candidates. Masked slots weigh 0, and so does a row without a usable one; else a row sums to 1.

    Example:
        >>> slot_weights(torch.zeros(1, 3), torch.tensor([[True, True, False]]))
        tensor([[0.5000, 0.5000, 0.0000]])
    """
    if log_prob is not None:
        logits = logits - log_prob
    # the lowest finite number, not -inf: a row of -inf alone would be NaN
    weights = torch.where(mask, logits, torch.finfo(logits.dtype).min).softmax(1)
    return torch.where(mask, weights, 0.0)


def check_cosines(positive_score: Tensor, negative_score: Tensor, mask: Tensor) -> None:
    """Refuse usable scores outside [-1, 1], by more than rounding: they are no cosines.

    Raises:
        ValueError: naming the score. Under `torch.compile` nothing is looked at.
    """
    if torch.compiler.is_compiling():
        return
    for name, scores in (("positive_score", positive_score), ("negative_score", negative_score[mask])):
        largest = float(scores.detach().abs().max()) if scores.numel() else 0.0
        if largest > 1 + _TOLERANCE:
            raise ValueError(f"{name} holds a score of size {largest:.4g}, but this objective needs cosines: score "
                             "unit vectors, and leave the division to temperature")
