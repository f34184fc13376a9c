"""A model that is two tables and a scorer: the door by which samplers see most embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.scorers.similarity import Scorer, dot


class TableModel:
    """Scores rows of one table against rows of another; a `Model` of the contract.

    Args:
        anchor_table: [num_anchors, d].
        candidate_table: [N, d] of the same dtype.
        scorer: `dot` or `cosine`. Tables with unit rows need only `dot`.

    Raises:
        ValueError: the widths differ.

    Example:
        >>> import torch
        >>> model = TableModel(torch.eye(3), torch.eye(3))
        >>> model.score(torch.tensor([2]), torch.tensor([[0, 2]]))
        tensor([[0., 1.]])
    """

    def __init__(self, anchor_table: Tensor, candidate_table: Tensor, scorer: Scorer = dot) -> None:
        if anchor_table.dim() != 2 or candidate_table.dim() != 2 or anchor_table.shape[1] != candidate_table.shape[1]:
            raise ValueError(f"need two tables [n, d] of one width, got {tuple(anchor_table.shape)} and "
                             f"{tuple(candidate_table.shape)}")
        self.anchor_table = anchor_table
        self.candidate_table = candidate_table
        self.scorer = scorer

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B]."""
        return self.scorer(self.anchor_table[anchor], self.candidate_table, ids)

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, d]."""
        rows, m, width = vectors.shape
        # the vectors are a table whose rows each anchor reads in order
        ids = torch.arange(rows * m, device=vectors.device).view(rows, m)
        return self.scorer(self.anchor_table[anchor], vectors.reshape(rows * m, width), ids)

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., d] of the candidate table; with `layers`, [..., 1, d], for a table has one layer."""
        rows = self.candidate_table[ids]
        return rows.unsqueeze(-2) if layers else rows
