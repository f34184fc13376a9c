"""Edge sets: anchors of any width, and samplers over them."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import check_distribution

TRIPLES = torch.tensor([[0, 0, 4], [0, 0, 2], [3, 1, 1], [0, 1, 0], [3, 1, 1], [2, 0, 5], [2, 0, 0]])


def known() -> EdgeSet:
    return EdgeSet.from_pairs(TRIPLES[:, :2], TRIPLES[:, 2], 6)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 4), max_size=30), st.integers(1, 3))
def test_rows_hold_exactly_the_pairs_given(rows: list[tuple[int, ...]], width: int) -> None:
    table = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)
    edges = EdgeSet.from_pairs(table[:, :width], table[:, 3], 5)
    expected: dict[tuple[int, ...], set[int]] = {}
    for row in rows:
        expected.setdefault(row[:width], set()).add(row[3])
    every = torch.cartesian_prod(*[torch.arange(-1, 7)] * width).reshape(-1, width)
    for anchor, row in zip(every.tolist(), edges.rows(every).tolist(), strict=True):
        found = edges.neighbors(row).tolist() if row >= 0 else []
        assert found == sorted(expected.get(tuple(anchor), set()))
    has = edges.has_edge(every, torch.arange(5)[None])
    assert has.sum().item() == edges.num_edges == sum(map(len, expected.values()))


def test_width_one_takes_flat_anchors() -> None:
    edges = EdgeSet.from_pairs(torch.tensor([7, 2, 7]), torch.tensor([0, 1, 1], dtype=torch.int32), 3)
    assert edges.rows(torch.tensor([7, 3, 2])).tolist() == [1, -1, 0]
    assert edges.edge_index.tolist() == [[2, 7, 7], [1, 0, 1]]
    same = EdgeSet.from_edge_index(torch.tensor([[7, 2, 7], [0, 1, 1]]), (9, 3))
    assert same.edge_index.tolist() == edges.edge_index.tolist()
    assert edges.bipartite and edges.in_degree.tolist() == [1, 2, 0] and edges.num_dst == 3


def test_uniform_draws_complete_no_known_triple() -> None:
    sampler = Uniform(known())
    anchor = torch.tensor([[0, 0], [3, 1], [2, 0], [1, 1], [9, 9]])
    query = Query(anchor, torch.tensor([4, 1, 5, 3, 0]), 400, stream=Stream(0))
    drawn = sampler(query)
    facts = {tuple(row) for row in TRIPLES.tolist()}
    for b, (head, relation) in enumerate(anchor.tolist()):
        ids = set(drawn.ids[b].tolist())
        allowed = {i for i in range(6) if (head, relation, i) not in facts and i != int(query.positive[b])}
        assert ids == allowed
    check_distribution(sampler, query, 6, k=3000)


def test_union_and_moves() -> None:
    more = EdgeSet.from_pairs(torch.tensor([[0, 0], [8, 2]]), torch.tensor([4, 3]), 6)
    both = known() | more
    assert both.num_edges == known().num_edges + 1 and both.has_edge(torch.tensor([[8, 2]]), torch.tensor([3])).all()
    for again in (copy.deepcopy(both), pickle.loads(pickle.dumps(both)), both.map(torch.clone)):
        assert isinstance(again, EdgeSet) and torch.equal(again.pairs()[0], both.pairs()[0])
    assert both.to("cpu") is both
    assert repr(more) == "EdgeSet(num_anchors=2, width=2, num_candidates=6, num_pairs=2)"
    with pytest.raises(ValueError, match="cannot unite anchors of width 2 over 6 candidates with width 2 over 7"):
        known() | EdgeSet.from_pairs(torch.tensor([[0, 0]]), torch.tensor([4]), 7)
    with pytest.raises(TypeError):
        known() | Graph.empty(2)  # type: ignore[operator]


def test_wrong_use_is_refused() -> None:
    pair = torch.tensor([[0, 0]]), torch.tensor([1])
    for anchor, positive, size, message in (
        (pair[0], torch.tensor([1, 2]), 3, r"anchor \[n\] or \[n, a\] and positive \[n\]"),
        (torch.tensor([[0.5, 0]]), pair[1], 3, "anchor must hold integer ids, got dtype torch.float32"),
        (pair[0], torch.tensor([True]), 3, "positive must hold integer ids"),
        (torch.tensor([[0, -4]]), pair[1], 3, "anchor ids must be >= 0, got -4"),
        (*pair, 0, "num_candidates must be at least 1, got 0"),
        (*pair, 1, r"destination id 1, outside \[0, 1\)"),
        (torch.tensor([[2**40, 2**40]]), pair[1], 3, "do not fit one 62-bit key"),
    ):
        with pytest.raises(ValueError, match=message):
            EdgeSet.from_pairs(anchor, positive, size)
    edges = known()
    with pytest.raises(ValueError, match=r"knows anchors of width 2, got \(3,\)"):
        edges.rows(torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="make no edge_index; use pairs"):
        _ = edges.edge_index
    with pytest.raises(ValueError, match="cannot be transposed"):
        _ = edges.transposed
    with pytest.raises(ValueError, match="needs num_nodes"):
        EdgeSet.from_edge_index(torch.tensor([[0], [1]]))
