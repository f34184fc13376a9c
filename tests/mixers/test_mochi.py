"""MoCHi: where its mixtures lie, how often what is mixed, and that the anchor is the lesser part."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graphns.mixers.mochi import MoCHi
from graphns.streams import Stream


def angle_vectors(*degrees: float) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radians.cos(), radians.sin()], 1)


def angles(vectors: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(torch.atan2(vectors[..., 1], vectors[..., 0]))


def test_rows_have_unit_length_whatever_comes_in():
    anchor = 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    candidates = 0.1 * torch.randn(1, 20, 4, generator=torch.Generator().manual_seed(1))
    made = MoCHi(8, 6, 2)(anchor, anchor, candidates, stream=Stream(0))
    assert made.shape == (5, 8, 4)
    torch.testing.assert_close(made.norm(dim=2), torch.ones(5, 8))
    torch.testing.assert_close(made, MoCHi(8, 6, 2)(F.normalize(anchor), anchor, F.normalize(candidates, dim=2),
                                                    stream=Stream(0)))


def test_only_the_hardest_are_mixed():
    """Candidates at 10, 20, 40 and 90 degrees of the anchor, the two nearest mixed: all between 10 and 20."""
    anchor, candidates = angle_vectors(0), angle_vectors(90, 20, 40, 10)[None]
    made = angles(MoCHi(2, 300, 0)(anchor, anchor, candidates, stream=Stream(0)))
    assert bool((made > 10 - 1e-3).all()) and bool((made < 20 + 1e-3).all())
    assert made.min() < 10.5 and made.max() > 19.5


def test_equals_the_formula_with_its_coefficients():
    """Between two vectors a mixture tells its coefficient: they are uniform, and i, j either way round."""
    anchor, candidates = angle_vectors(0), angle_vectors(10, 100)[None]  # a right angle between the two
    made = MoCHi(2, 4000, 0)(anchor, anchor, candidates, stream=Stream(1))[0]
    one, other = (made @ candidates[0].T).unbind(1)  # proportional to a and 1 - a
    share = one / (one + other)
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert share.var().item() == pytest.approx(1 / 12, abs=0.005)


def test_the_anchor_is_the_lesser_part():
    """b < 1/2: mixtures with the anchor at 0 degrees and a candidate at 90 lie above 45."""
    anchor, candidates = angle_vectors(0), angle_vectors(90, -170)[None]
    made = MoCHi(1, 1, 4000)(anchor, anchor, candidates, stream=Stream(2))[0, 1:]
    share = made[:, 0] / (made[:, 0] + made[:, 1])
    assert bool((share > 0).all()) and bool((share < 0.5).all())
    assert share.mean().item() == pytest.approx(0.25, abs=0.01)
    assert share.var().item() == pytest.approx(1 / 48, abs=0.002)


def test_two_different_ones_are_mixed_where_there_are_two():
    candidates = angle_vectors(10, 20)[None]
    made = angles(MoCHi(2, 500, 0)(angle_vectors(0), angle_vectors(0), candidates, stream=Stream(0)))
    assert bool(((made > 10) & (made < 20)).all())


def test_negatives_are_constants():
    anchor, candidates = angle_vectors(0).requires_grad_(), angle_vectors(10, 20)[None].requires_grad_()
    assert not MoCHi(2, 3, 1)(anchor, anchor, candidates, stream=Stream(0)).requires_grad


def test_more_synthetic_ones_leave_the_first_as_they_are():
    anchor, candidates = angle_vectors(0), angle_vectors(10, 20, 30)[None]
    few, many = (MoCHi(3, s, 0)(anchor, anchor, candidates, stream=Stream(0)) for s in (4, 9))
    assert torch.equal(few, many[:, :4])


def test_refuses():
    with pytest.raises(ValueError, match="with_anchor must be at least 0, got -1"):
        MoCHi(with_anchor=-1)
