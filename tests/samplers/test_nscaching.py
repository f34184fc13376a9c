"""NSCaching: frequencies of the renewal, uniform draws from the cache, both sides, and who has no cache."""

from itertools import permutations
from math import comb

import pytest
import torch

from graphns import Graph, Mixture, Query, Stream, Uniform
from graphns.graph.triples import Triples
from graphns.samplers.efficient.nscaching import NSCaching
from tests.samplers.distribution import ALPHA, NUM_NODES, SEEDS, check_distribution, chi_square, hub_graph, hub_query
from tests.samplers.toys import Scores

GRAPH = hub_graph()


class ByTail:
    """Scores that depend on the candidate alone."""

    def __init__(self, scores):
        self.scores = scores

    def score(self, anchor, ids):
        return self.scores[ids].expand(len(anchor), ids.shape[1])


def model_of(size=NUM_NODES):
    return Scores(torch.linspace(-2, 2, size * size)[torch.randperm(size * size, generator=torch.Generator()
                                                                   .manual_seed(0))].view(size, size))


def asked(k=4, step=0, model=None, **options):
    query = hub_query(k)
    return Query(query.anchor, query.positive, k, model=model or model_of(), stream=Stream(0, step), **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_renewal_keeps_n1_without_replacement_by_exp_score(seed):
    """20,000 caches of 2 over 5 candidates, all of them in the union: every ordered pair by its exact probability."""
    rows, scores = 20_000, torch.tensor([0.0, 1.5, -1.0, 0.7, 0.2])
    sampler = NSCaching(Graph.empty((rows, 5)), size=2, fresh=5, seed=seed)
    query = Query(torch.arange(rows), torch.full((rows,), -1), 1, model=ByTail(scores), stream=Stream(seed, 1))
    sampler.update(query, sampler(query))
    cache = sampler.cache.long()
    counts = torch.bincount(cache[:, 0] * 5 + cache[:, 1], minlength=25)
    weight = scores.double().exp()
    pairs = list(permutations(range(5), 2))
    chance = torch.tensor([weight[a] / weight.sum() * weight[b] / (weight.sum() - weight[a]) for a, b in pairs])
    assert int(counts.sum()) == sum(int(counts[a * 5 + b]) for a, b in pairs)  # nothing twice
    assert chi_square(torch.stack([counts[a * 5 + b] for a, b in pairs]), chance) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_candidates_compete_alike(seed):
    """With equal scores the union is chosen from uniformly: a fresh candidate has no more chance than another."""
    rows = 20_000
    sampler = NSCaching(Graph.empty((rows, 40)), size=3, fresh=3, seed=seed)
    before = sampler.cache.long()
    query = Query(torch.arange(rows), torch.full((rows,), -1), 1, model=ByTail(torch.zeros(40)), stream=Stream(seed, 1))
    sampler.update(query, sampler(query))
    kept = (sampler.cache[:, :, None] == before[:, None, :]).any(2).sum(1)
    # of 3 fresh of 40, h hit the cache; then 3 of 6 - h are kept: 9 / (6 - h) old ones in the mean
    mean = sum(comb(3, h) * comb(37, 3 - h) / comb(40, 3) * 9 / (6 - h) for h in range(4))
    assert kept.double().mean().item() == pytest.approx(mean, abs=0.03)
    counts = torch.bincount(sampler.cache.flatten().long(), minlength=40)
    assert chi_square(counts, torch.full((40,), 1 / 40)) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_draws_are_uniform_over_the_usable_cache(exclude):
    sampler = NSCaching(GRAPH, size=4, fresh=4, exclude=exclude)
    for step in range(5):
        sampler.update(asked(step=step), sampler(asked(step=step)))
    check_distribution(sampler, asked(), NUM_NODES, seeds=SEEDS, k=4000)
    log_prob = sampler.log_prob(asked(), torch.arange(NUM_NODES)[None])
    query = asked()
    for b in range(query.batch_size):
        held = {int(i) for i in sampler.cache[query.anchor[b]] if i >= 0}
        banned = {int(query.anchor[b]), int(query.positive[b])}
        if exclude == "neighbors":
            banned |= set(GRAPH.neighbors(int(query.anchor[b])).tolist())
        assert set(torch.isfinite(log_prob[b]).nonzero().flatten().tolist()) == held - banned


def test_caches_drift_to_high_scores():
    scores = torch.arange(1000).float() / 30
    sampler = NSCaching(Graph.empty((3, 1000)), size=10, fresh=50)
    means = []
    for step in range(40):
        query = Query(torch.arange(3), torch.tensor([0, 1, 2]), 5, model=ByTail(scores), stream=Stream(0, step))
        means.append(sampler.cache.double().mean().item())
        sampler.update(query, sampler(query))
    assert means[0] < 600 and means[-1] > 950


def test_caches_hold_distinct_candidates_and_no_known_positive():
    sampler = NSCaching(GRAPH, size=6, fresh=9)
    for step in range(10):
        for node in range(NUM_NODES):
            held = sampler.cache[node][sampler.cache[node] >= 0]
            assert len(held.unique()) == len(held)
            assert not set(held.tolist()) & {node, *GRAPH.neighbors(node).tolist()}
        sampler.update(asked(step=step), sampler(asked(step=step)))
    # all but two known: the cache holds what there is, then empty slots
    assert int((sampler.cache[1] >= 0).sum()) == 1 and int(sampler.cache[1].max()) == 2


def test_heads_and_tails_have_caches_of_their_own():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 1, 2]]), num_entities=12)
    known = facts.known()
    sampler = NSCaching(known, size=4, fresh=4)
    assert sampler.cache.shape == (known.num_src, 4)
    before = sampler.cache.clone()
    tails = torch.tensor([[0, 0], [3, 1]])
    query = Query(tails, torch.tensor([1, 2]), 3, model=ByTail(torch.arange(12).float()), stream=Stream(0))
    negatives = sampler(query)
    assert bool((negatives.ids[:, :, None] == before[known.rows(tails)].long()[:, None]).any(2).all())
    sampler.update(query, negatives)
    renewed = set((sampler.cache != before).any(1).nonzero().flatten().tolist())
    assert renewed and renewed <= set(known.rows(tails).tolist())  # the heads' caches stay
    heads = torch.tensor([[2, 0 + 2], [2, 1 + 2]])  # who has 2 as a tail? R = 2
    query = Query(heads, torch.tensor([0, 3]), 3, model=ByTail(torch.arange(12).float()), stream=Stream(1))
    tail_caches = sampler.cache[known.rows(tails)].clone()
    sampler.update(query, sampler(query))
    assert torch.equal(sampler.cache[known.rows(tails)], tail_caches)


