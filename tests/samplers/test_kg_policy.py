"""KGPolicy: its walks follow the policy, its discounted gradient is that of the enumeration, what it may end on."""

import pytest
import torch

from graphns import EdgeSet, Graph, Query, Stream
from graphns.base import Feedback
from graphns.graph.triples import Triples
from graphns.samplers.adversarial.kg_policy import KGPolicy
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.gradients import check_gradient
from tests.samplers.toys import Scores, repeated

N = 7
# from 1 in two steps: to 3 and 4 over 2, to 4, 5 and 6 over 3; the other way leads nowhere
EDGES = torch.tensor([[1, 1, 2, 2, 3, 3, 3, 5, 6], [2, 3, 3, 4, 4, 5, 6, 0, 0]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=N)
WAYS = [(2, 3), (2, 4), (3, 4), (3, 5), (3, 6)]
REWARD = torch.tensor([9.0, 9.0, 9.0, 1.0, -1.0, 2.0, 0.5])


class Embedded(Scores):
    """Scores in a matrix, vectors in a table."""

    def __init__(self, matrix, table):
        super().__init__(matrix)
        self.table = table

    def embed(self, ids, layers=False):
        return self.table[ids]


def log_pi(sampler, node, choices):
    table, anchor = sampler.adversary.candidate_table, sampler.adversary.anchor_table[0]
    return dict(zip(choices, (table[choices] @ (anchor + table[node])).log_softmax(0), strict=True))


def ways(sampler):
    """The log-probabilities of both steps of every way from 1."""
    first = log_pi(sampler, 1, [2, 3])
    second = {2: log_pi(sampler, 2, [3, 4]), 3: log_pi(sampler, 3, [4, 5, 6])}
    return {(x, y): (first[x], second[x][y]) for x, y in WAYS}


@pytest.mark.parametrize("seed", SEEDS)
def test_where_walks_end_follows_the_policy(seed):
    sampler = KGPolicy.from_graph(GRAPH, dim=3)
    negatives = sampler(repeated(0, 1, 5000, k=4, stream=Stream(seed)))
    assert negatives.mask.all() and negatives.log_prob is None
    chance = torch.zeros(N, dtype=torch.float64)
    for (_, end), (first, second) in ways(sampler).items():
        chance[end] += (first + second).exp().item()
    counts = torch.bincount(negatives.ids.flatten(), minlength=N)
    assert int(counts[chance == 0].sum()) == 0
    assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("discount", [1.0, 0.5])
def test_the_gradient_is_the_exact_one_within_its_standard_error(discount):
    """With a discount of 1, the gradient of the expected reward itself."""
    sampler = KGPolicy.from_graph(GRAPH, dim=3, discount=discount, likeness=0.0)
    tables = (sampler.adversary.anchor_table, sampler.adversary.candidate_table)
    objective = torch.zeros(())
    for (_, end), (first, second) in ways(sampler).items():
        chance = (first + second).exp().detach()
        objective = objective - chance * REWARD[end] * (discount * first + second)
    exact = torch.autograd.grad(objective, tables)
    if discount == 1:
        plain = -sum((first + second).exp() * REWARD[end] for (_, end), (first, second) in ways(sampler).items())
        for one, other in zip(exact, torch.autograd.grad(plain, tables), strict=True):
            torch.testing.assert_close(one, other)

    def step(number):
        query = repeated(0, 1, 20, k=2, stream=Stream(0, number))
        negatives = sampler(query)
        return sampler.loss(negatives, Feedback(negative_score=REWARD[negatives.ids]), query)

    check_gradient(step, tables, exact)


def test_the_reward_is_the_score_and_the_likeness_to_the_positive():
    table = torch.randn(N, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    model = Embedded(torch.zeros(N, N), table)
    sampler = KGPolicy.from_graph(GRAPH, dim=3, likeness=0.5)
    query = repeated(0, 1, 3, k=2, model=model, stream=Stream(0))
    negatives = sampler(query)
    scores = REWARD[negatives.ids]
    alike = (table[1] * table[negatives.ids]).sum(-1).detach()
    whole = sampler.loss(negatives, Feedback(negative_score=scores), query)
    sampler.likeness = 0.0
    torch.testing.assert_close(whole, sampler.loss(negatives, Feedback(negative_score=scores + 0.5 * alike), query))
    whole.backward()
    assert table.grad is None and sampler.adversary.anchor_table.grad is not None


def test_few_sampled_neighbours_are_a_random_choice_of_all():
    star = Graph.from_edge_index(torch.stack([torch.zeros(40, dtype=torch.int64), torch.arange(1, 41)]), num_nodes=42)
    sampler = KGPolicy.from_graph(star, steps=1, fanout=1, exclude="self")
    ids = sampler(repeated(41, 0, 4000, k=2, stream=Stream(0))).ids
    counts = torch.bincount(ids.flatten(), minlength=42)[1:41]
    assert chi_square(counts, torch.full((40,), 1 / 40)) > ALPHA
    wide = KGPolicy.from_graph(star, steps=1, fanout=64, exclude="self")
    table = wide.adversary.candidate_table
    best = ((wide.adversary.anchor_table[41] + table[0]) @ table[1:41].T).argmax() + 1
    counts = torch.bincount(wide(repeated(41, 0, 4000, k=2, stream=Stream(0))).ids.flatten(), minlength=42)
    assert int(counts.argmax()) == int(best)


def test_over_a_knowledge_graph_of_items_and_entities():
    likes = Graph.from_edge_index(torch.tensor([[0, 0, 1], [0, 1, 2]]), (2, 5))
    # items 0 to 4, entities 5 and 6: 0, 1 and 3 share 5; 2 and 4 share 6
    about = torch.tensor([[0, 1, 3, 2, 4], [5, 5, 5, 6, 6]])
    knowledge = Graph.from_edge_index(torch.cat([about, about.flip(0)], 1), num_nodes=7)
    sampler = KGPolicy.from_graph(likes, knowledge=knowledge)
    query = Query(torch.tensor([0, 1]), torch.tensor([0, 2]), 6, stream=Stream(0))
    negatives = sampler(query)
    assert negatives.ids.tolist() == [[3] * 6, [4] * 6] and negatives.mask.all()
    # one step ends on an entity, which is no candidate
    assert not KGPolicy.from_graph(likes, knowledge=knowledge, steps=1)(query).mask.any()
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [1, 0, 2], [3, 1, 1]]))
    entities = Graph.from_edge_index(torch.tensor([[1, 1, 2, 0, 3, 2], [2, 0, 1, 1, 1, 3]]), num_nodes=4)
    anchor, positive = facts.questions(torch.tensor([False, True, False]))
    drawn = KGPolicy.from_graph(facts.known(), knowledge=entities)(Query(anchor, positive, 8, stream=Stream(0)))
    assert drawn.mask.any() and not (facts.known().has_edge(anchor, drawn.ids) & drawn.mask).any()


