"""The objectives of scores and mask by name, with what a correction fills of their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from graphns.base import Negatives, Query, Sampler
from graphns.objectives.correction import check_scores, correction, usable_mean
from graphns.registry import load

_CORRECTED = ("log_prob", "positive_log_prob")


def sgns(positive_score: Tensor, negative_score: Tensor, mask: Tensor, *, log_prob: Tensor | None = None) -> Tensor:
    r"""Skip-gram with negative sampling: every negative weighs as much as a positive.

    .. math:: L = -\mathrm{mean}_b \Big[ \log \sigma(s^+_b) + \sum_{j\ \text{usable}} \log \sigma(-s_{bj}) \Big]

    `binary_cross_entropy` with its second half times the usable negatives of a pair, k where none is masked.

    Args:
        positive_score: [B] logits.
        negative_score: [B, k] logits.
        mask: [B, k] bool, True = use.
        log_prob: [B|1, k] log q: the mean over a row's negatives becomes an estimate of that under uniform ones.

    Raises:
        ValueError: shapes do not fit, or `log_prob` cannot correct.

    Example:
        >>> import torch
        >>> sgns(torch.zeros(2), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)).exp()
        tensor(16.)

    References:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality. NIPS 2013.
    """
    check_scores(positive_score, negative_score, mask, 1.0, log_prob)
    losses = softplus(negative_score.masked_fill(~mask, 0.0))
    each = mask.sum() / max(len(mask), 1)
    return softplus(-positive_score).mean() + each * usable_mean(losses, mask, log_prob)


def find_objective(name: str) -> Callable[..., Tensor]:
    """The objective of a name: "sgns", or a registered one of positive_score, negative_score and mask.

    Raises:
        ValueError: none is so called, it takes something else, or it cannot do without further arguments.
    """
    if name == "sgns":
        return sgns
    objective: Callable[..., Tensor] = load(name, "objective")
    parameters = _parameters(objective)
    names = list(parameters)
    if names[:3] != ["positive_score", "negative_score", "mask"]:
        raise ValueError(f"the objective {name!r} takes {', '.join(names[:3])}; pairs are trained with one of "
                         "positive_score, negative_score and mask")
    missing = [each for each, parameter in parameters.items() if parameter.kind is inspect.Parameter.KEYWORD_ONLY
               and parameter.default is inspect.Parameter.empty and each not in _CORRECTED]
    if missing:
        raise ValueError(f"the objective {name!r} needs {missing[0]}: choose another, such as 'sgns' or 'bce'")
    return objective


def corrections(name: str, corrected: bool) -> tuple[str, ...]:
    """The arguments of an objective that the draws' density fills; none where it is not corrected.

    Raises:
        ValueError: `corrected`, and the objective cannot be.
    """
    parameters = _parameters(find_objective(name))
    names = tuple(each for each in _CORRECTED if each in parameters)
    if corrected and not names:
        raise ValueError(f"the objective {name!r} cannot be corrected: leave corrected=False")
    required = any(parameters[each].default is inspect.Parameter.empty for each in names)
    return names if corrected or required else ()


def pair_loss(
    name: str, positive_score: Tensor, negative_score: Tensor, sampler: Sampler, query: Query, negatives: Negatives,
    corrected: bool = False,
) -> Tensor:
    """The loss of drawn pairs under an objective, corrected for the draws or not.

    Raises:
        ValueError: it is corrected, and the sampler's density is not "marginal".
    """
    options: dict[str, Any] = {}
    filled = corrections(name, corrected)
    if filled:
        parts: Mapping[str, Any] = correction(sampler, query, negatives)
        options = {each: parts[each] for each in filled}
    return find_objective(name)(positive_score, negative_score, negatives.mask, **options)


@cache
def _parameters(objective: Callable[..., Tensor]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(objective).parameters  # asked at every step