def test_an_anchor_never_seen_gets_uniform_negatives():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [3, 1, 2]]), num_entities=12)
    sampler = NSCaching(facts.known(), size=3, fresh=3)
    anchor, positive = torch.tensor([[0, 0], [7, 1]]), torch.tensor([1, 2])
    query = Query(anchor, positive, 5, model=ByTail(torch.zeros(12)), stream=Stream(0))
    assert torch.equal(sampler(query).ids[1], Uniform(facts.known())(query).ids[1])
    check_distribution(sampler, query, 12, seeds=(0,), k=4000)
    before = sampler.cache.clone()
    alone = Query(anchor[1:], positive[1:], 5, model=ByTail(torch.zeros(12)), stream=Stream(0))
    sampler.update(alone, sampler(alone))
    assert torch.equal(sampler.cache, before)


def test_of_pairs_that_share_an_anchor_the_first_renews():
    graph = Graph.empty((2, 50))
    model = ByTail(torch.arange(50).float())
    one, both = NSCaching(graph, size=5), NSCaching(graph, size=5)
    rows = torch.tensor([4, 9, 7])
    query = Query(torch.tensor([1, 1, 0]), torch.tensor([3, 4, 5]), 2, model=model, stream=Stream(0), row=rows)
    both.update(query, both(query))
    for at in ([0], [2]):
        part = Query(query.anchor[at], query.positive[at], 2, model=model, stream=Stream(0), row=rows[at])
        one.update(part, one(part))
    assert torch.equal(one.cache, both.cache)


def test_lazy_leaves_epochs_out():
    sampler = NSCaching(GRAPH, lazy=2)
    before = sampler.cache.clone()
    for epoch in (1, 2):
        sampler.update(asked(epoch=epoch), sampler(asked(epoch=epoch)))
        assert torch.equal(sampler.cache, before)
    sampler.update(asked(epoch=3), sampler(asked(epoch=3)))
    assert not torch.equal(sampler.cache, before)


def test_mixed_with_uniform_it_has_a_density_everywhere():
    sampler = Mixture([NSCaching(GRAPH, size=3), Uniform(GRAPH)])
    assert sampler.density == "marginal"
    check_distribution(sampler, asked(), NUM_NODES, seeds=(0,), k=4000)


def test_refuses():
    for options, message in (({"size": 0}, "size must be at least 1, got 0"),
                             ({"fresh": 0}, "fresh must be at least 1, got 0"),
                             ({"lazy": -1}, "lazy must be at least 0, got -1")):
        with pytest.raises(ValueError, match=message):
            NSCaching(GRAPH, **options)
    with pytest.raises(ValueError, match="model=model"):
        NSCaching(GRAPH)(hub_query(2))
    sampler, broken = NSCaching(GRAPH), ByTail(torch.full((NUM_NODES,), torch.nan))
    with pytest.raises(ValueError, match="NaN or infinite"):
        sampler.update(asked(model=broken), sampler(asked()))
