"""ProGCL-mix: its mixtures against a plain loop over the ranks that were drawn."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphns.mixers.hardest import draw_pairs
from graphns.mixers.progcl_mix import ProGCLMix
from graphns.objectives.beta_mixture import BetaMixture
from graphns.streams import Stream

MIXTURE = BetaMixture(-1.0, 1.0, alpha=(2.0, 6.0), beta=(5.0, 2.0), weight=(0.8, 0.2))


def case(batch=4, size=8, width=3):
    generator = torch.Generator().manual_seed(0)
    anchor = torch.randn(batch, width, dtype=torch.float64, generator=generator)
    candidates = torch.randn(batch, size, width, dtype=torch.float64, generator=generator)
    mask = torch.rand(batch, size, generator=generator) < 0.8
    mask[0] = True
    return anchor, candidates, mask


def test_equals_a_plain_loop():
    anchor, candidates, mask = case()
    got = ProGCLMix(MIXTURE, k=5, hardest=3)(anchor, anchor, candidates, mask=mask, stream=Stream(4))
    count = mask.sum(1).clamp(max=3)
    first, second = draw_pairs(count, 5, Stream(4), torch.arange(4))
    for b in range(4):
        unit = F.normalize(candidates[b], dim=1)
        cosine = unit @ F.normalize(anchor[b], dim=0)
        chance = MIXTURE.true_negative(cosine)
        weight = chance * (cosine + 1) / 2
        order = sorted((j for j in range(8) if mask[b, j]), key=lambda j: -float(weight[j]))[:3]
        for slot in range(5):
            i, j = order[first[b, slot]], order[second[b, slot]]
            a = chance[i] / (chance[i] + chance[j])
            torch.testing.assert_close(got[b, slot], F.normalize(a * unit[i] + (1 - a) * unit[j], dim=0))


def test_the_likelier_true_one_counts_more():
    anchor = torch.tensor([[1.0, 0.0]])
    candidates = torch.tensor([[[0.0, 1.0], [1.0, 0.05]]])  # the second is almost the anchor, so probably false
    made = ProGCLMix(MIXTURE, k=20, hardest=2)(anchor, anchor, candidates, stream=Stream(0))[0]
    torch.testing.assert_close(made, made[:1].expand(20, -1))  # the same pair, either way round
    assert made[0, 1] > made[0, 0]


def test_where_both_are_certainly_false_neither_is_preferred():
    certain = BetaMixture(-1.0, 1.0, alpha=(2.0, 9000.0), beta=(9000.0, 2.0), weight=(0.5, 0.5))
    anchor, candidates = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.1], [1.0, -0.1]]])
    made = ProGCLMix(certain, k=2, hardest=2)(anchor, anchor, candidates, stream=Stream(0))
    torch.testing.assert_close(made[0, 0], torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_reaches_candidates_not_the_anchor(masked):
    anchor, candidates, mask = case()
    anchor.requires_grad_()
    candidates.requires_grad_()
    made = ProGCLMix(MIXTURE, k=2, hardest=3)(anchor, anchor, candidates, mask=mask if masked else None,
                                              stream=Stream(0))
    to_anchor, to_candidates = torch.autograd.grad(made.sum(), (anchor, candidates), allow_unused=True)
    assert to_anchor is None and bool(torch.isfinite(to_candidates).all()) and bool((to_candidates != 0).any())
