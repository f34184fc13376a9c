"""AdCo: its step against autograd, opposite to the encoder's; the bank's length, choice of slots and state."""

import pytest
import torch
from torch.nn.functional import normalize

from graphns import Graph, Query, Stream
from graphns.base import Feedback
from graphns.objectives.infonce import infonce
from graphns.samplers.adversarial.adco import AdCo
from graphns.scorers.table import TableModel

B, D = 5, 4


def unit_vectors(seed):
    return normalize(torch.randn(B, D, generator=torch.Generator().manual_seed(seed)), dim=1)


def query_of(k, seed=0):
    return Query(torch.arange(B), torch.arange(B) + 1, k, stream=Stream(seed))


@pytest.mark.parametrize("k", [8, 3])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_its_step_is_the_gradient_of_infonce_upwards(k, temperature):
    sampler = AdCo(6, D, size=8, rate=0.7, temperature=temperature)
    anchors, positives, query = unit_vectors(0), unit_vectors(1), query_of(k)
    negatives = sampler(query)
    free = negatives.vectors[0].clone().requires_grad_()
    scores = anchors @ free.T
    loss = infonce((anchors * positives).sum(1), scores, negatives.mask, temperature=temperature)
    slope = torch.autograd.grad(loss, free)[0]
    expected = normalize(free.detach() + 0.7 * slope, dim=1)
    sampler.update(query, negatives, Feedback(anchor_vectors=anchors, positive_vectors=positives))
    torch.testing.assert_close(sampler(query).vectors[0], expected)


def test_the_encoder_goes_down_where_the_bank_goes_up():
    """The same loss, one step each: the encoder's lowers it, the bank's raises it; their directions are opposite."""
    sampler = AdCo(6, D, size=8, rate=0.01, temperature=0.5)
    query, positives = query_of(8), unit_vectors(1)
    negatives = sampler(query)

    def loss(anchors, bank):
        return infonce((anchors * positives).sum(1), anchors @ bank.T, negatives.mask, temperature=0.5)

    anchors, bank = unit_vectors(0).requires_grad_(), sampler.bank.clone().requires_grad_()
    start = loss(anchors, bank)
    down, up = torch.autograd.grad(start, (anchors, bank))
    assert loss(anchors - 0.01 * down, bank).item() < start.item()
    sampler.update(query, negatives, Feedback(anchor_vectors=anchors, positive_vectors=positives))
    assert loss(anchors, sampler.bank).item() > start.item()
    move = sampler.bank - bank.detach()
    # what a descending bank would do is the exact opposite, up to the length that is taken off
    tangent = up - (up * bank).sum(1, keepdim=True) * bank
    torch.testing.assert_close(move / 0.01, tangent.detach(), rtol=0.05, atol=0.01)
    assert bool(((move * -tangent).sum(1) < 0).all())


def test_the_closed_form_by_a_plain_loop():
    sampler = AdCo(6, D, size=3, rate=2.0, temperature=0.3)
    anchors, bank = unit_vectors(0), sampler.bank.clone()
    query = query_of(3)
    sampler.update(query, sampler(query), Feedback(anchor_vectors=anchors))  # no positives: over the bank alone
    for slot in range(3):
        moved = bank[slot].clone()
        for q in anchors:
            p = (q @ bank[slot] / 0.3).exp() / sum((q @ n / 0.3).exp() for n in bank)
            moved += 2.0 * p * q / (0.3 * B)
        torch.testing.assert_close(sampler.bank[slot], moved / moved.norm())


def test_the_bank_stays_of_length_1_and_only_drawn_vectors_move():
    sampler = AdCo(6, D, size=10)
    query = query_of(4)
    before, drawn = sampler.bank.clone(), sampler._slots(query)
    torch.testing.assert_close(before.norm(dim=1), torch.ones(10))
    for _ in range(3):
        feedback = Feedback(anchor_vectors=unit_vectors(0), positive_vectors=unit_vectors(1))
        sampler.update(query, sampler(query), feedback)
    torch.testing.assert_close(sampler.bank.norm(dim=1), torch.ones(10))
    moved = (sampler.bank != before).any(1)
    assert sorted(drawn.tolist()) == moved.nonzero()[:, 0].tolist()
    sampler.update(query, sampler(query), Feedback())
    sampler.update(query, sampler(query), Feedback(positive_vectors=unit_vectors(0)))
    assert torch.equal((sampler.bank != before).any(1), moved)


def test_choice_of_slots_ids_and_masks():
    sampler = AdCo(3, D, size=5)
    few, all_, more = sampler(query_of(2)), sampler(query_of(5)), sampler(query_of(7))
    assert few.ids.shape == (1, 2) and few.mask.shape == (B, 2) and few.vectors.shape == (1, 2, D)
    assert few.mask.all() and few.log_prob is None
    assert torch.equal(all_.vectors[0], sampler.bank) and all_.ids.tolist() == [[0, 1, 2, 0, 1]]
    assert more.mask[0].tolist() == [True] * 5 + [False] * 2 and int(more.ids.max()) < 3
    assert not torch.equal(few.vectors, sampler(query_of(2, seed=1)).vectors)
    # each slot alike, over steps
    counts = torch.zeros(5)
    for step in range(500):
        counts[sampler._slots(query_of(2, seed=step))] += 1
    assert bool(((counts - 200).abs() < 4 * (500 * 0.4 * 0.6) ** 0.5).all())


def test_vectors_are_scored_by_the_models_door():
    sampler, query = AdCo(6, D, size=8), query_of(3)
    model = TableModel(unit_vectors(0), torch.zeros(6, D))
    negatives = sampler(query)
    expected = unit_vectors(0) @ negatives.vectors[0].T
    torch.testing.assert_close(model.score_vectors(query.anchor, negatives.vectors), expected)


def test_traits():
    sampler = AdCo.from_graph(Graph.empty((7, 9)), dim=D, size=4, seed=1)
    assert sampler.density == "none" and sampler.stateful and not sampler.model_aware
    assert sampler.num_candidates == 9 and sampler.bank.shape == (4, D)
    assert not torch.equal(sampler.bank, AdCo.from_graph(Graph.empty((7, 9)), dim=D, size=4, seed=2).bank)
    assert set(sampler.state_dict()) == {"bank"}


def test_refuses():
    for name in ("num_candidates", "dim", "size"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            AdCo(**{"num_candidates": 2, "dim": 2, name: 0})
    with pytest.raises(ValueError, match="rate must be above 0, got 0"):
        AdCo(2, 2, rate=0)
    with pytest.raises(ValueError, match="temperature must be above 0, got -1"):
        AdCo(2, 2, temperature=-1)
    sampler, query = AdCo(6, 3), query_of(2)
    for bad in ({"anchor_vectors": unit_vectors(0)},
                {"anchor_vectors": unit_vectors(0)[:, :3], "positive_vectors": unit_vectors(1)}):
        with pytest.raises(ValueError, match=r"_vectors \[5, 3\] for this bank, got \(5, 4\)"):
            sampler.update(query, sampler(query), Feedback(**bad))
