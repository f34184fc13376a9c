"""KBGAN: its law, its gradient against exact enumeration, its baseline by epochs, DistMult and ComplEx."""

import pytest
import torch

from graphns import Adversarial, EdgeSet, Graph, Query, Stream
from graphns.base import Feedback
from graphns.graph.triples import Triples
from graphns.samplers.adversarial.adversary import Adversary
from graphns.samplers.adversarial.kbgan import KBGAN
from graphns.samplers.compose.all import All
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.gradients import check_gradient
from tests.samplers.toys import Given, repeated

N = 6
REWARD = torch.tensor([1.0, -1.0, 0.5, 3.0, 0.0, -2.0])


def over_all(**options):
    """A pool of every candidate: the law can be written down."""
    return KBGAN(All(Graph.empty(N)), Adversary(N, N, dim=3), **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_follow_log_prob_copies_added_up(seed):
    pool = [3, 5, 3, 4, 2]
    sampler = KBGAN(Given(pool, [True, True, True, True, False]), Adversary(N, N, dim=3), pool=5, temperature=0.5)
    negatives = sampler(Query(torch.tensor([0]), torch.tensor([1]), 20_000, stream=Stream(seed)))
    logits = sampler.adversary.score(torch.tensor([0]), torch.arange(N)[None])[0].detach().double() / 0.5
    weight = torch.zeros(N, dtype=torch.float64)
    for i in pool[:4]:
        weight[i] += logits[i].exp()
    chance = weight / weight.sum()
    torch.testing.assert_close(negatives.log_prob.detach().double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
    counts = torch.bincount(negatives.ids[0], minlength=N)
    assert int(counts[chance == 0].sum()) == 0
    assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("baseline", [0.0, 2.0])
def test_the_gradient_is_the_exact_one_within_its_standard_error(baseline):
    sampler = over_all()
    sampler.earlier.fill_(baseline)
    tables = (sampler.adversary.anchor_table, sampler.adversary.candidate_table)
    logits = sampler.adversary.score(torch.tensor([0]), torch.arange(N)[None])[0]
    logits = logits.masked_fill(torch.tensor([True, True, False, False, False, False]), -torch.inf)
    exact = torch.autograd.grad(-(logits.softmax(0) * REWARD).sum(), tables)

    def step(number):
        query = repeated(0, 1, 20, k=2, stream=Stream(0, number))
        negatives = sampler(query)
        return sampler.loss(negatives, Feedback(negative_score=REWARD[negatives.ids]), query)

    check_gradient(step, tables, exact)


def test_it_is_adversarial_but_for_its_baseline():
    """The same tables, pool and stream: the same draws, densities and, with baselines of 0, gradients."""
    graph = Graph.empty(30)
    first, second = KBGAN.from_graph(graph, dim=8, pool=10), Adversarial.from_graph(graph, dim=8, pool=10)
    query = Query(torch.arange(4), torch.arange(4) + 5, 3, stream=Stream(0))
    one, other = first(query), second(query)
    assert torch.equal(one.ids, other.ids) and torch.equal(one.log_prob, other.log_prob)
    feedback = Feedback(negative_score=one.ids.float())
    torch.testing.assert_close(first.loss(one, feedback, query), second.loss(other, feedback, query))


def test_the_baseline_is_the_mean_reward_of_the_previous_epoch():
    sampler = over_all()

    def update(epoch, scores):
        query = Query(torch.tensor([0, 1]), torch.tensor([1, 2]), 2, stream=Stream(0), epoch=epoch)
        negatives = sampler(query)._replace(mask=torch.tensor([[True, True], [True, False]]))
        sampler.update(query, negatives, Feedback(negative_score=torch.tensor(scores)))

    assert float(sampler.baseline(0)) == 0
    update(0, [[1.0, 2.0], [6.0, torch.nan]])
    update(0, [[5.0, 6.0], [10.0, torch.nan]])
    assert float(sampler.baseline(0)) == 0 and float(sampler.baseline()) == 0, "not of the epoch itself"
    assert float(sampler.baseline(1)) == 5, "asked before the first update of the epoch, as a loss does"
    update(1, [[0.0, 0.0], [3.0, torch.nan]])
    assert float(sampler.baseline(1)) == 5 and float(sampler.baseline(2)) == 1
    sampler.update(Query(torch.tensor([0]), torch.tensor([1]), 2, epoch=7), sampler(repeated(0, 1, 1, k=2)))
    assert float(sampler.baseline(1)) == 5, "no scores, nothing learnt"


def test_the_loss_takes_the_baseline_of_the_querys_epoch():
    sampler = over_all()
    early, late = (repeated(0, 1, 2, k=2, stream=Stream(0), epoch=epoch) for epoch in (0, 1))
    negatives = sampler(early)
    scores = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    feedback = Feedback(negative_score=scores)
    sampler.update(early, negatives, feedback)
    plain = -(scores * negatives.log_prob).mean()
    torch.testing.assert_close(sampler.loss(negatives, feedback, early), plain)
    torch.testing.assert_close(sampler.loss(negatives, feedback), plain)
    torch.testing.assert_close(sampler.loss(negatives, feedback, late), -((scores - 3) * negatives.log_prob).mean())


@pytest.mark.parametrize("form", ["distmult", "complex"])
def test_scores_of_head_and_relation(form):
    adversary = Adversary(5, N, 3, dim=4, form=form)
    anchor, ids = torch.tensor([[1, 0], [4, 2]]), torch.tensor([[0, 3, 2]])
    head, relation = adversary.anchor_table[anchor[:, 0]], adversary.relation_table[anchor[:, 1]]
    tail = adversary.candidate_table[ids[0]]
    if form == "complex":
        head, relation, tail = (torch.complex(table[:, :2], table[:, 2:]) for table in (head, relation, tail))
    expected = torch.einsum("bd,bd,md->bm", head, relation, tail.conj())
    torch.testing.assert_close(adversary.score(anchor, ids), expected.real if form == "complex" else expected)


def test_complex_tells_a_relation_from_its_reverse_and_distmult_does_not():
    for form, symmetric in (("distmult", True), ("complex", False)):
        adversary = Adversary(N, N, 1, dim=4, form=form)
        with torch.no_grad():
            adversary.candidate_table.copy_(adversary.anchor_table)
        there = adversary.score(torch.tensor([[0, 0]]), torch.tensor([[1]]))
        back = adversary.score(torch.tensor([[1, 0]]), torch.tensor([[0]]))
        assert torch.allclose(there, back) == symmetric


@pytest.mark.parametrize("form", ["distmult", "complex"])
def test_over_triples_no_known_fact_is_drawn_and_it_learns(form):
    facts = Triples.from_tensor(torch.tensor([[i, 0, (i + 1) % 12] for i in range(12)] + [[0, 1, 5]]))
    sampler = KBGAN.from_graph(facts.known(), form=form, dim=8, pool=8)
    assert len(sampler.adversary.relation_table) == 4 and len(sampler.adversary.anchor_table) == 12
    model = torch.randn(12, 12, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    anchor, positive = facts.questions(torch.arange(13) % 2 == 0)
    rewards = []
    for number in range(60):
        query = Query(anchor, positive, 4, stream=Stream(0, number), epoch=number // 10)
        negatives = sampler(query)
        assert not facts.known().has_edge(anchor, negatives.ids).any()
        feedback = Feedback(negative_score=model[anchor[:, :1], negatives.ids])
        optimizer.zero_grad()
        sampler.loss(negatives, feedback, query).backward()
        optimizer.step()
        sampler.update(query, negatives, feedback)
        rewards.append(float(feedback.negative_score.mean()))
    assert sum(rewards[-10:]) / 10 > sum(rewards[:10]) / 10 + 0.4


def test_from_graph_passes_its_options_on():
    sampler = KBGAN.from_graph(Graph.empty((4, N)), exclude="self", dim=4, pool=3, temperature=0.5, replace=False)
    assert (sampler.pool, sampler.temperature, sampler.base.exclude, sampler.base.replace) == (3, 0.5, "self", False)
    assert sampler.adversary.anchor_table.shape == (4, 4) and sampler.adversary.candidate_table.shape == (N, 4)
    assert sampler.density == "given-pool" and sampler.stateful and not sampler.model_aware


def test_refuses():
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        over_all(pool=0)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        over_all(temperature=0)
    with pytest.raises(ValueError, match="form must be one of 'distmult', 'complex', got 'transe'"):
        Adversary(2, 2, form="transe")
    with pytest.raises(ValueError, match="dim must be even, got 3"):
        Adversary(2, 2, 1, dim=3, form="complex")
    with pytest.raises(ValueError, match="num_relations must be at least 0, got -1"):
        Adversary(2, 2, -1)
    with pytest.raises(ValueError, match="one or two columns, got an EdgeSet of 3"):
        from graphns import EdgeSet

        Adversary.for_graph(EdgeSet.from_pairs(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([1]), 2))
    sampler = over_all()
    with pytest.raises(ValueError, match="learns from the model's scores"):
        sampler.loss(sampler(repeated(0, 1, 1, k=2)), Feedback())
    with pytest.raises(ValueError, match=r"takes anchors \[B\]"):
        sampler.adversary.score(torch.tensor([[0, 1]]), torch.tensor([[1]]))


def test_anchors_of_one_column():
    known = EdgeSet.from_pairs(torch.tensor([[0], [2]]), torch.tensor([1, 3]), num_candidates=6)
    sampler = KBGAN.from_graph(known)
    wide = Query(torch.tensor([[0], [2]]), torch.tensor([1, 3]), 4, stream=Stream(0))
    flat = Query(torch.tensor([0, 2]), torch.tensor([1, 3]), 4, stream=Stream(0))
    assert torch.equal(sampler(wide).ids, sampler(flat).ids)
