"""Index tuples for pytorch-metric-learning: against loops, and losses computed from them by hand."""

from __future__ import annotations

import pytest
import torch

from graphns.adapters.metric_learning import index_pairs, index_triplets
from graphns.base import Negatives, Query
from graphns.graph.knn import knn_graph
from graphns.objectives.infonce import infonce
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


def test_they_are_what_was_drawn_and_give_the_same_loss() -> None:
    table = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    graph = knn_graph(table, 3)
    query = Query(torch.arange(8), graph.indices[graph.indptr[:8]].long(), k=5, stream=Stream(1))
    drawn = Uniform(graph)(query)
    drawn = drawn._replace(mask=drawn.mask & (torch.arange(40).view(8, 5) % 3 > 0))
    pairs = [(b, int(drawn.ids[b, j])) for b in range(8) for j in range(5) if drawn.mask[b, j]]
    a1, p, a2, n = index_pairs(query, drawn)
    assert torch.equal(a1, query.anchor) and torch.equal(p, query.positive)
    assert list(zip(a2.tolist(), n.tolist(), strict=True)) == pairs
    assert [each.tolist() for each in index_triplets(query, drawn)] == [
        [b for b, _ in pairs], [int(query.positive[b]) for b, _ in pairs], [each for _, each in pairs]]
    # NT-Xent as pytorch-metric-learning defines it on (a1, p, a2, n): the softmax over an anchor's own negatives
    scores = table @ table.T
    losses = [-scores[a, b] + torch.logsumexp(torch.stack([scores[a, b], *scores[a, n[a2 == a]]]), 0)
              for a, b in zip(a1.tolist(), p.tolist(), strict=True)]
    expected = infonce(scores[a1, p], scores[a1[:, None], drawn.ids], drawn.mask)
    torch.testing.assert_close(torch.stack(losses).mean(), expected)


def test_whole_edges_are_pairs_and_no_triplets() -> None:
    query = Query(torch.tensor([0, 1]), torch.tensor([2, 3]), k=1)
    drawn = Negatives(torch.tensor([[4], [5]]), None, torch.ones(2, 1, dtype=torch.bool), torch.tensor([[6], [7]]))
    assert [each.tolist() for each in index_pairs(query, drawn)] == [[0, 1], [2, 3], [6, 7], [4, 5]]
    with pytest.raises(ValueError, match="take index_pairs"):
        index_triplets(query, drawn)


def test_what_is_refused() -> None:
    mask, ids = torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="vectors and no rows"):
        index_pairs(Query(torch.tensor([0, 1]), torch.tensor([2, 3]), k=1),
                    Negatives(ids, None, mask, vectors=torch.zeros(2, 1, 4)))
    with pytest.raises(ValueError, match=r"one id an anchor \[B\], got \(2, 2\)"):
        index_triplets(Query(torch.zeros(2, 2, dtype=torch.int64), torch.tensor([2, 3]), k=1),
                       Negatives(ids, None, mask))
