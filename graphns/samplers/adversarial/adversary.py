"""The network of an adversary: tables of vectors and a score, with gradient. It is drawn from by samplers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from graphns.base import Feedback
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.kernels.gather_dot import gather_dot
from graphns.samplers.exclusion import check_choice

Form = Literal["distmult", "complex"]
"""How the vectors of a head and a relation make one: DistMult or ComplEx."""


def make_tables(
    num_anchors: int, num_candidates: int, num_relations: int, dim: int, seed: int
) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
    """Tables of anchors, candidates and relations, normal with variance 1/dim; no global generator is touched.

    Raises:
        ValueError: a size is below 1 (of the relations, below 0).
    """
    for name, size in (("num_anchors", num_anchors), ("num_candidates", num_candidates), ("dim", dim)):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if num_relations < 0:
        raise ValueError(f"num_relations must be at least 0, got {num_relations}")
    generator = torch.Generator().manual_seed(seed)
    anchors, candidates, relations = (nn.Parameter(torch.randn(rows, dim, generator=generator) / dim**0.5)
                                      for rows in (num_anchors, num_candidates, num_relations))
    return anchors, candidates, relations


def table_sizes(graph: Graph) -> tuple[int, int, int]:
    """How many anchors, candidates and relations a graph has, or an `EdgeSet` of (head, relation).

    Raises:
        ValueError: the anchors have more than two columns.
    """
    if not isinstance(graph, EdgeSet):
        return graph.num_src, graph.num_dst, 0
    if graph.width > 2:
        raise ValueError(f"an adversary takes anchors of one or two columns, got an EdgeSet of {graph.width}")
    most = [int(column.max()) + 1 if len(column) else 1 for column in graph.anchors.T]
    if graph.width == 1:
        return most[0], graph.num_dst, 0
    # heads are entities, and so are candidates: one that was never a head may be asked about
    return max(most[0], graph.num_dst), graph.num_dst, most[1]


def check_anchors(anchor: Tensor, num_anchors: int, num_relations: int) -> Tensor:
    """Anchors [B], given so or as [B, 1], or, with relations, [B, 2].

    Raises:
        ValueError: they have another shape, or are no rows of the tables.
    """
    wide = num_relations > 0
    if not wide and anchor.dim() == 2 and anchor.shape[1] == 1:
        anchor = anchor[:, 0]
    if anchor.dim() != 1 + wide or (wide and anchor.shape[1] != 2):
        raise ValueError(f"this adversary takes anchors {'[B, 2], (head, relation)' if wide else '[B]'}, got "
                         f"{tuple(anchor.shape)}")
    columns = anchor.T if wide else (anchor,)
    for column, limit in zip(columns, (num_anchors, num_relations), strict=False):
        if column.numel() and not 0 <= int(column.min()) <= int(column.max()) < limit:
            raise ValueError(f"anchors from {int(column.min())} to {int(column.max())} do not fit a table of "
                             f"{limit} rows")
    return anchor


class Adversary(nn.Module):
    r"""A table of anchor vectors and one of candidate vectors; its scores carry gradient.

    .. math:: g(u, j) = \langle a_u, c_j \rangle, \qquad
        g(h, r, j) = \langle a_h \odot w_r, c_j \rangle \quad\text{or}\quad
        \mathrm{Re}\, \langle a_h \odot w_r, \overline{c_j} \rangle

    the second for anchors (head, relation): DistMult, or ComplEx, whose vectors hold real parts, then imaginary ones.

    Args:
        num_anchors: rows of the anchor table.
        num_candidates: rows of the candidate table.
        num_relations: above 0, anchors are rows (head, relation).
        dim: width of the vectors, in real numbers.
        form: ``"distmult"`` or ``"complex"``, where there are relations.
        seed: of the initial parameters: normal with variance 1/dim; relations around 1, so that at first they change
            little.

    Raises:
        ValueError: a size is below 1, dim is odd with ``form="complex"``, or form is another word.

    Example:
        >>> adversary = Adversary(3, 5, dim=4)
        >>> adversary.score(torch.tensor([0, 2]), torch.tensor([[1, 3, 4]])).shape
        torch.Size([2, 3])

    References:
        Yang, Yih, He, Gao, Deng: Embedding Entities and Relations for Learning and Inference in Knowledge Bases. ICLR
        2015. Trouillon, Welbl, Riedel, Gaussier, Bouchard: Complex Embeddings for Simple Link Prediction. ICML 2016.
    """

    def __init__(
        self, num_anchors: int, num_candidates: int, num_relations: int = 0, *, dim: int = 32, form: Form = "distmult",
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice(form, ("distmult", "complex"), "form")
        if form == "complex" and dim % 2:
            raise ValueError(f"ComplEx vectors are pairs of halves: dim must be even, got {dim}")
        tables = make_tables(num_anchors, num_candidates, num_relations, dim, seed)
        self.anchor_table, self.candidate_table, self.relation_table = tables
        self.form = form
        with torch.no_grad():
            self.relation_table[:, : dim // 2 if form == "complex" else dim] += 1

    @classmethod
    def for_graph(
        cls, graph: Graph, num_candidates: int | None = None, *, dim: int = 32, form: Form = "distmult", seed: int = 0
    ) -> Adversary:
        """Tables that hold every anchor of a graph, or of an `EdgeSet` of (head, relation), and every candidate.

        `num_candidates` is for those who score more than the graph's candidates.

        Raises:
            ValueError: the anchors have more than two columns.
        """
        anchors, candidates, relations = table_sizes(graph)
        return cls(anchors, candidates if num_candidates is None else num_candidates, relations, dim=dim, form=form,
                   seed=seed)

    def queries(self, anchor: Tensor) -> Tensor:
        """The vectors [B, dim] whose dot products with candidates are the scores."""
        anchor = check_anchors(anchor, len(self.anchor_table), len(self.relation_table))
        if anchor.dim() == 1:
            return self.anchor_table[anchor]
        head, relation = self.anchor_table[anchor[:, 0]], self.relation_table[anchor[:, 1]]
        if self.form == "distmult":
            return head * relation
        (a, b), (c, d) = head.chunk(2, 1), relation.chunk(2, 1)
        return torch.cat([a * c - b * d, a * d + b * c], 1)

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates [B|1, m], with gradient."""
        return gather_dot(self.queries(anchor), self.candidate_table, ids)


def reward_of(feedback: Feedback | None) -> Tensor:
    """The model's scores [B, k] of the drawn negatives, or a `ValueError` that asks for them."""
    if feedback is None or feedback.negative_score is None:
        raise ValueError("the adversary learns from the model's scores of its draws: give "
                         "Feedback(negative_score=...) and the negatives that this sampler drew")
    return feedback.negative_score
