"""XBM's memory: past the wrap in order, anchors and positives, the late start."""

import pytest
import torch

from graphns import Feedback, Graph
from graphns.samplers.efficient.xbm import XBM
from tests.samplers.queues import NUM, POSITIVES, continues_bit_for_bit, query_at, teach, vectors_at


@pytest.mark.parametrize("size", [4, 6, 7, 100])
def test_past_the_wrap_the_last_are_there_in_order(size):
    """Also where the size is no multiple of what a step writes, and where one step is wider than it."""
    sampler = XBM(Graph.empty(NUM), size=size)
    written, vectors = [], []
    for step in range(5):
        teach(sampler, range(step, step + 1), anchors=True)
        written += [0, 1, 2, *POSITIVES[step].tolist()]
        vectors += [*vectors_at(step, -1).tolist(), *vectors_at(step).tolist()]
        negatives = sampler(query_at(step, k=size))
        stored = min(len(written), size)
        assert negatives.ids[0, :stored].tolist() == written[-size:]
        assert negatives.vectors[0, :stored].tolist() == vectors[-size:]


def test_node_0_is_masked_for_what_it_is_and_not_for_its_number():
    """The paper's code takes label 0 for an empty slot."""
    sampler = XBM(Graph.empty(NUM), size=6)
    assert not sampler(query_at(0, k=6)).mask.any()
    teach(sampler, range(1), anchors=True)
    negatives = sampler(query_at(0, k=6))  # 0 1 2 | 5 6 7, asked by (0, 5) (1, 6) (2, 7)
    assert negatives.mask.tolist() == [[False, True, True, False, True, True], [True, False, True, True, False, True],
                                       [True, True, False, True, True, False]]


def test_users_are_no_candidates_and_are_not_written():
    sampler = XBM(Graph.empty((3, NUM)), size=6)
    teach(sampler, range(1), anchors=True)
    assert sampler(query_at(0, k=6)).ids[0, :3].tolist() == [5, 6, 7] and int(sampler.memory.num_written) == 3


def test_vectors_are_kept_as_they_were():
    sampler = XBM(Graph.empty(NUM), size=3)
    teach(sampler, range(1))
    assert sampler(query_at(1, k=3)).vectors[0].tolist() == vectors_at(0).tolist()


def test_nothing_is_written_before_start():
    sampler = XBM(Graph.empty(NUM), size=6, start=2)
    teach(sampler, range(2))
    assert int(sampler.memory.num_written) == 0
    teach(sampler, range(2, 3))
    assert sampler(query_at(0, k=6)).ids[0, :3].tolist() == POSITIVES[2].tolist()


def test_a_step_without_vectors_counts_and_writes_nothing():
    sampler = XBM(Graph.empty(NUM), size=6, start=1)
    sampler.update(query_at(0), sampler(query_at(0)))
    assert int(sampler.num_steps) == 1
    sampler.update(query_at(1), sampler(query_at(1)), Feedback(anchor_vectors=vectors_at(1)))
    assert sampler.memory.ids[:3].tolist() == [0, 1, 2] and int(sampler.memory.num_written) == 3


def test_state_dict_continues_bit_for_bit():
    continues_bit_for_bit(XBM(Graph.empty(NUM), size=7, start=1), XBM(Graph.empty(NUM), size=7, start=1), wrap=4)


def test_sides_of_two_widths_are_refused_and_nothing_is_written():
    sampler = XBM(Graph.empty(NUM), size=7)
    with pytest.raises(ValueError, match=r"must have one shape \[B, d\], got \[\(3, 4\), \(3, 5\)\]"):
        sampler.update(query_at(0), sampler(query_at(0)), Feedback(anchor_vectors=torch.ones(3, 4),
                                                                    positive_vectors=torch.ones(3, 5)))
    assert int(sampler.num_steps) == 0 and int(sampler.memory.num_written) == 0


def test_refuses():
    with pytest.raises(ValueError, match="start must be at least 0, got -1"):
        XBM(Graph.empty(NUM), start=-1)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        XBM(Graph.empty(NUM), size=0)
