"""Filtered ranking of the facts of a knowledge graph, from both sides, ties counted honestly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graphns.base import Model
from graphns.graph.known import EdgeSet
from graphns.graph.triples import Triples
from graphns.samplers.known_pairs import row_entries


@dataclass(frozen=True, eq=False)
class Ranking:
    """The rank of every fact's answer, or of every link; in each mean, all ranks weigh alike.

    Args:
        ranks: float64, at least 1; of facts [2, n], the rank of the tail, then of the head, of links [n].

    Example:
        >>> ranking = Ranking(torch.tensor([[1.0, 4.0], [2.0, 10.5]]))
        >>> ranking.hits(1), ranking.hits(10), ranking.mean_rank
        (0.25, 0.75, 4.375)
    """

    ranks: Tensor

    @property
    def mrr(self) -> float:
        """The mean of 1 / rank."""
        return float(self.ranks.reciprocal().mean())

    @property
    def mean_rank(self) -> float:
        """The mean rank."""
        return float(self.ranks.mean())

    def hits(self, k: int) -> float:
        """The share of answers whose rank is at most k."""
        return float((self.ranks <= k).double().mean())

    def as_dict(self) -> dict[str, float]:
        """mrr, hits@1, hits@3, hits@10 and mean_rank."""
        hits = {f"hits@{k}": self.hits(k) for k in (1, 3, 10)}
        return {"mrr": self.mrr, **hits, "mean_rank": self.mean_rank}


@torch.no_grad()
def rank_triples(model: Model, triples: Triples, known: EdgeSet, *, block: int = 1 << 22) -> Ranking:
    r"""Rank the tail and the head of every fact among all entities, known answers left out.

    .. math:: \mathrm{rank} = 1 + \#\{j \in C : s_j > s^+\} + \tfrac12\, \#\{j \in C : s_j = s^+\}

    where C is every entity but the answer itself and the other known answers of its question. That is the *realistic*
    rank, the mean of the optimistic one (ties behind the answer) and the pessimistic one (ties before it): a model that
    scores everything alike gets the middle, :math:`(n + 1) / 2` of n candidates.

    Args:
        model: scores anchors (entity, relation); relation r + R asks for heads.
        triples: the facts to rank.
        known: what to leave out, as `Triples.known` gives it; several unite by ``|``. Usually the facts of all parts,
            for which an answer is no mistake. The answer itself may be among them.
        block: scores held at once; questions are taken in blocks of so many scores, each beside all entities.

    Returns:
        Ranks [2, n], on the CPU.

    Raises:
        ValueError: there are no facts, `known` is of other anchors or candidates, or a score is NaN.

    Example:
        >>> class Constant:
        ...     def score(self, anchor, ids):
        ...         return torch.zeros(len(anchor), ids.shape[1])
        >>> facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2]]), num_entities=6)
        >>> rank_triples(Constant(), facts, facts.known()).ranks
        tensor([[3.0000, 3.0000],
                [3.5000, 3.5000]], dtype=torch.float64)

    References:
        Bordes, Usunier, García-Durán, Weston, Yakhnenko: Translating Embeddings for Modeling Multi-relational Data.
        NIPS 2013 (filtered ranks).
        Berrendorf, Faerman, Vermue, Tresp: On the Ambiguity of Rank-Based Evaluation of Entity Alignment or Link
        Prediction Methods. 2020 (ties).
    """
    if not len(triples):
        raise ValueError("there are no facts to rank")
    if known.width != 2 or known.num_dst != triples.num_entities:
        raise ValueError(f"known must be of anchors (entity, relation) over {triples.num_entities} entities, got width "
                         f"{known.width} over {known.num_dst}; use Triples.known()")
    if block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    everyone = torch.arange(triples.num_entities, device=triples.head.device)[None]
    step = max(1, block // triples.num_entities)
    sides = []
    for corrupt_head in (False, True):
        anchors, positives = triples.questions(torch.full_like(triples.head, corrupt_head, dtype=torch.bool))
        parts = [_ranks(model, anchor, positive, everyone, known)
                 for anchor, positive in zip(torch.split(anchors, step), torch.split(positives, step), strict=True)]
        sides.append(torch.cat(parts))
    return Ranking(torch.stack(sides).cpu())


def _ranks(model: Model, anchor: Tensor, positive: Tensor, everyone: Tensor, known: EdgeSet) -> Tensor:
    """The ranks [b] float64 of one block of questions."""
    scores = model.score(anchor, everyone)
    if scores.shape != (len(anchor), everyone.shape[1]):
        raise ValueError(f"the model gave scores {tuple(scores.shape)} for {len(anchor)} anchors and "
                         f"{everyone.shape[1]} candidates; score(anchor, ids) must give [B, m]")
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores.clone()
    if bool(scores.isnan().any()):
        raise ValueError("the model scored a candidate NaN: nothing can be ranked by such scores; look for a diverged "
                         "loss")
    own = scores.gather(1, positive[:, None])
    place, answer = row_entries(known.indptr, known.indices, known.rows(anchor))
    # no comparison with NaN is true: what is left out stands neither above nor level
    scores[place, answer] = torch.nan
    scores.scatter_(1, positive[:, None], torch.nan)
    above, level = (scores > own).sum(1), (scores == own).sum(1)
    return 1 + above.double() + level.double() / 2
