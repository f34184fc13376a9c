"""Figures of link prediction: ranks among shared or own negatives with honest ties, OGB's Hits@K, AUC and AP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from graphns.metrics.ranking import Ranking

PairScore = Callable[[Tensor, Tensor], Tensor]
"""(source [n], target [n]) -> scores [n], higher = likelier."""
HITS = (1, 3, 10, 20, 50, 100)
_ROWS = 1 << 24  # scores compared at once


class HeldOutPairs(Protocol):
    """What an evaluation reads: the pairs of one part of a data set."""

    @property
    def positive(self) -> Tensor:
        """[2, P] int64."""

    @property
    def negative(self) -> Tensor:
        """[2, n] int64, shared by all positives, or [2, P, n], each positive's own."""


@dataclass(frozen=True)
class LinkEvaluation:
    """The figures of one model on one part; shares in [0, 1].

    Args:
        mrr: mean of 1 / rank, by realistic ranks.
        hits: K to Hits@K. Among shared negatives OGB's, where a tie with the K-th best negative is a miss (`hits_at`);
            among own negatives the share of realistic ranks that are at most K.
        auc: area under the ROC curve.
        ap: average precision.
    """

    mrr: float
    hits: dict[int, float]
    auc: float
    ap: float

    def as_dict(self) -> dict[str, float]:
        """mrr, hits@K for each K, auc and ap."""
        return {"mrr": self.mrr, **{f"hits@{k}": share for k, share in self.hits.items()}, "auc": self.auc,
                "ap": self.ap}


