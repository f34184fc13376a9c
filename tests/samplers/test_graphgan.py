"""GraphGAN: the graph softmax sums to 1, is the law of the walk, and its density, gradient and masks follow."""

import pytest
import torch

from graphns import EdgeSet, Graph, Query, Stream
from graphns.base import Feedback
from graphns.samplers.adversarial.graphgan import GraphGAN
from tests.samplers.distribution import ALPHA, SEEDS, check_distribution, chi_square, hub_graph, hub_query
from tests.samplers.gradients import check_gradient
from tests.samplers.toys import repeated

REWARD = torch.tensor([0.5, -1.0, 2.0, 3.0, -2.0, 1.0, 0.0])


def undirected(edges, nodes):
    return Graph.from_edge_index(torch.cat([edges, edges.flip(0)], 1), num_nodes=nodes)


def small():
    """Undirected, with circles; node 6 is alone."""
    return undirected(torch.tensor([[0, 0, 1, 2, 3, 4, 1], [1, 2, 3, 3, 4, 5, 5]]), 7)


def at_random(seed, nodes=7, edges=9):
    one_way = torch.randint(nodes, (2, edges), generator=torch.Generator().manual_seed(seed))
    return undirected(one_way[:, one_way[0] != one_way[1]], nodes)


def plain_tree(graph, root):
    """Parents by an ordinary breadth-first search."""
    parent, queue = {root: None}, [root]
    for node in queue:
        for other in graph.neighbors(node).tolist():
            if other not in parent:
                parent[other] = node
                queue.append(other)
    return parent


def plain_step(table, parent, node):
    """p_c(. | node) over the node's neighbours in the tree."""
    near = [v for v, up in parent.items() if up == node] + ([] if parent[node] is None else [parent[node]])
    return dict(zip(near, (table[near] @ table[node]).double().softmax(0), strict=True))


def plain_law(table, parent):
    """Down the path and one step back, for every node but the root."""
    law = {}
    for node, up in parent.items():
        if up is None:
            continue
        chance, at = plain_step(table, parent, node)[up], node
        while parent[at] is not None:
            chance = chance * plain_step(table, parent, parent[at])[at]
            at = parent[at]
        law[node] = chance
    return law


@pytest.mark.parametrize("seed", range(4))
def test_sums_to_1_and_is_the_product_down_the_path_and_back(seed):
    graph = at_random(seed)
    sampler = GraphGAN(graph, dim=3, seed=seed)
    law = sampler.graph_softmax(torch.arange(7)).detach().exp()
    for root in range(7):
        expected = plain_law(sampler.node_table.detach(), plain_tree(graph, root))
        assert set(expected) == set(law[root].nonzero()[:, 0].tolist())
        for node, chance in expected.items():
            torch.testing.assert_close(law[root, node], chance, rtol=1e-6, atol=0)
    reached = torch.tensor([len(graph.neighbors(root)) > 0 for root in range(7)])
    torch.testing.assert_close(law.sum(1)[reached], torch.ones(int(reached.sum()), dtype=torch.float64))
    assert float(law.sum(1)[~reached].sum()) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_the_law_of_the_walk_that_stops_where_it_turns_back(seed):
    graph = small()
    sampler, parent = GraphGAN(graph, dim=3), plain_tree(graph, 0)
    law = sampler.graph_softmax(torch.tensor([0])).detach().exp()[0]
    steps = {node: plain_step(sampler.node_table.detach(), parent, node) for node in parent}
    generator = torch.Generator().manual_seed(seed)
    counts = torch.zeros(7, dtype=torch.int64)
    for _ in range(4000):
        before, at = None, 0
        while True:
            near = list(steps[at])
            lot = torch.rand((), generator=generator, dtype=torch.float64)
            reached = torch.stack(list(steps[at].values())).cumsum(0)
            to = near[min(int(torch.searchsorted(reached, lot, right=True)), len(near) - 1)]
            if to == before:
                break
            before, at = at, to
        counts[at] += 1
    inside = law > 0
    assert int(counts[~inside].sum()) == 0
    assert chi_square(counts[inside], law[inside]) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_log_prob(exclude):
    graph = hub_graph()
    check_distribution(GraphGAN(graph, dim=4, exclude=exclude), hub_query(), graph.num_dst)


