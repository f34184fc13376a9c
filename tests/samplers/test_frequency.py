"""The streaming estimate: step by step against a plain loop, its limits, hashing, and inside other samplers."""

import io
from collections import defaultdict

import pytest
import torch

from graphns import Graph, InBatch, Mixture, Query, Stream, Uniform
from graphns.samplers.efficient.chunk_shared import ChunkShared
from graphns.samplers.efficient.frequency import Frequency
from graphns.samplers.efficient.mixed import Mixed
from tests.samplers.distribution import SEEDS


def teach(sampler, batches, first=0):
    for step, positive in enumerate(batches, first):
        positive = torch.as_tensor(positive)
        query = Query(torch.zeros_like(positive), positive, 2, stream=Stream(0, step))
        sampler.update(query, sampler(query))


def drawn_batches(seed, steps, size, weights):
    generator = torch.Generator().manual_seed(seed)
    return torch.multinomial(weights, steps * size, replacement=True, generator=generator).view(steps, size)


def test_each_step_is_the_papers():
    rate, initial = 0.2, 7.0
    batches = drawn_batches(0, 60, 4, torch.tensor([5.0, 1, 1, 2, 0.1]))
    sampler = Frequency(Graph.empty((1, 5)), rate=rate, initial=initial)
    teach(sampler, batches)
    last, interval = defaultdict(int), defaultdict(lambda: initial)
    for t, batch in enumerate(batches.tolist(), 1):
        for item in set(batch):  # an item twice in a batch is seen once
            interval[item] = (1 - rate) * interval[item] + rate * (t - last[item])
            last[item] = t
    expected = torch.tensor([interval[i] for i in range(5)], dtype=torch.float64)
    torch.testing.assert_close(sampler.interval, expected)
    assert sampler.last_seen.tolist() == [last[i] for i in range(5)] and int(sampler.num_steps) == 60
    share = (1 / expected) / (1 / expected).sum()
    torch.testing.assert_close(sampler.log_share(torch.arange(5)).exp().double(), share, atol=1e-6, rtol=1e-6)


def test_with_rate_1_it_is_the_last_gap():
    sampler = Frequency(Graph.empty((1, 4)), rate=1.0)
    teach(sampler, [[0, 1], [0, 2], [0, 0], [0, 1], [0, 3]])
    assert sampler.interval.tolist() == [1.0, 3.0, 2.0, 5.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_the_loaders_popularity(seed):
    weights = torch.tensor([8.0, 4, 2, 1, 1]) / 16
    sampler = Frequency(Graph.empty((1, 5)), rate=0.01)
    teach(sampler, drawn_batches(seed, 4000, 1, weights))  # one pair a batch: 1 / interval is the share itself
    torch.testing.assert_close(sampler.log_share(torch.arange(5)).exp(), weights, atol=0.04, rtol=0.2)


def test_it_follows_popularity_that_changes():
    sampler = Frequency(Graph.empty((1, 2)), rate=0.05)
    teach(sampler, drawn_batches(0, 300, 1, torch.tensor([0.9, 0.1])))
    before = sampler.log_share(torch.arange(2)).exp()
    teach(sampler, drawn_batches(1, 1000, 1, torch.tensor([0.1, 0.9])), first=300)
    after = sampler.log_share(torch.arange(2)).exp()
    assert before[0] > 0.7 and after[1] > 0.7


def test_hashed_buckets_collide_and_more_hashes_help():
    graph = Graph.empty((1, 200))
    weights = torch.arange(1, 201).double()
    batches = drawn_batches(0, 3000, 8, weights)
    exact, errors = weights / weights.sum(), []
    for options in ({"num_buckets": 100}, {"num_buckets": 100, "num_hashes": 4}, {}):
        sampler = Frequency(graph, rate=0.02, **options)
        teach(sampler, batches)
        share = sampler.log_share(torch.arange(200)).exp().double()
        assert share.sum().item() == pytest.approx(1, abs=1e-5)
        errors.append((share - exact).abs().sum().item())
    assert errors[1] < errors[0] and errors[2] < errors[0]
    hashed = Frequency(graph, num_buckets=7, num_hashes=3)
    buckets = hashed._buckets(torch.arange(200))
    assert all(set(part.tolist()) == set(range(7 * i, 7 * i + 7)) for i, part in enumerate(buckets))


def test_it_draws_as_in_batch_does_and_may_be_its_popularity():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2], [3, 4, 3]]), num_nodes=5)
    query = Query(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 3]), k=5, stream=Stream(0))
    learned = Frequency(graph, rate=0.5)
    around = InBatch(graph, popularity=learned)
    assert around.stateful and not InBatch(graph).stateful
    before = around.log_prob(query, torch.arange(5)[None])
    torch.testing.assert_close(before.exp(), torch.full((3, 5), 0.2))
    around.update(query, around(query))  # teaches the one inside
    assert int(learned.num_steps) == 1
    one, other = around(query), learned(query)
    assert all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))
    assert one.log_prob[0, 3:].tolist() == [0.0, 0.0]
    assert around.log_prob(query, torch.tensor([[3]]))[0] > before[0, 3]


@pytest.mark.parametrize("cls", [Mixed, ChunkShared])
def test_it_is_the_popularity_of_mixed_negatives_too(cls):
    learned = Frequency(Graph.empty((1, 4)), rate=0.5)
    sampler = cls(Graph.empty((1, 4)), popularity=learned)
    teach(sampler, [[0, 1], [0, 1], [0, 2]])
    query = Query(torch.zeros(2, dtype=torch.int64), torch.tensor([0, 1]), 4, stream=Stream(0))
    expected = 0.5 * learned.log_share(torch.arange(4)).exp() + 0.125
    torch.testing.assert_close(sampler.log_prob(query, torch.arange(4)[None])[0].exp(), expected)


def test_inside_two_parts_of_a_mixture_a_step_is_counted_once():
    graph = Graph.empty(5)
    learned = Frequency(graph)
    sampler = Mixture([InBatch(graph, popularity=learned), InBatch(graph, popularity=learned), Uniform(graph)])
    query = Query(torch.tensor([0, 1]), torch.tensor([2, 3]), 2, stream=Stream(0))
    sampler.update(query, sampler(query))
    assert int(learned.num_steps) == 1


def test_state_dict_continues_bit_for_bit():
    batches = drawn_batches(3, 40, 3, torch.ones(6))
    first = Frequency(Graph.empty((1, 6)), num_buckets=4, num_hashes=2)
    teach(first, batches[:20])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = Frequency(Graph.empty((1, 6)), num_buckets=4, num_hashes=2)
    second.load_state_dict(torch.load(file, weights_only=True))
    for sampler in (first, second):
        teach(sampler, batches[20:])
    assert torch.equal(first.log_share(torch.arange(6)), second.log_share(torch.arange(6)))


def test_refuses():
    graph = Graph.empty(4)
    for options, message in (({"rate": 0.0}, r"rate must be in \(0, 1\], got 0.0"), ({"rate": 1.5}, "got 1.5"),
                             ({"initial": 0.5}, "initial must be a number of steps, at least 1, got 0.5"),
                             ({"num_buckets": 0}, "num_buckets must be at least 1, got 0"),
                             ({"num_hashes": 0}, "num_hashes must be at least 1, got 0")):
        with pytest.raises(ValueError, match=message):
            Frequency(graph, **options)
