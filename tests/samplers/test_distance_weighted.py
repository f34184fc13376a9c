"""DistanceWeighted: the density of the sphere, the weights by hand, the clips, what it evens out."""

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.samplers.dynamic.distance_weighted import DistanceWeighted, log_sphere_density
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given


class Vectors:
    """A model that is a table of vectors."""

    def __init__(self, table):
        self.table = table.requires_grad_()

    def embed(self, ids, layers=False):
        return self.table[ids]


def sphere(size, dim, seed=0):
    points = torch.randn(size, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


N, DIM = 12, 6
MODEL = Vectors(sphere(N, DIM) * torch.linspace(0.5, 3, N)[:, None])  # the length does not matter


@pytest.mark.parametrize("dim", [3, 4, 8])
def test_the_density_is_that_of_distances_on_the_sphere(dim):
    distance = (sphere(200_000, dim, 1) - sphere(200_000, dim, 2)).norm(dim=1)
    edges = torch.linspace(0.0, 2.0, 21).double()
    counts = torch.bincount(torch.bucketize(distance, edges[1:-1]), minlength=20)
    fine = (torch.arange(20_000).double() + 0.5) / 10_000
    mass = log_sphere_density(fine, dim).exp().view(20, 1000).sum(1)
    assert chi_square(counts, mass / mass.sum()) > ALPHA / 3


@pytest.mark.parametrize("center", ["anchor", "positive"])
def test_frequencies_follow_the_formula_given_the_pool(center):
    pool, mask = [3, 5, 3, 6, 2, 7, 8, 9, 10], [True, True, True, True, False, True, True, True, True]
    middle = MODEL.table[0 if center == "anchor" else 1].detach()
    weight = torch.zeros(N, dtype=torch.float64)
    for i, usable in zip(pool, mask, strict=True):
        other = MODEL.table[i].detach()
        apart = float((middle / middle.norm() - other / other.norm()).norm())
        if usable and apart < 1.4:
            at = max(apart, 1.1)
            weight[i] += 1 / (at ** (DIM - 2) * (1 - at**2 / 4) ** ((DIM - 3) / 2))
    chance = weight / weight.sum()
    assert 2 <= int((chance > 0).sum()) < 8
    sampler = DistanceWeighted(Given(pool, mask), pool=9, cutoff=1.1, center=center)
    for seed in SEEDS:
        query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=MODEL, stream=Stream(seed))
        negatives = sampler(query)
        torch.testing.assert_close(negatives.log_prob.double().exp(), chance[negatives.ids], rtol=1e-5, atol=0)
        counts = torch.bincount(negatives.ids[0], minlength=N)
        assert int(counts[chance == 0].sum()) == 0
        assert chi_square(counts[chance > 0], chance[chance > 0]) > ALPHA / (2 * len(SEEDS))
    assert MODEL.table.grad is None


def test_distances_come_out_even_between_the_cutoff_and_the_farthest():
    size, dim = 60_000, 4
    table = sphere(size, dim, 5)
    query = Query(torch.tensor([0]), torch.tensor([1]), 5_000, model=Vectors(table), stream=Stream(0))
    ids = DistanceWeighted(Given(list(range(2, size))), pool=size - 2)(query).ids[0]
    apart = (table[ids] - table[0]).norm(dim=1).detach()
    far = apart[apart > 0.5]
    counts = torch.bincount(((far - 0.5) / 0.3).long().clamp(max=2), minlength=3).double()
    assert float(counts.max() / counts.min()) < 1.25  # on the sphere itself, 0.25 to 1


def test_high_dimensions_do_not_underflow():
    table = sphere(50, 2048, 3)
    table[5] = (table[0] + 0.05 * table[5]) / (table[0] + 0.05 * table[5]).norm()
    query = Query(torch.tensor([0]), torch.tensor([1]), 200, model=Vectors(table), stream=Stream(0))
    negatives = DistanceWeighted(Given(list(range(2, 50))), pool=48, farthest=1.9)(query)
    assert set(negatives.ids[0].tolist()) == {5} and bool(negatives.log_prob.isfinite().all())


