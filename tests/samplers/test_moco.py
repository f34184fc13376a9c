"""MoCo's queue: first in, first out past the wrap, unit keys, masks by the ids of the keys."""

import pytest
import torch
from torch.nn.functional import normalize

from graphns import Feedback, Graph, Mixture, Query, Stream, Uniform
from graphns.samplers.efficient.moco import MoCo
from tests.samplers.queues import NUM, POSITIVES, continues_bit_for_bit, query_at, teach, vectors_at


def test_first_in_first_out_past_the_wrap():
    sampler = MoCo(Graph.empty((3, NUM)), size=7)
    for step in range(5):
        teach(sampler, range(step, step + 1))
        written = POSITIVES[: step + 1].flatten()
        keys = normalize(torch.cat([vectors_at(s) for s in range(step + 1)]), dim=1)
        negatives = sampler(query_at(step, k=7))
        stored = min(len(written), 7)
        assert negatives.ids[0, :stored].tolist() == written[-7:].tolist()
        torch.testing.assert_close(negatives.vectors[0, :stored], keys[-7:])
        assert not negatives.mask[:, stored:].any() and not negatives.vectors[0, stored:].any()


def test_keys_have_length_1_and_are_shared():
    sampler = MoCo(Graph.empty((3, NUM)), size=6)
    teach(sampler, range(4))
    negatives = sampler(query_at(4, k=3))
    assert negatives.ids.shape == (1, 3) and negatives.vectors.shape == (1, 3, 2) and negatives.log_prob is None
    torch.testing.assert_close(negatives.vectors.norm(dim=2), torch.ones(1, 3))


def test_known_positives_the_positive_and_the_anchor_are_masked_by_id():
    graph = Graph.from_edge_index(torch.tensor([[0, 1], [6, 5]]), num_nodes=NUM)
    sampler = MoCo(graph, size=3)
    sampler.update(query_at(0), sampler(query_at(0)), Feedback(positive_vectors=torch.ones(3, 2)))
    query = Query(torch.tensor([0, 1, 7]), torch.tensor([5, 8, 2]), 3, stream=Stream(0))
    assert sampler(query).ids.tolist() == [[5, 6, 7]]
    assert sampler(query).mask.tolist() == [[False, False, True], [False, True, True], [True, True, False]]
    own = MoCo(graph, size=3, exclude="self")
    own.update(query_at(0), own(query_at(0)), Feedback(positive_vectors=torch.ones(3, 2)))
    assert own(query).mask[0].tolist() == [False, True, True]


def test_before_the_first_key_everything_is_masked():
    for sampler, width in ((MoCo(Graph.empty(NUM)), 0), (MoCo(Graph.empty(NUM), dim=2), 2)):
        negatives = sampler(query_at(0))
        assert not negatives.mask.any() and negatives.vectors.shape == (1, 4, width)
        sampler.update(query_at(0), negatives)  # a step without vectors teaches nothing
        assert not sampler(query_at(0)).mask.any()


def test_state_dict_continues_bit_for_bit():
    continues_bit_for_bit(MoCo(Graph.empty(NUM), size=7), MoCo(Graph.empty(NUM), size=7), wrap=4)


def test_keys_train_against_a_slow_encoder():
    """The paper's loop on a toy: two linear maps, the second following the first."""
    torch.manual_seed(0)
    inputs = torch.randn(NUM, 3)
    fast, slow = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
    slow.load_state_dict(fast.state_dict())
    sampler = MoCo(Graph.empty(NUM), size=6)
    for step in range(3):
        query = query_at(step, k=6)
        negatives = sampler(query)
        with torch.no_grad():
            keys = slow(inputs[query.positive])
        if bool(negatives.mask.any()):
            scores = normalize(fast(inputs[query.anchor]), dim=1) @ negatives.vectors[0].T
            scores.masked_fill(~negatives.mask, 0.0).sum().backward()
        sampler.update(query, negatives, Feedback(positive_vectors=keys))
        with torch.no_grad():
            for moving, trained in zip(slow.parameters(), fast.parameters(), strict=True):
                moving.lerp_(trained, 1 - 0.999)
    assert fast.weight.grad is not None and slow.weight.grad is None


def test_refuses():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        MoCo(Graph.empty(NUM), size=0)
    with pytest.raises(ValueError, match="MoCo draws pairs or vectors"):
        Mixture([Uniform(Graph.empty(NUM)), MoCo(Graph.empty(NUM))])(query_at(0))
    with pytest.raises(TypeError, match="density 'none'"):
        MoCo(Graph.empty(NUM)).log_prob(query_at(0), torch.tensor([[1]]))
