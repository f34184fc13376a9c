"""Retrieval by vectors: whether the nearest rows have the query's label, and at which rank a known partner comes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from graphns.graph.graph import Graph
from graphns.graph.knn import search
from graphns.graph.table import Metric
from graphns.metrics.ranking import Ranking
from graphns.samplers.known_pairs import row_entries

_CELLS = 1 << 24  # (query, neighbour) pairs held at once


@dataclass(frozen=True)
class Retrieval:
    """The figures of one table of vectors; means over the queries, in [0, 1].

    Args:
        recall: K to R@K: the share of queries with one of their label among the K nearest rows.
        r_precision: the mean share of their label among the R nearest, R being how many others have it.
        map_at_r: MAP@R; see `retrieval`.
        num_queries: queries that have another row of their label; the others are left out.
    """

    recall: dict[int, float]
    r_precision: float
    map_at_r: float
    num_queries: int

    def as_dict(self) -> dict[str, float]:
        """r@K for each K, r-precision and map@r."""
        return {**{f"r@{k}": share for k, share in self.recall.items()}, "r-precision": self.r_precision,
                "map@r": self.map_at_r}


@torch.no_grad()
def retrieval(x: Tensor, labels: Tensor, corpus: Tensor | None = None, corpus_labels: Tensor | None = None, *,
              metric: Metric = "cosine", at: tuple[int, ...] = (1, 10)) -> Retrieval:
    r"""R@K, R-precision and MAP@R of rows that look for others of their label.

    .. math:: \mathrm{MAP@R} = \frac{1}{|Q|} \sum_{q \in Q} \frac{1}{R_q} \sum_{i=1}^{R_q} P_q(i)\, \mathrm{rel}_q(i)

    with :math:`R_q` the number of rows to be found, :math:`\mathrm{rel}_q(i)` whether the i-th nearest row has the
    label of q, and :math:`P_q(i)` the share of such rows among the i nearest. Equally near rows come by lower id.

    Args:
        x: [Q, d] vectors of the queries.
        labels: [Q] int64.
        corpus: [N, d] vectors that are searched. None: the queries themselves, each but its own row.
        corpus_labels: [N] int64.
        metric: what is near: "cosine", "l2" or "ip".
        at: the K of R@K.

    Raises:
        ValueError: shapes do not fit, corpus and its labels are not given together, K is below 1, or no query has
            another row of its label.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.6, 0.5]])
        >>> found = retrieval(x, torch.tensor([0, 0, 1, 1]), at=(1,))
        >>> found.recall, found.map_at_r
        ({1: 0.75}, 0.75)

    References:
        Musgrave, Belongie, Lim: A Metric Learning Reality Check. ECCV 2020.
    """
    if (corpus is None) != (corpus_labels is None):
        raise ValueError("corpus and corpus_labels go together")
    _check_labels("labels", labels, x)
    table, theirs = x, labels
    if corpus is not None and corpus_labels is not None:
        _check_labels("corpus_labels", corpus_labels, corpus)
        table, theirs = corpus, corpus_labels
    if not at or min(at) < 1:
        raise ValueError(f"at must hold numbers of at least 1, got {at}")
    classes, place = torch.unique(torch.cat([labels, theirs]), return_inverse=True)
    count = torch.bincount(place[len(labels):], minlength=len(classes))
    wanted = count[place[: len(labels)]] - int(corpus is None)  # R of each query
    asked = (wanted > 0).nonzero()[:, 0]
    if not len(asked):
        raise ValueError(f"none of {len(labels)} rows has another row of its label: there is nothing to find")
    k = min(max(int(wanted.max()), *at), len(table) - int(corpus is None))
    rank = torch.arange(1, k + 1, device=x.device)
    hits = torch.zeros(len(at), dtype=torch.float64, device=x.device)
    precision = average = 0.0
    for rows in torch.split(asked, max(1, _CELLS // k)):
        near, _ = search(x[rows], table, k, metric, skip=rows if corpus is None else None)
        same = theirs[near] == labels[rows, None]
        hits += torch.stack([same[:, :each].any(1).sum() for each in at])
        within = same & (rank <= wanted[rows, None])
        share = within.cumsum(1).double() / rank
        precision += float((within.sum(1).double() / wanted[rows]).sum())
        average += float(((share * within).sum(1) / wanted[rows]).sum())
    number = len(asked)
    return Retrieval({each: float(hit) / number for each, hit in zip(at, hits, strict=True)}, precision / number,
                     average / number, number)


@torch.no_grad()
def rank_pairs(x: Tensor, pairs: Tensor, known: Graph) -> Ranking:
    r"""The rank, by cosine, of each pair's second row among all rows, from the point of view of the first.

    The first row itself and its other known partners are left out; ties count half, as in `rank_links`.

    Args:
        x: [N, d] vectors.
        pairs: [2, P] int64 rows.
        known: graph of N nodes; the neighbours of a pair's first row are no mistakes.

    Returns:
        Ranks [P], on the CPU.

    Raises:
        ValueError: there are no pairs, or shapes do not fit.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.5]])
        >>> rank_pairs(x, torch.tensor([[0, 0], [1, 2]]), Graph.empty(4)).ranks.tolist()
        [1.0, 3.0]
    """
    if pairs.dim() != 2 or len(pairs) != 2 or not pairs.shape[1]:
        raise ValueError(f"pairs must be rows [2, P] with P at least 1, got {tuple(pairs.shape)}")
    if known.num_nodes != len(x):
        raise ValueError(f"known must have a node for each of {len(x)} rows, got {known.num_nodes}")
    vectors, ranks = normalize(x.double()), []
    for source, target in zip(*(torch.split(end, max(1, _CELLS // len(x))) for end in pairs), strict=True):
        scores = vectors[source] @ vectors.T
        own = scores.gather(1, target[:, None])
        place, partner = row_entries(known.indptr, known.indices, source)
        # no comparison with NaN is true: what is left out stands neither above nor level
        scores[place, partner] = torch.nan
        scores.scatter_(1, torch.stack([source, target], 1), torch.nan)
        ranks.append(1 + (scores > own).sum(1).double() + (scores == own).sum(1).double() / 2)
    return Ranking(torch.cat(ranks).cpu())


def _check_labels(name: str, labels: Tensor, x: Tensor) -> None:
    if x.dim() != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"need vectors [n, d] and {name} [n], got {tuple(x.shape)} and {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {labels.dtype}")