def rank_links(positive: Tensor, negative: Tensor) -> Ranking:
    r"""The rank of each positive among its negatives, ties at the middle.

    .. math:: \mathrm{rank}_i = 1 + \#\{j : s^-_{ij} > s^+_i\} + \tfrac12\, \#\{j : s^-_{ij} = s^+_i\}

    That is the *realistic* rank, the mean of the optimistic one (ties behind the positive) and the pessimistic one
    (ties before it), as OGB's MRR and HeaRT take it: a model that scores everything alike gets the middle.

    Args:
        positive: [P] scores.
        negative: [n] scores of negatives that all positives share, or [P, n] of each positive's own.

    Raises:
        ValueError: shapes do not fit, one of them is empty, or a score is NaN.

    Example:
        >>> rank_links(torch.tensor([2.0, 1.0]), torch.tensor([3.0, 1.0, 1.0])).ranks
        tensor([2., 3.], dtype=torch.float64)
        >>> rank_links(torch.tensor([2.0, 1.0]), torch.tensor([[3.0, 1.0], [0.0, 0.5]])).mrr
        0.75

    References:
        Hu et al.: Open Graph Benchmark: Datasets for Machine Learning on Graphs. NeurIPS 2020.
        Berrendorf, Faerman, Vermue, Tresp: On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link
        Prediction Methods. 2020 (ties).
    """
    positive, negative = _checked(positive, negative)
    if negative.dim() == 1:
        order = negative.sort().values
        upto = torch.searchsorted(order, positive, right=True)
        above, level = len(order) - upto, upto - torch.searchsorted(order, positive)
    else:
        parts = torch.split(torch.arange(len(positive)), max(1, _ROWS // negative.shape[1]))
        own = [(negative[part], positive[part, None]) for part in parts]
        above = torch.cat([(others > score).sum(1) for others, score in own])
        level = torch.cat([(others == score).sum(1) for others, score in own])
    return Ranking((1 + above.double() + level.double() / 2).cpu())


def hits_at(positive: Tensor, negative: Tensor, k: int) -> float:
    """OGB's Hits@K: the share of positives that score above the K-th best of the negatives that all share.

    *Above* is strict: whatever ties with the K-th best negative is no hit, so a model that scores everything alike has
    none. This is the share of *pessimistic* ranks (ties before the positive) that are at most K. With fewer than K
    negatives every positive is a hit.

    Args:
        positive: [P] scores.
        negative: [n] scores.
        k: at least 1.

    Raises:
        ValueError: k is below 1, negatives are not shared, one of the two is empty, or a score is NaN.

    Example:
        >>> positive, negative = torch.tensor([4.0, 2.0, 1.0]), torch.tensor([3.0, 2.0, 0.0])
        >>> [round(hits_at(positive, negative, k), 2) for k in (1, 2, 3, 4)]
        [0.33, 0.33, 1.0, 1.0]

    References:
        Hu et al.: Open Graph Benchmark: Datasets for Machine Learning on Graphs. NeurIPS 2020.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    positive, negative = _checked(positive, negative)
    if negative.dim() != 1:
        raise ValueError(f"Hits@K of OGB is among negatives that all positives share, [n], got "
                         f"{tuple(negative.shape)}; own negatives are ranked by rank_links(...).hits(k)")
    if len(negative) < k:
        return 1.0
    return float((positive > negative.topk(k).values[-1]).double().mean())


def link_auc(positive: Tensor, negative: Tensor) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half; as scikit-learn has it.

    Args:
        positive: [P] scores.
        negative: [n] or [P, n] scores; all of them count together.

    Raises:
        ValueError: one of the two is empty, or a score is NaN.

    Example:
        >>> link_auc(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0]))
        0.875
    """
    return _areas(*_checked(positive, negative))[0]


def average_precision(positive: Tensor, negative: Tensor) -> float:
    """Average precision: precision at each threshold, weighted by the recall that it adds; as scikit-learn has it.

    Tied scores share one threshold, so their order does not matter. Precision depends on how many negatives there are
    for a positive: figures with other numbers of them do not compare.

    Args:
        positive: [P] scores.
        negative: [n] or [P, n] scores; all of them count together.

    Raises:
        ValueError: one of the two is empty, or a score is NaN.

    Example:
        >>> round(average_precision(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])), 4)
        0.8333
    """
    return _areas(*_checked(positive, negative))[1]


def evaluate_scores(positive: Tensor, negative: Tensor, ks: Sequence[int] = HITS) -> LinkEvaluation:
    """All figures of one set of scores.

    Args:
        positive: [P] scores.
        negative: [n] scores of shared negatives, or [P, n] of each positive's own.
        ks: the K of Hits@K.

    Raises:
        ValueError: see `rank_links`, `hits_at` and `link_auc`.

    Example:
        >>> evaluate_scores(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0]), ks=[1]).as_dict()["hits@1"]
        0.5
    """
    ranking = rank_links(positive, negative)
    shared = negative.dim() == 1
    if min(ks, default=1) < 1:
        raise ValueError(f"k must be at least 1, got {min(ks)}")
    hits = {k: hits_at(positive, negative, k) if shared else ranking.hits(k) for k in ks}
    return LinkEvaluation(ranking.mrr, hits, *_areas(*_checked(positive, negative)))


@torch.no_grad()
def score_pairs(score: PairScore, pairs: Tensor, block: int = 1 << 20) -> Tensor:
    """The scores [...] of pairs [2, ...], in blocks, without gradient.

    Args:
        score: (source [n], target [n]) -> [n].
        pairs: [2, ...] int64, on the device that `score` reads.
        block: pairs scored at once.

    Raises:
        ValueError: block is below 1, `pairs` is no [2, ...], or scores have another shape than their pairs.

    Example:
        >>> score_pairs(torch.sub, torch.tensor([[[5, 6], [7, 8]], [[1, 1], [2, 2]]]))
        tensor([[4, 5],
                [5, 6]])
    """
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    if pairs.dim() < 2 or pairs.shape[0] != 2:
        raise ValueError(f"pairs must be [2, ...], sources before targets, got {tuple(pairs.shape)}")
    source, target = pairs.reshape(2, -1)
    found = []
    for first, second in zip(torch.split(source, block), torch.split(target, block), strict=True):
        scores = score(first, second)
        if scores.shape != first.shape:
            raise ValueError(f"the model gave scores {tuple(scores.shape)} for {len(first)} pairs; score(source, "
                             "target) must give one each")
        found.append(scores)
    return torch.cat(found).view(pairs.shape[1:])


def evaluate_links(score: PairScore, part: HeldOutPairs, ks: Sequence[int] = HITS, block: int = 1 << 20
                   ) -> LinkEvaluation:
    """Score the pairs of a part, and give all figures.

    Args:
        score: (source [n], target [n]) -> [n]: of a heuristic its `pairs`, of a model what its decoder makes of two
            rows of embeddings.
        part: its positives and negatives, such as `LinkData.test`.
        ks: the K of Hits@K.
        block: pairs scored at once.

    Raises:
        ValueError: see `score_pairs` and `evaluate_scores`.

    Example:
        >>> from types import SimpleNamespace
        >>> part = SimpleNamespace(positive=torch.tensor([[9], [0]]), negative=torch.tensor([[1, 2], [0, 0]]))
        >>> evaluate_links(torch.sub, part).mrr
        1.0
    """
    return evaluate_scores(score_pairs(score, part.positive, block), score_pairs(score, part.negative, block), ks)


def _checked(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    if positive.dim() != 1 or negative.dim() not in (1, 2) or (
            negative.dim() == 2 and len(negative) != len(positive)):
        raise ValueError(f"need scores of positives [P] and of negatives [n] or [P, n], got "
                         f"{tuple(positive.shape)} and {tuple(negative.shape)}")
    if not positive.numel() or not negative.numel():
        raise ValueError(f"nothing can be ranked without positives and negatives, got {tuple(positive.shape)} and "
                         f"{tuple(negative.shape)} scores")
    for name, scores in (("positive", positive), ("negative", negative)):
        if scores.dtype == torch.bool or scores.is_complex():
            raise ValueError(f"a score must be a real number, got {name} ones of {scores.dtype}; convert them with "
                             ".float()")
        if scores.is_floating_point() and bool(scores.isnan().any()):
            raise ValueError(f"a {name} has the score NaN: nothing can be ranked by it; look for a diverged loss")
    # both as one type: a float32 and its neighbour in float64 are no tie, a float32 and itself are
    kind = torch.promote_types(positive.dtype, negative.dtype)
    if kind in (torch.float16, torch.bfloat16):
        kind = torch.float32
    elif kind.is_floating_point and not (positive.is_floating_point() and negative.is_floating_point()):
        kind = torch.float64  # an integer may need more digits than float32 has
    return positive.detach().to(kind), negative.detach().to(kind)


def _areas(positive: Tensor, negative: Tensor) -> tuple[float, float]:
    """AUC and AP of checked scores, from one sort; recall grows, and precision is asked, at positives alone."""
    negative, positive = negative.reshape(-1).sort().values, positive.sort().values
    below = torch.searchsorted(negative, positive)
    upto = torch.searchsorted(negative, positive, right=True)
    wins = int(below.sum()) + int(upto.sum())  # twice: a tie is half a win
    right = len(positive) - torch.searchsorted(positive, positive)
    wrong = len(negative) - below
    return wins / (2 * len(positive) * len(negative)), float((right.double() / (right + wrong)).mean())
