"""SansWalks: what walks visit, the limit of many walks, knowledge graphs."""

from __future__ import annotations

import pytest
import torch

from graphns import EdgeSet, Graph, HopRing, InfeasibleError, Query, Stream
from graphns.graph.hops import hop_rings
from graphns.graph.walks import random_walks
from graphns.samplers.static.sans_walks import SansWalks
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.knowledge import NUM_ENTITIES, facts, question

EVERY = torch.arange(NUM_NODES)[None]


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_with_many_walks_it_is_the_ring_of_distance_1_to_k(exclude: str) -> None:
    """2,000 walks of 2 steps: a node that one path of the hub graph leads to is missed with probability below 1e-5."""
    graph, query = hub_graph(), hub_query()
    walks = SansWalks(graph, length=2, num_walks=2000, exclude=exclude)
    assert torch.equal(walks.log_prob(query, EVERY), HopRing(graph, 1, 2, exclude=exclude).log_prob(query, EVERY))


def test_few_walks_visit_what_their_steps_say() -> None:
    graph, query = hub_graph(), hub_query()
    row = torch.arange(NUM_NODES * 3)
    steps = random_walks(graph, row // 3, 4, Stream(7), row=row)[:, 1:].reshape(NUM_NODES, 12)
    support = SansWalks(graph, length=4, num_walks=3, seed=7, exclude="self").log_prob(query, EVERY).isfinite()
    for b, (anchor, positive) in enumerate(zip(query.anchor.tolist(), query.positive.tolist(), strict=True)):
        want = set(steps[anchor].tolist()) - {anchor, positive}
        assert set(support[b].nonzero()[:, 0].tolist()) == want


@pytest.mark.parametrize("options", [{}, {"exclude": "self", "num_walks": 5}])
def test_counts_follow_the_density(options) -> None:
    check_distribution(SansWalks(hub_graph(), **options), hub_query(), NUM_NODES)


def test_blocks_of_starts_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphns.samplers.static import sans_walks

    whole = SansWalks(hub_graph(), num_walks=4).log_prob(hub_query(), EVERY)
    monkeypatch.setattr(sans_walks, "_BLOCK", 1)
    assert torch.equal(SansWalks(hub_graph(), num_walks=4).log_prob(hub_query(), EVERY), whole)


def test_in_a_knowledge_graph_relations_do_not_count_for_walks_but_for_what_is_known() -> None:
    """SANS: the k-hop nodes of the undirected, relation-agnostic graph, less the answers of (entity, relation)."""
    data, query = facts(), question()
    graph, known = data.entity_graph(), data.known()
    assert torch.equal(graph.has_edge(*graph.edge_index.flip(0)), torch.ones(graph.num_edges, dtype=torch.bool))
    support = SansWalks(graph, known, length=3, num_walks=3000).log_prob(
        query, torch.arange(NUM_ENTITIES)[None]).isfinite()
    indptr, ids = hop_rings(graph, query.anchor[:, 0], 1, 3)
    for b in range(query.batch_size):
        row = int(known.rows(query.anchor[b : b + 1]))
        answers = set(known.neighbors(row).tolist()) if row >= 0 else set()
        ring = set(ids[indptr[b] : indptr[b + 1]].tolist()) - answers - {int(query.positive[b])}
        assert set(support[b].nonzero()[:, 0].tolist()) == ring
    check_distribution(SansWalks(graph, known, length=2, num_walks=20), question(), NUM_ENTITIES)


def test_bipartite_walks_go_both_ways_and_give_candidates() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]]), num_nodes=(2, 4))
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 1]), 4, stream=Stream(0))
    assert SansWalks(graph, length=3, num_walks=100)(query).ids.tolist() == [[2] * 4, [0] * 4]


def test_no_candidate_is_a_mask(path: Graph) -> None:
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, stream=Stream(0))
    assert not SansWalks(path, length=1)(query).mask.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        SansWalks(path, length=1, infeasible="raise")(query)


def test_refuses(path: Graph) -> None:
    for name in ("length", "num_walks"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            SansWalks(path, **{name: 0})
    with pytest.raises(ValueError, match="an EdgeSet cannot be walked"):
        SansWalks(facts().known())
    with pytest.raises(ValueError, match="the sets hold ids below 6, the known positives ids below 9"):
        SansWalks(path, EdgeSet.from_pairs(torch.tensor([[0, 0]]), torch.tensor([1]), 9))
    known = EdgeSet.from_pairs(torch.tensor([[0, 0]]), torch.tensor([1]), 6)
    with pytest.raises(ValueError, match=r"anchor 6 is no node of the graph, outside \[0, 6\)"):
        SansWalks(path, known, num_walks=2)(Query(torch.tensor([[6, 0]]), torch.tensor([1]), 1))
