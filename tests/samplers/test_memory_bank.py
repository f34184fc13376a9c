"""InstDisc's bank: the moving average, length 1, first vectors, and the base's own draws."""

import pytest
import torch
from torch.nn.functional import normalize

from graphns import Degree, Feedback, Graph, Query, Stream, Uniform
from graphns.samplers.efficient.memory_bank import MemoryBank
from graphns.samplers.efficient.moco import MoCo
from graphns.samplers.efficient.shared import Shared
from tests.samplers.distribution import NUM_NODES, check_distribution, hub_graph, hub_query
from tests.samplers.queues import NUM, continues_bit_for_bit, query_at, teach, vectors_at

GRAPH = hub_graph()


def test_each_update_is_the_papers():
    sampler = MemoryBank(Uniform(Graph.empty(NUM)), NUM, dim=2, momentum=0.5)
    expected = sampler.bank.values.clone()
    for step in range(4):
        teach(sampler, range(step, step + 1))
        for item, vector in zip(query_at(step).positive.tolist(), normalize(vectors_at(step), dim=1), strict=True):
            expected[item] = normalize(0.5 * expected[item] + 0.5 * vector, dim=0)
    torch.testing.assert_close(sampler.bank.values, expected)
    torch.testing.assert_close(expected.norm(dim=1), torch.ones(NUM))


def test_a_candidate_of_several_pairs_moves_once_to_their_mean():
    sampler = MemoryBank(Uniform(Graph.empty(NUM)), NUM, dim=2, momentum=0.25)
    before = sampler.bank.values[6].clone()
    vectors = torch.tensor([[1.0, 0], [0, 2], [3, 0]])
    query = query_at(4)  # positives 6 6 3
    sampler.update(query, sampler(query), Feedback(positive_vectors=vectors))
    expected = normalize(0.25 * before + 0.75 * torch.tensor([0.5, 0.5]), dim=0)
    torch.testing.assert_close(sampler.bank.values[6], expected)
    torch.testing.assert_close(sampler.bank.values[3].norm(), torch.tensor(1.0))


def test_momentum_0_keeps_the_newest():
    sampler = MemoryBank(Uniform(Graph.empty(NUM)), NUM, momentum=0)
    teach(sampler, range(3))
    torch.testing.assert_close(sampler.bank.values[[3, 6, 5]], normalize(vectors_at(2), dim=1))


def test_vectors_are_those_of_the_ids():
    sampler = MemoryBank.from_graph(GRAPH, dim=5)
    negatives = sampler(hub_query(7))
    assert negatives.vectors.shape == (*negatives.ids.shape, 5)
    assert torch.equal(negatives.vectors, sampler.bank.values[negatives.ids])
    shared = MemoryBank(Shared.from_graph(GRAPH), NUM_NODES, dim=5)(hub_query(7))
    assert shared.vectors.shape == (1, 7, 5)


@pytest.mark.parametrize("base", [Uniform, Degree, Shared])
def test_ids_mask_and_density_are_the_bases(base):
    inner = base.from_graph(GRAPH)
    sampler, query = MemoryBank(inner, NUM_NODES, dim=3), hub_query(6)
    one, other = sampler(query), inner(query)
    assert torch.equal(one.ids, other.ids) and torch.equal(one.mask, other.mask)
    assert torch.equal(one.log_prob, other.log_prob) and sampler.density == "marginal"
    check_distribution(sampler, hub_query(), NUM_NODES, seeds=(0,), k=4000)


def test_first_vectors_follow_from_the_seed_whenever_the_width_is_told():
    told = MemoryBank(Uniform(Graph.empty(NUM)), NUM, dim=2, seed=3)
    later = MemoryBank(Uniform(Graph.empty(NUM)), NUM, seed=3)
    assert not later(query_at(0)).mask.any() and later(query_at(0)).vectors.shape == (3, 4, 0)
    for sampler in (told, later):
        teach(sampler, range(2))
    assert torch.equal(told.bank.values, later.bank.values) and bool(later(query_at(0)).mask.any())
    other = MemoryBank(Uniform(Graph.empty(NUM)), NUM, dim=2, seed=4)
    assert not torch.equal(other.bank.values, MemoryBank(Uniform(Graph.empty(NUM)), NUM, dim=2, seed=3).bank.values)


def test_state_dict_continues_bit_for_bit():
    make = lambda: MemoryBank.from_graph(Graph.empty(NUM))  # noqa: E731
    continues_bit_for_bit(make(), make(), wrap=4)


def test_refuses():
    base = Uniform(Graph.empty(NUM))
    for momentum in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\)"):
            MemoryBank(base, NUM, momentum=momentum)
    with pytest.raises(ValueError, match="outside a bank of 3 rows"):
        MemoryBank(base, 3, dim=2)(Query(torch.tensor([0]), torch.tensor([1]), 30, stream=Stream(0)))
    with pytest.raises(ValueError, match="MoCo draws pairs or vectors"):
        MemoryBank(MoCo(Graph.empty(NUM)), NUM)(query_at(0))
    with pytest.raises(ValueError, match="one vector of width 2"):
        sampler = MemoryBank(base, NUM, dim=2)
        sampler.update(query_at(0), sampler(query_at(0)), Feedback(positive_vectors=torch.ones(3, 5)))
