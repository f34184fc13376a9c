"""What a run must know of a sampler that learns: its loss, its scores as a model, and when its turn is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.kernels.gather_dot import gather_dot
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig


def learns(sampler: Sampler) -> bool:
    """Whether a sampler is an adversary: it has parameters, and a loss for them."""
    return hasattr(sampler, "loss") and any(True for _ in sampler.parameters())


def adversary_loss(sampler: Any, negatives: Negatives, feedback: Feedback, query: Query) -> Tensor:
    """The sampler's own loss of a step."""
    loss: Tensor = sampler.loss(negatives, feedback, query)
    return loss


def own_scorer(sampler: Sampler) -> nn.Module | None:
    """The module whose tables score candidates for an adversary: its `adversary`, or itself; None where neither does.

    Example:
        >>> from graphns import Graph
        >>> from graphns.samplers.adversarial.irgan import IRGAN
        >>> type(own_scorer(IRGAN.from_graph(Graph.empty(5)))).__name__
        'Adversary'
    """
    for each in (getattr(sampler, "adversary", None), sampler):
        if isinstance(each, nn.Module) and all(hasattr(each, name) for name in ("queries", "score", "candidate_table")):
            return each
    return None


class AdversaryModel(nn.Module):
    r"""An adversary's tables as a model of the contract, so that they can be trained as one.

    .. math:: g(h, r, j) = \langle q_{hr}, c_j \rangle

    Args:
        scorer: has `score`, `queries` and `candidate_table`, as `Adversary` has; `own_scorer` finds it.

    Example:
        >>> from graphns.samplers.adversarial.adversary import Adversary
        >>> model = AdversaryModel(Adversary(4, 4, 2, dim=8))
        >>> anchor, ids = torch.tensor([[0, 1]]), torch.tensor([[2, 3]])
        >>> torch.equal(model(anchor, ids), model.score_vectors(anchor, model.embed(ids)))
        True
    """

    def __init__(self, scorer: Any) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """`score`."""
        return self.score(anchor, ids)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """The adversary's scores [B, m] of candidates [B|1, m], with gradient."""
        scores: Tensor = self.scorer.score(anchor, ids)
        return scores

    def query_vectors(self, anchor: Tensor) -> Tensor:
        """What candidates are compared with [B, dim]."""
        vectors: Tensor = self.scorer.queries(anchor)
        return vectors

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, dim]."""
        rows, m, width = vectors.shape
        ids = torch.arange(rows * m, device=vectors.device).view(rows, m)
        return gather_dot(self.query_vectors(anchor), vectors.reshape(rows * m, width), ids)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., dim] of the candidate table; with `layers`, [..., 1, dim]."""
        rows = F.embedding(ids, self.scorer.candidate_table)
        return rows.unsqueeze(-2) if layers else rows


def check_adversary(sampler: Sampler, config: KnowledgeGraphConfig) -> None:
    """Refuse settings for an adversary where the sampler is none, or has no scores of its own.

    Raises:
        ValueError: as said; the message names the setting.

    Example:
        >>> from graphns import Graph, Uniform
        >>> check_adversary(Uniform(Graph.empty(5)), KnowledgeGraphConfig(alternation=(2, 1)))
        Traceback (most recent call last):
        ValueError: alternation=(2, 1) takes an adversary, and Uniform has nothing to learn: leave it None
    """
    name, epochs = type(sampler).__name__, config.adversary_pretraining
    if config.alternation is not None and not learns(sampler):
        raise ValueError(f"alternation={config.alternation} takes an adversary, and {name} has nothing to learn: "
                         "leave it None")
    if epochs and not learns(sampler):
        raise ValueError(f"adversary_pretraining={epochs} takes an adversary, and {name} has nothing to learn: "
                         "leave it 0")
    if epochs and own_scorer(sampler) is None:
        raise ValueError(f"adversary_pretraining={epochs} trains an adversary's own scores of candidates, and {name} "
                         "has none: leave it 0")


def turns(config: KnowledgeGraphConfig, epoch: int) -> tuple[bool, bool]:
    """Whether the model steps in an epoch, and whether the adversary does: both, or, in turns, the model first.

    Example:
        >>> [turns(KnowledgeGraphConfig(alternation=(2, 1)), epoch)[0] for epoch in range(6)]
        [True, True, False, True, True, False]
    """
    if config.alternation is None:
        return True, True
    ours = epoch % sum(config.alternation) < config.alternation[0]
    return ours, not ours
