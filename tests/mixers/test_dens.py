"""DENS: its choice against a plain loop, the warm-up's two ends, and the loss of its gates."""

from __future__ import annotations

import math

import pytest
import torch

from graphns.mixers.dens import DENS
from graphns.streams import Stream

BATCH, SIZE, LAYERS, WIDTH = 3, 6, 2, 3


def build(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return DENS(WIDTH, **options).double()


def case(shared=False):
    generator = torch.Generator().manual_seed(0)
    anchor = torch.randn(BATCH, LAYERS, WIDTH, dtype=torch.float64, generator=generator)
    positive = torch.randn(BATCH, LAYERS, WIDTH, dtype=torch.float64, generator=generator)
    candidates = torch.randn(1 if shared else BATCH, SIZE, LAYERS, WIDTH, dtype=torch.float64, generator=generator)
    mask = torch.rand(BATCH, SIZE, generator=generator) < 0.7
    mask[0] = True
    return anchor, positive, candidates, mask


def gates(dens, u, p, n):
    """The relevant factors of one positive and one negative."""
    of_positive = p * torch.sigmoid(dens.item_gate(p) + dens.user_gate(u))
    return of_positive, n * torch.sigmoid(dens.negative_gate(n) + dens.positive_gate(of_positive))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "concat"])
@pytest.mark.parametrize("epoch", [0, 30, 100, 500])
@torch.no_grad()
def test_equals_a_plain_loop(epoch, pooling, shared):
    dens = build(k=2, pooling=pooling)
    anchor, positive, candidates, mask = case(shared)
    got = dens(anchor, positive, candidates, mask=mask, epoch=epoch)
    alpha = min(1, epoch / 100)
    for b in range(BATCH):
        for g in range(2):
            group = [j for j in range(3 * g, 3 * g + 3) if mask[b, j]] or [j for j in range(SIZE) if mask[b, j]]
            parts = []
            for layer in range(LAYERS):
                u = anchor[b].mean(0) if pooling == "mean" else anchor[b, layer]

                def value(j, u=u, layer=layer, b=b):
                    n = candidates[0 if shared else b, j, layer]
                    _, relevant = gates(dens, u, positive[b, layer], n)
                    return float(alpha * (u @ (n - relevant)) - (1 - alpha) * (u @ relevant))

                parts.append(candidates[0 if shared else b, max(group, key=value), layer])
            together = torch.stack(parts)
            torch.testing.assert_close(got[b, g], together.mean(0) if pooling == "mean" else together.flatten())


def test_nothing_is_random():
    dens = build()
    anchor, positive, candidates, _ = case()
    assert torch.equal(dens(anchor, positive, candidates, stream=Stream(0)),
                       dens(anchor, positive, candidates, stream=Stream(1)))


@torch.no_grad()
def test_the_loss_equals_a_plain_loop():
    dens = build()
    anchor, positive, candidates, _ = case()
    u, p, n = anchor[:, 0], positive[:, 0], candidates[:, :2, 0]
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    total, count = 0.0, 0
    for b in range(BATCH):
        for j in range(2):
            if not mask[b, j]:
                continue
            p_r, n_r = gates(dens, u[b], p[b], n[b, j])
            own, own_rest, other, other_rest = (float(u[b] @ v) for v in (p_r, p[b] - p_r, n_r, n[b, j] - n_r))
            total += sum(math.log1p(math.exp(x)) for x in
                         (other - own, own_rest - other_rest, own_rest - own, other - other_rest)) / 4
            count += 1
    assert dens.loss(u, p, n, mask).item() == pytest.approx(total / count, rel=1e-12)
    assert dens.loss(u, p, n, torch.zeros_like(mask)).item() == 0
    poisoned = n.masked_fill(~mask[:, :, None], torch.nan)
    assert dens.loss(u, p, poisoned, mask).item() == dens.loss(u, p, n, mask).item()


def test_layers_side_by_side_have_the_loss_of_their_sums():
    """Scores add over the layers, each gated by itself."""
    dens = build(pooling="concat")
    anchor, positive, candidates, _ = case()
    loss = dens.loss(anchor.flatten(1), positive.flatten(1), candidates[:, :2].flatten(2))
    u, p, n = anchor[0], positive[0], candidates[0, 0]
    p_r, n_r = gates(dens, u, p, n)
    own, own_rest, other, other_rest = ((u * v).sum() for v in (p_r, p - p_r, n_r, n - n_r))
    one = torch.stack([other - own, own_rest - other_rest, own_rest - own, other - other_rest])
    alone = dens.loss(anchor[:1].flatten(1), positive[:1].flatten(1), candidates[:1, :1].flatten(2))
    torch.testing.assert_close(alone, torch.nn.functional.softplus(one).mean())
    assert bool(torch.isfinite(loss))


def test_the_gates_learn_by_the_loss_and_not_by_the_choice():
    dens = build()
    anchor, positive, candidates, _ = case()
    made = dens(anchor, positive, candidates.requires_grad_())
    assert all(g is None for g in torch.autograd.grad(made.sum(), list(dens.parameters()), allow_unused=True,
                                                      retain_graph=True))
    dens.loss(anchor.mean(1), positive.mean(1), made).backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in dens.parameters())


def test_training_the_gates_lowers_the_loss():
    dens = build()
    anchor, positive, candidates, _ = case()
    u, p, n = anchor[:, 0], positive[:, 0], candidates[:, :, 0]
    optimizer = torch.optim.Adam(dens.parameters(), lr=0.05)
    before = dens.loss(u, p, n).item()
    for _ in range(50):
        optimizer.zero_grad()
        dens.loss(u, p, n).backward()
        optimizer.step()
    assert dens.loss(u, p, n).item() < before - 0.1


def test_refuses():
    dens = build()
    anchor, positive, candidates, mask = case()
    u, p, n = anchor[:, 0], positive[:, 0], candidates[:, :, 0]
    with pytest.raises(ValueError, match=r"need anchor \[B, d\], positive \[B, d\] and negatives \[B, k, d\]"):
        dens.loss(u, p, n[:2])
    with pytest.raises(ValueError, match=r"need a bool mask \(3, 6\)"):
        dens.loss(u, p, n, mask[:, :2])
    with pytest.raises(ValueError, match="6 candidates cannot be cut into k=4 groups"):
        build(k=4)(anchor, positive, candidates)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        DENS(0)
