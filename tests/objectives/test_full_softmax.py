"""The full softmax: equal to torch's, in any blocks, with gradients; logQ over all candidates estimates it."""

from __future__ import annotations

import pytest
import torch

from graphns.objectives.full_softmax import full_softmax
from graphns.objectives.infonce import infonce
from graphns.objectives.sampled_softmax import sampled_softmax
from graphns.scorers.table import TableModel


def case(batch=5, n=11, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(batch, d, dtype=torch.float64, generator=generator).requires_grad_()
    table = torch.randn(n, d, dtype=torch.float64, generator=generator).requires_grad_()
    positive = torch.randint(n, (batch,), generator=generator)
    return queries, table, positive


def score_of(queries, table):
    return lambda ids: (queries[:, None] * table[ids]).sum(2)


@pytest.mark.parametrize("block", [None, 1, 4, 11, 50])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_equals_the_cross_entropy_with_gradients(block, temperature):
    queries, table, positive = case()
    ours = full_softmax(score_of(queries, table), positive, 11, temperature=temperature, block=block)
    theirs = torch.nn.functional.cross_entropy(queries @ table.T / temperature, positive)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(torch.autograd.grad(ours, (queries, table)), torch.autograd.grad(theirs, (queries, table)),
                          strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("block", [3, None])
def test_known_positives_may_be_left_out(block):
    queries, table, positive = case()
    known = torch.rand(5, 11, generator=torch.Generator().manual_seed(1)) < 0.4
    known[0] = True
    known.scatter_(1, positive[:, None], True)  # the positive itself stays, also where it is among the known
    got = full_softmax(score_of(queries, table), positive, 11, block=block, usable=lambda ids: ~known[:, ids[0]],
                       reduction="none")
    scores = (queries @ table.T).detach()
    for b in range(5):
        left = [i for i in range(11) if not known[b, i] or i == positive[b]]
        expected = -scores[b, left].log_softmax(0)[left.index(int(positive[b]))]
        torch.testing.assert_close(got[b].detach(), expected)
    assert got[0].item() == 0 and all(
        bool(torch.isfinite(g).all()) for g in torch.autograd.grad(got.sum(), (queries, table)))


def test_a_model_of_the_contract_fits():
    queries, table, positive = case()
    model = TableModel(queries.detach(), table.detach())
    anchor = torch.arange(5)
    got = full_softmax(lambda ids: model.score(anchor, ids), positive, 11, block=4)
    torch.testing.assert_close(got, torch.nn.functional.cross_entropy(queries @ table.T, positive).detach())


def test_only_a_block_is_held():
    """No more scores are saved for the backward pass than those of one block, and none is asked for more at once."""
    queries, table, positive = case(n=200)
    asked = []

    def score(ids):
        asked.append(ids.shape[1])
        return score_of(queries, table)(ids)

    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.numel()) or t, lambda t: t):
        loss = full_softmax(score, positive, 200, block=10)
    assert max(asked) == 10
    assert max(saved) <= max(5 * 10 * 3, 5 * 20)
    assert sum(saved) < 20 * 5 * 20
    loss.backward()
    assert len(asked) == 2 * 20  # every block twice


def test_gradients_by_finite_differences():
    queries, table, positive = case(batch=3, n=5, d=2)
    assert torch.autograd.gradcheck(lambda q, t: full_softmax(score_of(q, t), positive, 5, block=2), (queries, table))


def test_extreme_scores_stay_finite():
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], requires_grad=True)
    loss = full_softmax(lambda ids: scores[:, ids[0]], torch.tensor([0, 0]), 3, block=1)
    assert loss.item() == pytest.approx(1e4, rel=1e-3)
    assert bool(torch.isfinite(torch.autograd.grad(loss, scores)[0]).all())


@pytest.mark.parametrize("sign", [1, -1])
def test_logq_over_all_candidates_with_a_non_uniform_q_equals_it(sign):
    """Each candidate drawn n q times: corrected, the sampled softmax has the full one's sum; a flipped sign has not."""
    queries, table, _ = case(batch=1, n=5)
    scores = (queries @ table.T).detach()
    q = torch.tensor([0.0, 0.4, 0.1, 0.2, 0.3], dtype=torch.float64)  # of the negatives; the positive, 0, stays
    drawn = torch.arange(5).repeat_interleave((10 * q).round().long())[None]
    mask = torch.ones(1, 10, dtype=torch.bool)
    full = full_softmax(lambda ids: scores[:, ids[0]], torch.tensor([0]), 5)
    got = sampled_softmax(scores[:, 0], scores[0, drawn], mask, log_prob=sign * q.log()[drawn])
    if sign > 0:
        torch.testing.assert_close(got, full)
    else:
        assert abs(got.item() - full.item()) > 0.1


def test_logq_at_every_candidate_once_equals_it_where_positives_are_corrected_too():
    """Slots for all n items, each with K q = 1 on average: s - log(K q) with K q_j = 1 leaves the scores alone."""
    queries, table, positive = case()
    scores = (queries @ table.T).detach()
    ids = torch.arange(11).expand(5, -1)
    mask = ids != positive[:, None]
    got = infonce(scores.gather(1, positive[:, None])[:, 0], scores, mask,
                  log_prob=torch.full((5, 11), 1 / 10, dtype=torch.float64).log())
    torch.testing.assert_close(got, full_softmax(lambda ids: scores[:, ids[0]], positive, 11))


def test_refuses():
    queries, table, positive = case()
    score = score_of(queries, table)
    with pytest.raises(ValueError, match=r"need positive \[B\] int64"):
        full_softmax(score, positive.float(), 11)
    with pytest.raises(ValueError, match="candidates 0 to 2"):
        full_softmax(score, positive, 3)
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        full_softmax(score, positive, 11, temperature=0)
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        full_softmax(score, positive, 11, block=0)
    with pytest.raises(ValueError, match="reduction must be 'mean' or 'none', got 'sum'"):
        full_softmax(score, positive, 11, reduction="sum")
    with pytest.raises(ValueError, match=r"score gave \(5,\)"):
        full_softmax(lambda ids: torch.zeros(5), positive, 11)
    with pytest.raises(ValueError, match=r"usable gave torch\.float32"):
        full_softmax(score, positive, 11, usable=lambda ids: torch.ones(5, ids.shape[1]))