def test_dead_ends_are_masked_and_teach_nothing():
    sampler = KGPolicy.from_graph(GRAPH, dim=3, likeness=0.0)
    query = Query(torch.tensor([0, 0]), torch.tensor([1, 4]), 3, stream=Stream(0))
    negatives = sampler(query)
    assert negatives.mask.tolist() == [[True] * 3, [False] * 3]
    both = sampler.loss(negatives, Feedback(negative_score=torch.tensor([[1.0, 2.0, 3.0], [torch.nan] * 3])), query)
    alone = Query(torch.tensor([0]), torch.tensor([1]), 3, stream=Stream(0))
    one = sampler.loss(sampler(alone), Feedback(negative_score=torch.tensor([[1.0, 2.0, 3.0]])), alone)
    torch.testing.assert_close(both, one)
    both.backward()
    assert torch.isfinite(sampler.adversary.candidate_table.grad).all()


def test_it_learns_to_end_where_the_reward_is():
    sampler = KGPolicy.from_graph(GRAPH, dim=8, likeness=0.0)
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    for number in range(80):
        query = repeated(0, 1, 16, k=2, stream=Stream(0, number))
        negatives = sampler(query)
        optimizer.zero_grad()
        sampler.loss(negatives, Feedback(negative_score=REWARD[negatives.ids]), query).backward()
        optimizer.step()
    assert float((sampler(repeated(0, 1, 100, k=2, stream=Stream(1))).ids == 5).float().mean()) > 0.8


def test_refuses():
    for name, bad in (("steps", 0), ("fanout", 0), ("discount", 1.5), ("likeness", -1.0)):
        with pytest.raises(ValueError, match=f"{name} must be .*, got {bad}"):
            KGPolicy.from_graph(GRAPH, **{name: bad})
    edges = EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([1]), 2)
    with pytest.raises(ValueError, match="pass knowledge="):
        KGPolicy.from_graph(edges)
    with pytest.raises(ValueError, match="whose first 7 nodes are the candidates"):
        KGPolicy.from_graph(GRAPH, knowledge=Graph.empty(6))
    sampler, query = KGPolicy.from_graph(GRAPH), repeated(0, 1, 1, k=2, stream=Stream(0))
    negatives = sampler(query)
    with pytest.raises(ValueError, match="learns from the model's scores"):
        sampler.loss(negatives, Feedback(), query)
    with pytest.raises(ValueError, match="model=model"):
        sampler.loss(negatives, Feedback(negative_score=torch.zeros(1, 2)), query)
    sampler.likeness = 0.0
    with pytest.raises(ValueError, match=r"before optimizer.step\(\)"):
        sampler.loss(negatives._replace(ids=negatives.ids + 1), Feedback(negative_score=torch.zeros(1, 2)), query)
    with pytest.raises(ValueError, match="positives from 7 to 7 are not all candidates"):
        sampler(repeated(0, 7, 1, k=2))
