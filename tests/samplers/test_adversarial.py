"""The adversary: its density, its gradient against exact enumeration, that it learns, and its state."""

import io

import pytest
import torch

from graphns import Adversarial, EdgeSet, Graph, Query, Stream
from graphns.base import Feedback
from graphns.graph.triples import Triples
from graphns.samplers.compose.all import All
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, repeated

N = 6


def over_all(**options):
    """An adversary whose pool is every candidate: its density can be written down."""
    return Adversarial(All(Graph.empty(N)), num_anchors=N, num_candidates=N, dim=3, **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_follow_log_prob_copies_added_up(seed):
    pool = [3, 5, 3, 4, 2]
    sampler = Adversarial(Given(pool, [True, True, True, True, False]), num_anchors=N, num_candidates=N, dim=3,
                          pool=5, temperature=0.5)
    query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, stream=Stream(seed))
    negatives = sampler(query)
    logits = (sampler.candidate_table @ sampler.anchor_table[0]).detach().double() / 0.5
    weight = torch.zeros(N, dtype=torch.float64)
    for i in pool[:4]:
        weight[i] += logits[i].exp()
    chance = weight / weight.sum()
    torch.testing.assert_close(negatives.log_prob.detach().double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
    counts = torch.bincount(negatives.ids[0], minlength=N)
    assert int(counts[chance == 0].sum()) == 0
    assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / len(SEEDS)


def exact_gradient(sampler, anchor, positive, reward):
    """Of minus the expected reward, by enumeration."""
    allowed = torch.tensor([i not in (anchor, positive) for i in range(N)])
    logits = (sampler.candidate_table @ sampler.anchor_table[anchor]).masked_fill(~allowed, -torch.inf)
    return torch.autograd.grad(-(logits.softmax(0) * reward).sum(), (sampler.anchor_table, sampler.candidate_table))


@pytest.mark.parametrize("baseline", [0.0, 2.0])
def test_the_gradient_is_the_exact_one_within_its_standard_error(baseline):
    sampler = over_all()
    sampler.baseline.fill_(baseline)
    reward = torch.tensor([1.0, -1.0, 0.5, 3.0, 0.0, -2.0])
    expected = exact_gradient(sampler, 0, 1, reward)
    found = []
    for step in range(200):
        query = repeated(0, 1, 20, k=2, stream=Stream(0, step))
        negatives = sampler(query)
        loss = sampler.loss(negatives, Feedback(negative_score=reward[negatives.ids]))
        found.append(torch.autograd.grad(loss, (sampler.anchor_table, sampler.candidate_table)))
    for i, exact in enumerate(expected):
        each = torch.stack([grads[i] for grads in found])
        error = each.std(0) / len(each) ** 0.5
        assert bool(((each.mean(0) - exact).abs() <= 4.5 * error + 1e-6).all())
        assert float(exact.abs().max()) > 5 * float(error.max()), "the test could not tell it from 0"


def test_it_learns_to_find_what_the_model_scores_high():
    generator = torch.Generator().manual_seed(0)
    model = torch.randn(20, 30, generator=generator)
    sampler = Adversarial.from_graph(Graph.empty((20, 30)), dim=16, seed=1)
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    rewards = []
    for step in range(150):
        anchor = torch.arange(20)
        query = Query(anchor, anchor, 4, stream=Stream(0, step))
        negatives = sampler(query)
        feedback = Feedback(negative_score=model[anchor[:, None], negatives.ids])
        optimizer.zero_grad()
        sampler.loss(negatives, feedback).backward()
        optimizer.step()
        sampler.update(query, negatives, feedback)
        rewards.append(float(feedback.negative_score.mean()))
    first, last = sum(rewards[:10]) / 10, sum(rewards[-10:]) / 10
    assert last > first + 0.8, (first, last)
    assert float(sampler.baseline) > first + 0.5


def test_the_baseline_is_the_moving_average_of_earlier_mean_rewards():
    sampler = over_all(decay=0.75)
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 2]), 2, stream=Stream(0))
    negatives = sampler(query)._replace(mask=torch.tensor([[True, True], [True, False]]))
    scores = torch.tensor([[1.0, 2.0], [6.0, torch.nan]])
    sampler.update(query, negatives, Feedback(negative_score=scores))
    assert float(sampler.baseline) == 3.0
    sampler.update(query, negatives, Feedback(negative_score=scores + 4))
    assert float(sampler.baseline) == 4.0
    sampler.update(query, negatives)
    sampler.update(query, negatives._replace(mask=torch.zeros(2, 2, dtype=torch.bool)), Feedback(negative_score=scores))
    assert float(sampler.baseline) == 4.0 and int(sampler.num_observed) == 2


def test_the_loss_is_of_the_baseline_before_the_step_and_leaves_the_scores_alone():
    sampler = over_all()
    sampler.baseline.fill_(0.5)
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, stream=Stream(0))
    negatives = sampler(query)
    scores = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    loss = sampler.loss(negatives, Feedback(negative_score=scores))
    torch.testing.assert_close(loss, -((scores.detach() - 0.5) * negatives.log_prob).mean())
    loss.backward()
    assert scores.grad is None and sampler.baseline.grad is None
    assert sampler.anchor_table.grad is not None and sampler.candidate_table.grad is not None


