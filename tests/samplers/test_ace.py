"""ACE: the density of the mixture, its limits, the self-critical gradient against enumeration, the regulariser."""

import math

import pytest
import torch

from graphns import Filtered, Graph, Hardest, InBatch, Query, Stream, Uniform
from graphns.base import Feedback
from graphns.graph.triples import Triples
from graphns.samplers.adversarial.ace import ACE
from graphns.samplers.adversarial.adversary import Adversary
from graphns.samplers.adversarial.irgan import IRGAN
from graphns.samplers.static.degree import Degree
from tests.contract.cases import Table
from tests.samplers.distribution import check_distribution, hub_graph, hub_query
from tests.samplers.gradients import check_gradient
from tests.samplers.toys import Scores, repeated

N = 6
SCORES = torch.tensor([2.0, -1.0, 0.5, 3.0, 0.0, -2.0])
MODEL = Scores(SCORES.repeat(N, 1))


def over_all(**options):
    return ACE.from_graph(Graph.empty(N), dim=3, **options)


def log_g(sampler, anchor=0, positive=1):
    logits = sampler.adversary.score(torch.tensor([anchor]), torch.arange(N)[None])[0]
    allowed = torch.tensor([i not in (anchor, positive) for i in range(N)])
    return logits.masked_fill(~allowed, -torch.inf).log_softmax(0)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_log_prob(exclude):
    graph = hub_graph()
    check_distribution(ACE.from_graph(graph, dim=4, exclude=exclude, share=0.3), hub_query(), graph.num_dst)


def test_the_density_is_the_mixture():
    sampler = over_all(share=0.25)
    expected = 0.75 * log_g(sampler).detach().exp() + 0.25 * torch.tensor([0, 0, 1, 1, 1, 1]) / 4
    found = sampler.log_prob(repeated(0, 1, 1, k=1), torch.arange(N)[None])[0].exp()
    torch.testing.assert_close(found, expected)
    assert sampler.log_prob(repeated(0, 1, 1, k=1), torch.tensor([[-1, N]])).tolist() == [[-torch.inf] * 2]


def test_its_limits_are_its_parts():
    graph, every, query = hub_graph(), torch.arange(14)[None], hub_query()
    alone, none = ACE.from_graph(graph, share=1.0), ACE.from_graph(graph, share=0.0)
    torch.testing.assert_close(alone.log_prob(query, every), Uniform(graph).log_prob(query, every))
    assert torch.equal(alone(query).ids[alone(query).mask], Uniform(graph)(query.child(1)).ids[alone(query).mask])
    softmax = IRGAN.from_graph(graph, temperature=1.0)
    torch.testing.assert_close(none.log_prob(query, every), softmax.log_prob(query, every))


def test_where_one_part_has_no_candidate_the_other_takes_its_share():
    graph = Graph.from_edge_index(torch.tensor([[3], [2]]), num_nodes=4)
    degree = Degree(graph)  # only 2 has a weight
    sampler = ACE(graph, degree, Adversary(4, 4, dim=3))
    query = Query(torch.tensor([0, 0]), torch.tensor([2, 1]), 2000, stream=Stream(0))
    chance = sampler.log_prob(query, torch.arange(4)[None]).exp()
    torch.testing.assert_close(chance.sum(1), torch.ones(2))
    assert chance[0, 2] == 0 and chance[1, 2] > 0.5
    drawn = sampler(query)
    assert drawn.mask.all() and not (drawn.ids[0] == 2).any() and float((drawn.ids[1] == 2).float().mean()) > 0.5
    check_distribution(sampler, Query(query.anchor, query.positive, 1, stream=query.stream), 4)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_gradient_is_the_exact_one_within_its_standard_error(share):
    sampler = over_all(share=share, entropy=0.0)
    tables = (sampler.adversary.anchor_table, sampler.adversary.candidate_table)
    chance = log_g(sampler).exp()
    exact = torch.autograd.grad(-(chance * SCORES).sum(), tables)

    def step(number):
        query = repeated(0, 1, 20, k=2, model=MODEL, stream=Stream(0, number))
        negatives = sampler(query)
        return sampler.loss(negatives, Feedback(negative_score=SCORES[negatives.ids]), query)

    check_gradient(step, tables, exact)


def test_the_baseline_is_self_critical():
    """Where every draw is the generator's likeliest, there is nothing to learn."""
    sampler = over_all(entropy=0.0)
    best = int(log_g(sampler).argmax())
    query = repeated(0, 1, 1, k=3, model=MODEL, stream=Stream(0))
    negatives = sampler(query)._replace(ids=torch.full((1, 3), best))
    assert sampler.loss(negatives, Feedback(negative_score=SCORES[negatives.ids]), query).item() == 0


