"""SimKGC's pre-batch negatives: order past the wrap, the weight on the scores, masks by known triples."""

import pytest
import torch

from graphns import Feedback, Graph, Query, Stream
from graphns.graph.triples import Triples
from graphns.samplers.efficient.prebatch import PreBatch
from tests.samplers.queues import NUM, POSITIVES, continues_bit_for_bit, query_at, teach, vectors_at


def test_the_last_batches_in_order_past_the_wrap():
    sampler = PreBatch(Graph.empty((3, NUM)), size=6, weight=1.0)
    for step in range(5):
        teach(sampler, range(step, step + 1))
        stored = min(3 * step + 3, 6)
        negatives = sampler(query_at(step, k=6))
        assert negatives.ids[0, :stored].tolist() == POSITIVES[: step + 1].flatten()[-6:].tolist()
        expected = torch.cat([vectors_at(s) for s in range(step + 1)])[-6:]
        assert torch.equal(negatives.vectors[0, :stored], expected)


def test_the_weight_multiplies_the_scores():
    queries = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    whole, half = PreBatch(Graph.empty((3, NUM)), size=3, weight=1.0), PreBatch(Graph.empty((3, NUM)), size=3)
    for sampler in (whole, half):
        teach(sampler, range(2))
    one, other = (queries @ sampler(query_at(2, k=3)).vectors[0].T for sampler in (whole, half))
    torch.testing.assert_close(other, 0.5 * one)


def test_known_triples_are_masked_on_the_side_that_is_asked():
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [3, 0, 2]]))
    sampler = PreBatch(facts.known(), size=2)
    first = Query(torch.tensor([[0, 0], [0, 0]]), torch.tensor([1, 2]), 2, stream=Stream(0))
    sampler.update(first, sampler(first), Feedback(positive_vectors=torch.ones(2, 3)))
    asked = Query(torch.tensor([[3, 0], [1, 1], [0, 0]]), torch.tensor([2, 0, 2]), 2, stream=Stream(0))
    assert sampler(asked).ids.tolist() == [[1, 2]]
    assert sampler(asked).mask.tolist() == [[True, False], [True, True], [False, False]]


def test_state_dict_continues_bit_for_bit():
    continues_bit_for_bit(PreBatch(Graph.empty(NUM), size=7), PreBatch(Graph.empty(NUM), size=7), wrap=4)


def test_before_the_first_step_everything_is_masked():
    sampler = PreBatch(Graph.empty(NUM))
    assert not sampler(query_at(0)).mask.any()
    sampler.update(query_at(0), sampler(query_at(0)))
    assert not sampler(query_at(0)).mask.any()


def test_refuses():
    for weight in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="weight must be a finite number above 0"):
            PreBatch(Graph.empty(NUM), weight=weight)
