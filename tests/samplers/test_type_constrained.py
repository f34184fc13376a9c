"""TypeConstrained: its support against sets, its density by counting, slots that are full, wrong input."""

from __future__ import annotations

import pytest
import torch

from graphns import EdgeSet, Graph, InfeasibleError, Query, Stream, Uniform
from graphns.samplers.static.type_constrained import TypeConstrained
from tests.samplers.distribution import check_distribution, hub_graph
from tests.samplers.knowledge import NUM_ENTITIES, facts, question

EVERY = torch.arange(NUM_ENTITIES)[None]


def answers() -> tuple[dict[tuple[int, int], set[int]], dict[int, set[int]]]:
    """Known answers of each anchor, and slots, as sets."""
    known: dict[tuple[int, int], set[int]] = {}
    slots: dict[int, set[int]] = {}
    data = facts()
    for h, r, t in zip(data.head.tolist(), data.relation.tolist(), data.tail.tolist(), strict=True):
        for entity, relation, answer in ((h, r, t), (t, r + data.num_relations, h)):
            known.setdefault((entity, relation), set()).add(answer)
            slots.setdefault(relation, set()).add(answer)
    return known, slots


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_the_support_is_the_slot_less_what_is_known(exclude: str) -> None:
    sampler = TypeConstrained(facts().known(), facts().slots(), exclude=exclude)
    known, slots = answers()
    query = question(40)
    log_prob, drawn = sampler.log_prob(query, EVERY), sampler(query)
    for b, (anchor, positive) in enumerate(zip(query.anchor.tolist(), query.positive.tolist(), strict=True)):
        want = slots.get(anchor[1], set()) - {positive}
        if exclude == "neighbors":
            want -= known.get(tuple(anchor), set())
        assert set(log_prob[b].isfinite().nonzero()[:, 0].tolist()) == want, anchor
        assert bool(drawn.mask[b].all()) == bool(want) == bool(drawn.mask[b].any())
        assert not want or set(drawn.ids[b].tolist()) <= want
        assert not want or float(log_prob[b].exp().sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_the_density(exclude: str) -> None:
    check_distribution(TypeConstrained(facts().known(), facts().slots(), exclude=exclude), question(), NUM_ENTITIES)


def test_a_slot_of_one_entity_ends_in_a_mask_and_not_in_a_loop() -> None:
    """Relation 3 has one fact, relation 1 one tail; relation 4 has no slot at all."""
    query = Query(torch.tensor([[0, 3], [1, 1], [4, 4]]), torch.tensor([7, 13, 2]), 5, stream=Stream(0))
    for exclude in ("neighbors", "self"):
        drawn = TypeConstrained(facts().known(), facts().slots(), exclude=exclude)(query)
        assert not drawn.mask.any() and not drawn.log_prob.any() and not drawn.ids.any()
    with pytest.raises(InfeasibleError, match=r"anchor \[0, 3\] has 0 candidates"):
        TypeConstrained(facts().known(), facts().slots(), infeasible="raise")(query)


def test_with_every_entity_in_every_slot_it_is_uniform() -> None:
    data = facts()
    relation, entity = torch.meshgrid(torch.arange(2 * data.num_relations), torch.arange(NUM_ENTITIES), indexing="ij")
    slots = EdgeSet.from_pairs(relation.flatten(), entity.flatten(), NUM_ENTITIES)
    query = question(6)
    torch.testing.assert_close(TypeConstrained(data.known(), slots).log_prob(query, EVERY),
                               Uniform(data.known()).log_prob(query, EVERY), rtol=0, atol=0)


def test_a_schema_may_leave_out_what_is_known_and_allow_what_is_not() -> None:
    """Known answers outside the slot take nothing away from it."""
    data = facts()
    schema = EdgeSet.from_pairs(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 4, 5, 2]), NUM_ENTITIES)
    sampler = TypeConstrained(data.known(), schema)
    query = Query(torch.tensor([[0, 0], [1, 1]]), torch.tensor([5, 13]), 3, stream=Stream(0))
    assert sampler(query).ids.tolist() == [[0] * 3, [2] * 3]
    check_distribution(sampler, question(), NUM_ENTITIES)


def test_a_graph_is_one_relation_and_its_slot_the_nodes_with_an_edge_to_them() -> None:
    graph = hub_graph()
    sampler = TypeConstrained.from_graph(graph)
    query = Query(torch.arange(14), torch.arange(14).roll(1), 3, stream=Stream(0))
    want = Uniform(graph).log_prob(query, EVERY).isfinite() & (graph.in_degree > 0)
    assert torch.equal(sampler.log_prob(query, EVERY).isfinite(), want)


def test_empty_tables() -> None:
    none = torch.empty(0, dtype=torch.int64)
    empty = EdgeSet.from_pairs(none, none, NUM_ENTITIES)
    query = Query(torch.tensor([[0, 0]]), torch.tensor([4]), 2, stream=Stream(0))
    assert not TypeConstrained(facts().known(), empty)(query).mask.any()


def test_refuses() -> None:
    data = facts()
    with pytest.raises(ValueError, match="known anchors of width 1"):
        TypeConstrained(data.slots(), data.slots())
    with pytest.raises(ValueError, match="slots with anchors of width 2"):
        TypeConstrained(data.known(), data.known())
    with pytest.raises(ValueError, match="ids below 3, the known positives ids below 14"):
        TypeConstrained(data.known(), EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([2]), 3))
    with pytest.raises(ValueError, match="anchors of width 2, got"):
        TypeConstrained(data.known(), data.slots())(Query(torch.tensor([0]), torch.tensor([4]), 1))
    with pytest.raises(ValueError, match=r"one id per anchor"):
        TypeConstrained.from_graph(Graph.empty(5))(Query(torch.tensor([[0, 0]]), torch.tensor([4]), 1))
