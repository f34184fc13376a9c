"""MixGCF: positive mixing and hop mixing, against the plain form that mixes every candidate."""

from __future__ import annotations

import pytest
import torch

from graphns.mixers.hardest import coefficients
from graphns.mixers.mixgcf import MixGCF
from graphns.streams import Stream

BATCH, SIZE, LAYERS, WIDTH = 4, 6, 3, 2


def case(shared=False, layers=LAYERS):
    generator = torch.Generator().manual_seed(0)
    anchor = torch.randn(BATCH, layers, WIDTH, dtype=torch.float64, generator=generator)
    positive = torch.randn(BATCH, layers, WIDTH, dtype=torch.float64, generator=generator)
    candidates = torch.randn(1 if shared else BATCH, SIZE, layers, WIDTH, dtype=torch.float64, generator=generator)
    mask = torch.rand(BATCH, SIZE, generator=generator) < 0.7
    mask[0] = True
    return anchor, positive, candidates, mask


def plain(anchor, positive, candidates, mask, k, pooling, stream):
    """As the paper writes it: mix every candidate at every layer, score the mixtures, take the best of each layer."""
    layers = positive.shape[1]
    share = coefficients(stream, torch.arange(BATCH), k * layers, torch.float64).view(BATCH, k, layers)
    rows = []
    for b in range(BATCH):
        slots = []
        for g in range(k):
            group = range(g * SIZE // k, (g + 1) * SIZE // k)
            group = [j for j in group if mask[b, j]] or [j for j in range(SIZE) if mask[b, j]]
            parts = []
            for layer in range(layers):
                u = {"mean": anchor[b].mean(0), "sum": anchor[b].sum(0), "concat": anchor[b, layer]}[pooling]
                a = share[b, g, layer]
                mixed = [a * positive[b, layer] + (1 - a) * candidates[b if len(candidates) > 1 else 0, j, layer]
                         for j in group]
                parts.append(max(mixed, key=lambda v: float(u @ v)))
            together = torch.stack(parts)
            slots.append({"mean": together.mean(0), "sum": together.sum(0), "concat": together.flatten()}[pooling])
        rows.append(torch.stack(slots))
    return torch.stack(rows)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "sum", "concat"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_mixing_every_candidate(k, pooling, shared):
    anchor, positive, candidates, mask = case(shared)
    got = MixGCF(k, pooling)(anchor, positive, candidates, mask=mask, stream=Stream(5))
    torch.testing.assert_close(got, plain(anchor, positive, candidates, mask, k, pooling, Stream(5)))


def test_a_pooled_anchor_is_the_same_question():
    anchor, positive, candidates, _ = case()
    mixer = MixGCF()
    assert torch.equal(mixer(anchor, positive, candidates, stream=Stream(0)),
                       mixer(anchor.mean(1), positive, candidates, stream=Stream(0)))


def test_one_layer_needs_no_axis():
    anchor, positive, candidates, mask = case(layers=1)
    for pooling in ("mean", "concat"):
        mixer = MixGCF(2, pooling)
        assert torch.equal(
            mixer(anchor[:, 0], positive[:, 0], candidates[:, :, 0], mask=mask, stream=Stream(0)),
            mixer(anchor, positive, candidates, mask=mask, stream=Stream(0)))


def test_layers_may_come_from_different_candidates():
    anchor = torch.ones(1, 2, 1)
    candidates = torch.tensor([[[[5.0], [0.0]], [[0.0], [7.0]]]])  # 0 leads at layer 0, 1 at layer 1
    made = MixGCF(pooling="concat")(anchor, torch.zeros(1, 2, 1), candidates, stream=Stream(0))
    share = coefficients(Stream(0), torch.arange(1), 2, torch.float32)[0]
    torch.testing.assert_close(made[0, 0], (1 - share) * torch.tensor([5.0, 7.0]))


def test_the_gradient_reaches_positive_and_chosen_candidate():
    anchor, positive, candidates, _ = case()
    positive.requires_grad_()
    candidates.requires_grad_()
    to_positive, to_candidates = torch.autograd.grad(
        MixGCF(pooling="sum")(anchor, positive, candidates, stream=Stream(0)).sum(), (positive, candidates))
    torch.testing.assert_close(to_positive + to_candidates.sum(1), torch.ones_like(positive))
    assert ((to_candidates != 0).any(3).sum(1) == 1).all()


def test_coefficients_are_uniform_for_each_pair_and_layer():
    rows = 4000
    anchor, positive = torch.ones(rows, 2, 1), torch.ones(rows, 2, 1)
    made = MixGCF(2, "concat")(anchor, positive, torch.zeros(1, 2, 2, 1), stream=Stream(1))  # a itself
    share = made.view(rows, 4)
    assert share.mean(0).tolist() == pytest.approx([0.5] * 4, abs=0.02)
    off = torch.corrcoef(share.T) - torch.eye(4)
    assert float(off.abs().max()) < 0.06


def test_refuses():
    anchor, positive, candidates, _ = case()
    with pytest.raises(ValueError, match="pooling must be 'mean', 'sum' or 'concat', got 'max'"):
        MixGCF(pooling="max")
    with pytest.raises(ValueError, match=r"give the anchor as \[B, L, d\] with L=3, got \(4, 2\)"):
        MixGCF(pooling="concat")(anchor[:, 0], positive, candidates)
    with pytest.raises(ValueError, match="6 candidates cannot be cut into k=4 groups"):
        MixGCF(4)(anchor, positive, candidates)
    with pytest.raises(ValueError, match="need anchor"):
        MixGCF()(anchor[:, :2], positive, candidates)
