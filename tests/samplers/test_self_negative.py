"""SimKGC's self negative: the anchor's entity in the first slot, unless it is true."""

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.graph.triples import Triples
from graphns.samplers.efficient.memory_bank import MemoryBank
from graphns.samplers.efficient.self_negative import SelfNegative

FACTS = Triples.from_tensor(torch.tensor([[0, 0, 1], [2, 0, 2], [3, 1, 4], [5, 1, 6]]), num_entities=9)
KNOWN = FACTS.known()


def asked(anchor, positive, k=4, **options):
    return Query(torch.tensor(anchor), torch.tensor(positive), k, stream=Stream(0), **options)


def test_the_entity_first_then_the_bases_draws():
    query = asked([[0, 0], [3, 1], [4, 3]], [1, 4, 3])
    negatives = SelfNegative(Uniform(KNOWN), KNOWN)(query)
    assert negatives.ids[:, 0].tolist() == [0, 3, 4] and bool(negatives.mask[:, 0].all())
    assert torch.equal(negatives.ids[:, 1:], Uniform(KNOWN)(query).ids[:, 1:]) and negatives.log_prob is None


def test_a_reflexive_fact_and_the_positive_are_no_negatives():
    query = asked([[2, 0], [7, 0], [2, 1]], [3, 7, 1])
    ids = SelfNegative(Uniform(KNOWN), KNOWN)(query).ids
    base = Uniform(KNOWN)(query).ids
    assert torch.equal(ids[:2], base[:2]) and int(ids[2, 0]) == 2
    own = SelfNegative.from_graph(KNOWN, exclude="self")(query).ids
    assert own[:, 0].tolist()[0] == 2 and int(own[1, 0]) != 7


def test_where_the_base_is_empty_the_entity_still_counts():
    full = Triples.from_tensor(torch.stack([torch.zeros(8, dtype=torch.int64), torch.zeros(8, dtype=torch.int64),
                                            torch.arange(1, 9)], 1))
    sampler = SelfNegative.from_graph(full.known())
    negatives = sampler(asked([[0, 0]], [1]))
    assert negatives.mask.tolist() == [[True] * 4]  # 0 is the only candidate, by both ways
    everything = Triples.from_tensor(torch.stack([torch.zeros(9, dtype=torch.int64), torch.zeros(9, dtype=torch.int64),
                                                  torch.arange(9)], 1))
    assert not SelfNegative.from_graph(everything.known())(asked([[0, 0]], [1])).mask.any()


def test_on_a_homogeneous_graph_only_if_it_is_asked_for():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [1, 2, 2]]), num_nodes=9)
    query = asked([0, 1, 2], [1, 2, 5])
    assert torch.equal(SelfNegative.from_graph(graph)(query).ids, Uniform(graph)(query).ids)
    ids = SelfNegative.from_graph(graph, loops=True)(query).ids
    assert ids[:2, 0].tolist() == [0, 1] and int(ids[2, 0]) != 2  # a self-loop is an edge


def test_refuses():
    with pytest.raises(ValueError, match="in a bipartite graph the anchors are no candidates"):
        SelfNegative.from_graph(Graph.empty((3, 4)))
    with pytest.raises(ValueError, match="MemoryBank draws pairs or vectors"):
        SelfNegative(MemoryBank(Uniform(KNOWN), 9, dim=2), KNOWN)(asked([[0, 0]], [1]))