def test_the_regulariser_holds_the_entropy_up_to_that_of_c_choices():
    sampler = over_all(choices=4.0, entropy=2.0)
    query = repeated(0, 1, 1, k=2, model=MODEL, stream=Stream(0))
    negatives = sampler(query)
    feedback = Feedback(negative_score=SCORES[negatives.ids])
    p = log_g(sampler).detach()[2:].exp()
    missing = math.log(4) + float((p * p.log()).sum())
    assert missing > 0
    whole = sampler.loss(negatives, feedback, query).item()
    sampler.entropy = 0.0
    assert whole == pytest.approx(sampler.loss(negatives, feedback, query).item() + 2 * missing, abs=1e-5)
    # a generator of four candidates is as spread as one choice whatever it does
    sampler.entropy, sampler.choices = 2.0, 1.0
    sampler.loss(negatives, feedback, query).backward()
    sampler.entropy = 0.0
    before = sampler.adversary.anchor_table.grad.clone()
    sampler.adversary.anchor_table.grad = None
    sampler.loss(negatives, feedback, query).backward()
    torch.testing.assert_close(before, sampler.adversary.anchor_table.grad)


def test_a_spread_generator_is_what_the_regulariser_alone_leads_to():
    sampler = over_all(choices=4.0, entropy=1.0)
    optimizer = torch.optim.Adam(sampler.parameters(), lr=0.05)
    query = repeated(0, 1, 1, k=2, model=Scores(torch.zeros(N, N)), stream=Stream(0))
    for _ in range(60):
        negatives = sampler(query)
        optimizer.zero_grad()
        sampler.loss(negatives, Feedback(negative_score=torch.zeros(1, 2)), query).backward()
        optimizer.step()
    torch.testing.assert_close(log_g(sampler)[2:].detach(), torch.full((4,), -math.log(4)), atol=0.1, rtol=0)


def test_pairs_without_candidates_give_a_finite_gradient():
    graph = Graph.from_edge_index(torch.tensor([[0, 0], [1, 2]]), num_nodes=3)
    sampler = ACE.from_graph(graph)
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 0]), 2, model=Scores(torch.zeros(3, 3)), stream=Stream(0))
    negatives = sampler(query)
    assert negatives.mask.tolist() == [[False] * 2, [True] * 2]
    sampler.loss(negatives, Feedback(negative_score=torch.ones(2, 2)), query).backward()
    assert torch.isfinite(sampler.adversary.candidate_table.grad).all()


def test_over_triples():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [1, 0, 2], [2, 1, 3]]))
    anchor, positive = facts.questions(torch.tensor([False, True, True]))
    negatives = ACE.from_graph(facts.known())(Query(anchor, positive, 8, stream=Stream(0)))
    assert negatives.mask.all() and not facts.known().has_edge(anchor, negatives.ids).any()


def test_refuses():
    for name, bad in (("share", 1.5), ("choices", 0.5), ("entropy", -1.0)):
        with pytest.raises(ValueError, match=f"{name} must be .*, got {bad}"):
            over_all(**{name: bad})
    with pytest.raises(ValueError, match="Hardest has density 'none'; the static part of ACE needs 'marginal'"):
        ACE(Graph.empty(N), Hardest.from_graph(Graph.empty(N)), Adversary(N, N))
    sampler, query = over_all(), repeated(0, 1, 1, k=2)
    with pytest.raises(ValueError, match="learns from the model's scores"):
        sampler.loss(sampler(query), Feedback(), query)
    with pytest.raises(ValueError, match="model=model"):
        sampler.loss(sampler(query), Feedback(negative_score=torch.zeros(1, 2)), query)


def test_a_static_part_whose_density_is_not_of_usable_slots_is_refused():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]]), num_nodes=6)
    for part in (InBatch(graph), Filtered(Uniform(Graph.empty(6)), graph)):
        with pytest.raises(ValueError, match=f"density of {type(part).__name__} is not that of a slot"):
            ACE(graph, part, Adversary.for_graph(graph))


def test_a_static_part_that_excludes_less_gives_a_finite_loss():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 0, 1], [1, 2, 3, 0]]), num_nodes=6)
    sampler = ACE(graph, Uniform(graph, exclude="self"), Adversary.for_graph(graph))
    query = Query(torch.tensor([0, 1]), torch.tensor([1, 0]), 50, Table(6), Stream(0))
    negatives = sampler(query)
    assert bool(((negatives.ids == 2) & negatives.mask)[0].any()), "the case is not there"
    loss = sampler.loss(negatives, Feedback(negative_score=torch.randn(2, 50)), query)
    loss.backward()
    assert loss.isfinite() and sampler.adversary.candidate_table.grad.isfinite().all()