def test_opposite_and_equal_vectors_and_pairs_with_none_near():
    table = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 0], [0, 0]])
    query = Query(torch.tensor([0]), torch.tensor([1]), 20, model=Vectors(table), stream=Stream(0))
    near = DistanceWeighted(Given([2, 3]), pool=2)(query)
    assert set(near.ids[0].tolist()) == {3} and not near.log_prob.any()
    far = DistanceWeighted(Given([2, 2]), pool=2)(query)
    assert not far.mask.any() and not far.log_prob.any()
    # a vector of length 0 has no direction: it counts as orthogonal to all
    assert not DistanceWeighted(Given([4]), pool=1)(query).mask.any()


def test_weights_are_bounded_on_the_far_side_too():
    """Beyond the mirror image of the cutoff 1 / q(D) is above lambda again: there the weight is lambda."""
    dim = 64
    angle = torch.tensor([0.0, 2.0, 0.2, 0.5, 1.5, 2.6, 2.9])
    table = torch.zeros(7, dim, dtype=torch.float64)
    table[:, 0], table[:, 1] = angle.cos(), angle.sin()
    query = Query(torch.tensor([0]), torch.tensor([1]), 400, model=Vectors(table), stream=Stream(0))
    sampler = DistanceWeighted(Given([2, 3, 4, 5, 6]), pool=5, cutoff=0.5, farthest=1.99)
    distance = (table[2:] - table[0]).norm(dim=1).detach()
    assert float(distance.max()) < 1.99
    log_q = log_sphere_density(distance, dim)
    weight = torch.minimum(-log_q, -log_sphere_density(torch.tensor(0.5).double(), dim))
    assert weight.argmax() == 0 and weight[-1] == weight[0] and weight[1] == weight[0]
    drawn = sampler(query)
    torch.testing.assert_close(drawn.log_prob.double(), weight.log_softmax(0)[drawn.ids - 2], rtol=1e-5, atol=1e-6)
    assert {2, 3, 6} <= set(drawn.ids.flatten().tolist())


def test_refuses():
    base = Uniform(Graph.empty(N))
    for cutoff, farthest in ((0.0, 1.4), (1.5, 1.4), (0.5, 2.0)):
        with pytest.raises(ValueError, match=f"need 0 < cutoff < farthest < 2, .* got {cutoff} and {farthest}"):
            DistanceWeighted(base, cutoff=cutoff, farthest=farthest)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        DistanceWeighted(base, pool=0)
    with pytest.raises(ValueError, match="center must be one of 'anchor', 'positive', got 'middle'"):
        DistanceWeighted(base, center="middle")
    asked = {"anchor": torch.tensor([0]), "positive": torch.tensor([1]), "k": 2}
    with pytest.raises(ValueError, match="at least 2 dimensions, got 1"):
        DistanceWeighted(base)(Query(**asked, model=Vectors(torch.ones(N, 1))))
    with pytest.raises(ValueError, match="vectors hold NaN or infinity"):
        DistanceWeighted(base)(Query(**asked, model=Vectors(torch.full((N, 2), torch.nan))))
    with pytest.raises(ValueError, match=r"embed\(ids\) must give"):
        DistanceWeighted(base)(Query(**asked, model=Vectors(torch.ones(N, 2, 2))))
    wide = Query(torch.tensor([[0, 0]]), torch.tensor([1]), 2, model=MODEL)
    with pytest.raises(ValueError, match="anchors of width 2 are no rows of the candidate table"):
        DistanceWeighted(Given([3, 4]), pool=2)(wide)
    assert DistanceWeighted(Given([3, 4]), pool=2, center="positive")(wide).ids.shape == (1, 2)


def test_from_graph_passes_its_options_on():
    sampler = DistanceWeighted.from_graph(Graph.empty(N), exclude="self", pool=3, cutoff=0.6, farthest=1.2,
                                          replace=False)
    assert (sampler.pool, sampler.cutoff, sampler.farthest, sampler.center) == (3, 0.6, 1.2, "anchor")
    assert (sampler.base.exclude, sampler.base.replace) == ("self", False)
    assert DistanceWeighted.from_graph(Graph.empty((4, N))).center == "positive"
