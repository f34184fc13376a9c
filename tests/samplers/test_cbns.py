"""CBNS: past the wrap, and the popularity of what is stored, over batches and in an objective."""

import pytest
import torch

from graphns import Feedback, Graph, InBatch, Query, Stream
from graphns.objectives.correction import correction
from graphns.objectives.infonce import infonce
from graphns.samplers.efficient.cbns import CBNS
from graphns.samplers.efficient.frequency import Frequency
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.queues import NUM, POSITIVES, continues_bit_for_bit, query_at, teach, vectors_at

EDGES = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 5], [3, 4, 3, 3, 4, 0, 3, 1]])
GRAPH = Graph.from_edge_index(EDGES, num_nodes=(6, 6))


def test_past_the_wrap_the_last_are_there_with_their_shares():
    graph = Graph.from_edge_index(torch.stack([torch.arange(3).repeat(5), POSITIVES.flatten()]), num_nodes=(3, NUM))
    sampler = CBNS(graph, size=7)
    teach(sampler, range(5))
    negatives = sampler(query_at(5, k=9))
    assert negatives.ids[0, :7].tolist() == POSITIVES.flatten()[-7:].tolist()
    assert negatives.vectors[0, :7].tolist() == torch.cat([vectors_at(s) for s in range(5)])[-7:].tolist()
    share = graph.in_degree / graph.num_edges
    torch.testing.assert_close(negatives.log_prob[0, :7].exp(), share[negatives.ids[0, :7]])
    assert negatives.log_prob[0, 7:].tolist() == [0.0, 0.0] and not negatives.mask[:, 7:].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_over_the_loaders_batches_what_is_stored_follows_the_density(seed):
    sampler = CBNS(GRAPH, size=5)
    generator = torch.Generator().manual_seed(seed)
    counts = torch.zeros(6, dtype=torch.int64)
    for step in range(1500):
        anchor, positive = EDGES[:, torch.randint(EDGES.shape[1], (5,), generator=generator)]
        query = Query(anchor, positive, 2, stream=Stream(seed, step))
        if step:
            counts += torch.bincount(sampler(query).ids[0], minlength=6)
        sampler.update(query, sampler(query), Feedback(positive_vectors=torch.ones(5, 2)))
    log_prob = sampler.log_prob(Query(EDGES[0], EDGES[1], 2), torch.arange(6)[None])[0]
    some = log_prob > -torch.inf
    assert log_prob.exp().sum().item() == pytest.approx(1) and int(counts[~some].sum()) == 0
    assert chi_square(counts[some], log_prob.exp()[some]) > ALPHA / len(SEEDS)


def test_batch_and_memory_make_one_corrected_softmax():
    query = Query(*EDGES[:, [0, 2, 5]], 3, stream=Stream(0))
    batch, memory = InBatch(GRAPH), CBNS(GRAPH, size=6)
    vectors = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    memory.update(query, memory(query), Feedback(positive_vectors=vectors))
    now, past = batch(query), memory(query)
    mask, log_prob = torch.cat([now.mask, past.mask], 1), torch.cat([now.log_prob, past.log_prob], 1)
    score, positive = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)), torch.zeros(3)
    own = correction(memory, query, past)["positive_log_prob"]
    loss = infonce(positive, score, mask, log_prob=log_prob, positive_log_prob=own, reduction="none")
    for b in range(3):
        k = int(mask[b].sum())
        terms = [float(torch.exp(score[b, j] - log_prob[0, j]) / k) for j in range(6) if mask[b, j]]
        first = float(torch.exp(-own[b]) / k)
        expected = torch.tensor(1 + sum(terms) / first).log()
        torch.testing.assert_close(loss[b], expected.float(), atol=1e-5, rtol=1e-5)


def test_a_learned_popularity():
    learned = Frequency(GRAPH, rate=0.5)
    sampler = CBNS(GRAPH, size=4, popularity=learned)
    query = Query(*EDGES[:, [0, 2]], 4, stream=Stream(0))
    for _ in range(3):
        sampler.update(query, sampler(query), Feedback(positive_vectors=torch.ones(2, 3)))
    assert int(learned.num_steps) == 3
    torch.testing.assert_close(sampler(query).log_prob, learned.log_share(torch.tensor([[3, 3, 3, 3]])))


def test_before_the_first_step_everything_is_masked():
    negatives = CBNS(GRAPH)(Query(*EDGES[:, [0, 2]], 4, stream=Stream(0)))
    assert not negatives.mask.any() and not negatives.log_prob.any()


def test_state_dict_continues_bit_for_bit():
    continues_bit_for_bit(CBNS(Graph.empty(NUM), size=7), CBNS(Graph.empty(NUM), size=7), wrap=4)


def test_refuses():
    with pytest.raises(ValueError, match="popularity must be one of"):
        CBNS(GRAPH, popularity="degree")
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        CBNS(GRAPH, size=0)
