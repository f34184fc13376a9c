"""CandidateLists: lists, weights and exclusions against a plain count, by chi-square, and at the limits."""

from __future__ import annotations

import pytest
import torch

from graphns import Degree, EdgeSet, Graph, InfeasibleError, Query, Stream, Uniform
from graphns.samplers.static.candidate_lists import CandidateLists
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.knowledge import NUM_ENTITIES, facts, question

EVERY = torch.arange(NUM_NODES)[None]


def lists() -> tuple[Graph, torch.Tensor]:
    """For every node a list of its own: some empty, some with known nodes in them, weights from 0 to thousands."""
    pairs = [(u, v) for u in range(NUM_NODES) for v in range(NUM_NODES) if (u * v + v) % 3 != 1 and u not in (4, 9)]
    pairs += [(4, 6), (4, 4)]
    weight = torch.tensor([float((3 * u + v) % 5) * (1e3 if v == 3 else 1) for u, v in pairs])
    made = Graph.from_edge_index(torch.tensor(pairs).T, num_nodes=NUM_NODES, weight=weight)
    return made, made.weight


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_the_density_is_the_weight_over_the_weight_left(exclude: str) -> None:
    given, weights = lists()
    query = hub_query()
    table = torch.zeros(NUM_NODES, NUM_NODES, dtype=torch.float64)
    table[tuple(given.edge_index)] = weights
    allowed = Uniform(hub_graph(), exclude=exclude).log_prob(query, EVERY).isfinite()
    kept = table[query.anchor] * allowed
    want = kept / kept.sum(1, keepdim=True).clamp(min=1e-30)
    sampler = CandidateLists(hub_graph(), given, exclude=exclude)
    torch.testing.assert_close(sampler.log_prob(query, EVERY).double().exp(), want, rtol=1e-5, atol=1e-8)
    drawn = sampler(query)
    assert torch.equal(drawn.mask[:, 0], kept.sum(1) > 0)
    assert bool((want.gather(1, drawn.ids)[drawn.mask] > 0).all())


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_the_density(exclude: str) -> None:
    check_distribution(CandidateLists(hub_graph(), lists()[0], exclude=exclude), hub_query(), NUM_NODES)


def test_the_full_list_of_every_node_is_uniform_and_with_weights_degree() -> None:
    """Limits: every candidate listed alike, and every candidate listed by its degree."""
    graph, query = hub_graph(), hub_query()
    source, target = torch.meshgrid(torch.arange(NUM_NODES), torch.arange(NUM_NODES), indexing="ij")
    whole = Graph.from_edge_index(torch.stack([source.flatten(), target.flatten()]), num_nodes=NUM_NODES)
    torch.testing.assert_close(CandidateLists(graph, whole).log_prob(query, EVERY),
                               Uniform(graph).log_prob(query, EVERY), rtol=0, atol=2e-6)
    weights = graph.in_degree.double()[whole.indices.long()] ** 0.75
    torch.testing.assert_close(CandidateLists(graph, whole, weights).log_prob(query, EVERY),
                               Degree(graph).log_prob(query, EVERY), rtol=0, atol=2e-6)


def test_one_entry_is_drawn_always_and_a_zero_weight_never() -> None:
    known = Graph.empty((2, 6))
    given = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 1], [2, 5, 0, 1, 2]]), num_nodes=(2, 6))
    sampler = CandidateLists(known, given, torch.tensor([1.0, 0.0, 0.0, 1e-9, 1e9]))
    query = Query(torch.tensor([0, 1, 1]), torch.tensor([3, 3, 2]), 40, stream=Stream(0))
    drawn = sampler(query)
    # beside a weight of 1e9 one of 1e-9 keeps the least share there is; alone, all of it
    assert drawn.ids.unique(dim=1).T.tolist()[0] == [2, 2, 1] and drawn.mask.all()
    assert drawn.log_prob[[0, 2]].abs().max() == 0


def test_anchors_of_two_columns() -> None:
    """Lists for (entity, relation): the slots written out are type-constrained."""
    from graphns.samplers.static.type_constrained import TypeConstrained

    data, query = facts(), question()
    slots = data.slots()
    anchors = torch.unique(query.anchor, dim=0)
    rows = slots.rows(anchors[:, 1])
    pairs = [(a, e) for a, row in zip(anchors.tolist(), rows.tolist(), strict=True) if row >= 0
             for e in slots.neighbors(row).tolist()]
    given = EdgeSet.from_pairs(torch.tensor([a for a, _ in pairs]), torch.tensor([e for _, e in pairs]), NUM_ENTITIES)
    sampler, every = CandidateLists(data.known(), given), torch.arange(NUM_ENTITIES)[None]
    torch.testing.assert_close(sampler.log_prob(query, every),
                               TypeConstrained(data.known(), slots).log_prob(query, every), rtol=0, atol=2e-6)
    assert torch.equal(sampler(query).mask, TypeConstrained(data.known(), slots)(query).mask)


def test_lists_without_candidates_are_masked() -> None:
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 0]), 3, stream=Stream(0))
    for given in (Graph.empty(4), Graph.from_edge_index(torch.tensor([[0, 1], [1, 1]]), num_nodes=4)):
        drawn = CandidateLists(Graph.empty(4), given)(query)
        assert not drawn.mask.any() and not drawn.log_prob.any() and not drawn.ids.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        CandidateLists(Graph.empty(4), Graph.empty(4), infeasible="raise")(query)


def test_refuses() -> None:
    graph = hub_graph()
    with pytest.raises(ValueError, match="ids below 3, the known positives ids below 14"):
        CandidateLists(graph, Graph.empty((14, 3)))
    with pytest.raises(ValueError, match="there are 3 lists for 14 anchors"):
        CandidateLists(graph, Graph.empty((3, 14)))
    with pytest.raises(ValueError, match=r"one weight per entry of the lists \[0\], got \(2,\)"):
        CandidateLists(graph, Graph.empty(14), torch.ones(2))
    with pytest.raises(ValueError, match=r"weight -1\.0 of entry of the lists 0"):
        CandidateLists(Graph.empty(2), Graph.from_edge_index(torch.tensor([[0], [1]])), torch.tensor([-1.0]))
