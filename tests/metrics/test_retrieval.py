"""Retrieval against plain loops: R@K, R-precision, MAP@R, ranks of pairs, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.metrics.retrieval import rank_pairs, retrieval


def by_hand(order: list[list[int]], labels: list[int], theirs: list[int], at: tuple[int, ...]) -> tuple[float, ...]:
    """(R@K for each K, R-precision, MAP@R) of queries whose candidates are given nearest first."""
    hits, precision, average = [[] for _ in at], [], []
    for query, found in enumerate(order):
        same = [theirs[each] == labels[query] for each in found]
        wanted = sum(same)
        if not wanted:
            continue
        for each, k in zip(hits, at, strict=True):
            each.append(any(same[:k]))
        precision.append(sum(same[:wanted]) / wanted)
        average.append(sum(sum(same[: i + 1]) / (i + 1) for i in range(wanted) if same[i]) / wanted)
    return *(float(np.mean(each)) for each in hits), float(np.mean(precision)), float(np.mean(average))


def nearest(x: Tensor, corpus: Tensor, leave_out: bool) -> list[list[int]]:
    scores = torch.cdist(x.double(), corpus.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return [[j for _, j in sorted((float(scores[i, j]), j) for j in range(len(corpus)) if not (leave_out and i == j))]
            for i in range(len(x))]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(1, 6), st.booleans(), st.integers(0, 10**6))
def test_it_is_what_a_loop_finds(number: int, classes: int, other: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, corpus = (torch.randint(0, 4, (number, 3), generator=generator).float() for _ in range(2))  # with ties
    labels, theirs = (torch.randint(0, classes, (number,), generator=generator) for _ in range(2))
    given_corpus = (corpus, theirs) if other else (None, None)
    order = nearest(x, corpus if other else x, leave_out=not other)
    known = (theirs if other else labels).tolist()
    if not any(known[j] == labels[i] for i, found in enumerate(order) for j in found):
        with pytest.raises(ValueError, match="there is nothing to find"):
            retrieval(x, labels, *given_corpus, metric="l2")
        return
    found = retrieval(x, labels, *given_corpus, metric="l2", at=(1, 3))
    expected = by_hand(order, labels.tolist(), known, (1, 3))
    assert (*found.recall.values(), found.r_precision, found.map_at_r) == pytest.approx(expected)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(50, 4, generator=generator), torch.arange(50) % 7
    pairs, known = torch.stack([torch.arange(49), torch.arange(1, 50)]), Graph.empty(50)
    whole = retrieval(x, labels), rank_pairs(x, pairs, known).ranks.tolist()
    monkeypatch.setattr("graphns.metrics.retrieval._CELLS", 40)
    assert (retrieval(x, labels).as_dict(), rank_pairs(x, pairs, known).ranks.tolist()) == (
        pytest.approx(whole[0].as_dict()), whole[1])


def test_ranks_of_pairs_leave_known_partners_out() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(1, 4, (12, 2), generator=generator).double()  # parallel rows tie
    known = Graph.from_edge_index(torch.tensor([[0, 0, 0, 3, 3], [1, 2, 5, 7, 8]]), 12)
    pairs = torch.tensor([[0, 0, 3, 4], [1, 5, 8, 9]])
    unit = x / x.norm(dim=1, keepdim=True)
    expected = []
    for source, target in pairs.T.tolist():
        scores = unit @ unit[source]
        others = [j for j in range(12) if j not in (source, target, *known.neighbors(source).tolist())]
        above = sum(bool(scores[j] > scores[target] + 1e-12) for j in others)
        level = sum(bool((scores[j] - scores[target]).abs() <= 1e-12) for j in others)
        expected.append((1 + above, 1 + above + level / 2))
    ranks = rank_pairs(x, pairs, known).ranks
    for rank, (least, middle) in zip(ranks.tolist(), expected, strict=True):
        assert least <= rank <= 2 * middle - least  # rounding may part rows that are parallel
    assert rank_pairs(torch.ones(4, 2), torch.tensor([[0], [1]]), Graph.empty(4)).ranks.tolist() == [2.0]


@pytest.mark.parametrize(("arguments", "message"), [
    ((torch.ones(3, 2), torch.zeros(2, dtype=torch.int64)), r"need vectors \[n, d\] and labels"),
    ((torch.ones(3, 2), torch.zeros(3)), "labels must be whole numbers"),
    ((torch.ones(3, 2), torch.arange(3)), "none of 3 rows has another row"),
    ((torch.ones(3, 2), torch.zeros(3, dtype=torch.int64), torch.ones(3, 2)), "go together"),
])
def test_what_is_refused(arguments: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        retrieval(*arguments)
    with pytest.raises(ValueError, match="at must hold"):
        retrieval(torch.ones(3, 2), torch.zeros(3, dtype=torch.int64), at=(0,))


def test_pairs_that_are_refused() -> None:
    with pytest.raises(ValueError, match="P at least 1"):
        rank_pairs(torch.ones(3, 2), torch.empty(2, 0, dtype=torch.int64), Graph.empty(3))
    with pytest.raises(ValueError, match="a node for each of 3 rows, got 2"):
        rank_pairs(torch.ones(3, 2), torch.tensor([[0], [1]]), Graph.empty(2))