def test_a_checkpoint_continues_bit_for_bit_with_its_optimiser():
    def steps(sampler, optimizer, first, last):
        for step in range(first, last):
            query = repeated(0, 1, 8, k=3, stream=Stream(0, step))
            negatives = sampler(query)
            feedback = Feedback(negative_score=negatives.ids.float())
            optimizer.zero_grad()
            sampler.loss(negatives, feedback).backward()
            optimizer.step()
            sampler.update(query, negatives, feedback)

    straight = over_all(seed=3)
    optimizer = torch.optim.Adam(straight.parameters(), lr=0.1)
    steps(straight, optimizer, 0, 5)
    file = io.BytesIO()
    torch.save({"sampler": straight.state_dict(), "optimizer": optimizer.state_dict()}, file)
    steps(straight, optimizer, 5, 9)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = over_all(seed=4)
    resumed.load_state_dict(saved["sampler"])
    optimizer = torch.optim.Adam(resumed.parameters(), lr=0.1)
    optimizer.load_state_dict(saved["optimizer"])
    steps(resumed, optimizer, 5, 9)
    assert all(torch.equal(a, b) for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(),
                                                 strict=True))


def test_its_seed_alone_makes_its_parameters():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = over_all(seed=5)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first.anchor_table, over_all(seed=5).anchor_table)
    assert not torch.equal(first.anchor_table, over_all(seed=6).anchor_table)
    assert not torch.equal(first.anchor_table, first.candidate_table)


def test_distmult_for_head_and_relation():
    sampler = Adversarial(Given([0, 2, 4]), num_anchors=N, num_candidates=N, num_relations=2, dim=3, pool=3)
    anchor = torch.tensor([[1, 0], [5, 1]])
    ids = torch.tensor([[0, 3, 2]])
    head, relation = sampler.anchor_table[anchor[:, 0]], sampler.relation_table[anchor[:, 1]]
    expected = torch.einsum("bd,bd,md->bm", head, relation, sampler.candidate_table[ids[0]])
    torch.testing.assert_close(sampler.score(anchor, ids), expected)
    negatives = sampler(Query(anchor, torch.tensor([1, 1]), 2, stream=Stream(0)))
    negatives.log_prob.sum().backward()
    assert sampler.relation_table.grad is not None
    with pytest.raises(ValueError, match=r"takes anchors \[B, 2\]"):
        sampler.score(anchor[:, 0], ids)
    with pytest.raises(ValueError, match="do not fit a table of 2 rows"):
        sampler.score(torch.tensor([[1, 2]]), ids)


def test_family_traits():
    sampler = Adversarial.from_graph(Graph.empty(N), exclude="self", dim=4, pool=3, temperature=0.5, decay=0.5, seed=1)
    assert sampler.density == "given-pool" and sampler.stateful and not sampler.model_aware
    assert (sampler.pool, sampler.temperature, sampler.decay, sampler.base.exclude) == (3, 0.5, 0.5, "self")
    nothing = Adversarial(Given([2], [False]), num_anchors=N, num_candidates=N)(
        Query(torch.tensor([0]), torch.tensor([1]), 2))
    assert not nothing.mask.any() and nothing.log_prob.tolist() == [[0.0, 0.0]]


def test_refuses():
    for name in ("num_anchors", "num_candidates", "dim"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            Adversarial(Given([1]), **{"num_anchors": 2, "num_candidates": 2, name: 0})
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1"):
        over_all(decay=1)
    with pytest.raises(ValueError, match="temperature must be above 0"):
        over_all(temperature=-1)
    with pytest.raises(ValueError, match="pool must be at least 1"):
        over_all(pool=0)
    sampler = over_all()
    query = Query(torch.tensor([0]), torch.tensor([1]), 2)
    with pytest.raises(ValueError, match="learns from the model's scores"):
        sampler.loss(sampler(query), Feedback())
    with torch.no_grad():
        negatives = sampler(query)
    with pytest.raises(ValueError, match="carries no gradient"):
        sampler.loss(negatives, Feedback(negative_score=torch.zeros(1, 2)))
    with pytest.raises(ValueError, match=r"takes anchors \[B\]"):
        sampler.score(torch.tensor([[0, 1]]), torch.tensor([[1]]))
    with pytest.raises(ValueError, match=f"do not fit a table of {N} rows"):
        sampler.score(torch.tensor([N]), torch.tensor([[1]]))


def test_from_graph_of_triples_and_of_users():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [1, 1, 2]]), num_entities=5)
    sampler = Adversarial.from_graph(facts.known(), dim=4)
    assert (sampler.anchor_table.shape, sampler.candidate_table.shape) == ((5, 4), (5, 4))
    assert sampler.relation_table.shape == (4, 4)
    anchor, positive = facts.questions(torch.tensor([True, False]))
    assert sampler(Query(anchor, positive, 3, stream=Stream(0))).mask.all()
    users = EdgeSet.from_pairs(torch.tensor([0, 7]), torch.tensor([1, 2]), 4)
    assert Adversarial.from_graph(users).anchor_table.shape[0] == 8