def test_exclusion_renormalises():
    graph = small()
    sampler = GraphGAN(graph, dim=3)
    law = sampler.graph_softmax(torch.tensor([0])).detach().exp()[0].float()
    far = [v for v in range(7) if v not in (0, *graph.neighbors(0).tolist())]
    positive = int(graph.neighbors(0)[0])
    expected = torch.zeros(7)
    expected[far] = law[far] / law[far].sum()
    query = repeated(0, positive, 1, k=1)
    torch.testing.assert_close(sampler.log_prob(query, torch.arange(7)[None])[0].exp(), expected)
    assert sampler.log_prob(query, torch.tensor([[-1, 7]])).tolist() == [[-torch.inf] * 2]


def test_scores_far_apart_stay_finite():
    sampler = GraphGAN(small(), dim=3)
    with torch.no_grad():
        sampler.node_table.mul_(60)
    law = sampler.graph_softmax(torch.tensor([0]))
    torch.testing.assert_close(law.exp().sum(), torch.ones((), dtype=torch.float64))
    law[law.isfinite()].sum().backward()
    assert torch.isfinite(sampler.node_table.grad).all()


def test_the_gradient_is_the_exact_one_within_its_standard_error():
    sampler = GraphGAN(small(), dim=3, exclude="self")
    positive = int(sampler.every.graph.neighbors(0)[0])
    chance = sampler._log_q(repeated(0, positive, 1, k=1))[0].exp()
    reward = torch.nn.functional.softplus(REWARD).double()
    exact = torch.autograd.grad(-(chance * reward).sum(), sampler.node_table)

    def step(number):
        query = repeated(0, positive, 20, k=2, stream=Stream(0, number))
        negatives = sampler(query)
        return sampler.loss(negatives, Feedback(negative_score=REWARD[negatives.ids]), query)

    check_gradient(step, [sampler.node_table], exact)


def test_it_learns_to_find_what_the_model_scores_high():
    graph = at_random(0, nodes=20, edges=40)
    model = 2 * torch.randn(20, 20, generator=torch.Generator().manual_seed(0))
    sampler = GraphGAN(graph, dim=16, exclude="self")
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    anchor, means = torch.arange(20), []
    for number in range(80):
        query = Query(anchor, (anchor + 1) % 20, 4, stream=Stream(0, number))
        negatives = sampler(query)
        feedback = Feedback(negative_score=model[anchor[:, None], negatives.ids])
        optimizer.zero_grad()
        sampler.loss(negatives, feedback, query).backward()
        optimizer.step()
        means.append(float(feedback.negative_score[negatives.mask].mean()))
    assert sum(means[-10:]) / 10 > sum(means[:10]) / 10 + 0.4


def test_blocks_and_order_change_nothing(monkeypatch):
    graph = hub_graph()
    sampler = GraphGAN(graph)
    query = Query(hub_query().anchor, hub_query().positive, 7, stream=Stream(1))
    whole, every = sampler(query), torch.arange(14)[None]
    density = sampler.log_prob(query, every)
    monkeypatch.setattr("graphns.samplers.adversarial.full_softmax._BLOCK", 200)
    again = sampler(query)
    assert torch.equal(whole.ids, again.ids) and torch.equal(whole.mask, again.mask)
    torch.testing.assert_close(density, sampler.log_prob(query, every))


def test_a_bipartite_graph_is_walked_both_ways():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 2, 4]]), (3, 5))
    sampler = GraphGAN(graph, dim=3)
    query = Query(torch.tensor([0, 2]), torch.tensor([0, 4]), 5, stream=Stream(0))
    negatives = sampler(query)
    assert negatives.ids[0].tolist() == [2] * 5 and negatives.mask.tolist() == [[True] * 5, [False] * 5]


def test_refuses():
    with pytest.raises(ValueError, match="an EdgeSet cannot be walked"):
        GraphGAN(EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([1]), 2))
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        GraphGAN(small(), dim=0)
    sampler, query = GraphGAN(small()), repeated(0, 1, 1, k=2)
    with pytest.raises(ValueError, match="learns from the model's scores"):
        sampler.loss(sampler(query), Feedback(), query)
