"""Ring: its two edges, how it closes in, its limits, masks."""

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.samplers.dynamic.ring import Ring
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(6)))
POOL = list(range(2, 12))
RANKED = sorted(POOL, key=lambda i: -float(SCORES.matrix.detach()[0, i]))


@pytest.mark.parametrize(("inner", "outer", "ranks"), [(0.0, 0.3, range(3)), (0.2, 0.5, range(2, 5)),
                                                       (0.0, 0.01, range(1)), (0.35, 0.41, range(3, 5)),
                                                       (0.9, 1.0, range(9, 10)), (0.0, 1.0, range(10))])
def test_only_the_ring_and_all_of_it_alike(inner, outer, ranks):
    inside = sorted(RANKED[r] for r in ranks)
    for seed in SEEDS:
        query = Query(torch.tensor([0]), torch.tensor([1]), 10_000, model=SCORES, stream=Stream(seed))
        negatives = Ring(Given(POOL), pool=10, inner=inner, outer=outer)(query)
        counts = torch.bincount(negatives.ids[0], minlength=N)
        assert int(counts.sum()) == int(counts[inside].sum())
        assert chi_square(counts[inside], torch.full((len(inside),), 1 / len(inside))) > ALPHA / (6 * len(SEEDS))
        torch.testing.assert_close(negatives.log_prob, torch.full_like(negatives.log_prob, 1 / len(inside)).log())


def test_it_closes_in_with_the_epochs():
    sampler = Ring(Given(POOL), pool=10, outer=0.2, ramp=4)
    assert [round(sampler.edge(epoch), 12) for epoch in range(6)] == [1.0, 0.8, 0.6, 0.4, 0.2, 0.2]
    assert Ring(Given(POOL), pool=10, outer=0.2).edge(0) == 0.2
    for epoch, size in ((0, 10), (1, 8), (2, 6), (3, 4), (4, 2), (9, 2)):
        query = Query(torch.tensor([0]), torch.tensor([1]), 500, model=SCORES, stream=Stream(0), epoch=epoch)
        assert set(sampler(query).ids[0].tolist()) == set(RANKED[:size])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_whole_ring_is_the_base(seed):
    query = repeated(0, 1, 20_000, k=1, model=SCORES, stream=Stream(seed))
    ids = Ring(Uniform(Graph.empty(N)), pool=6, outer=1.0)(query).ids
    assert chi_square(torch.bincount(ids[:, 0], minlength=N)[2:], torch.full((10,), 0.1)) > ALPHA / len(SEEDS)


def test_percentiles_are_of_the_usable_slots():
    query = Query(torch.tensor([0]), torch.tensor([1]), 200, model=SCORES, stream=Stream(0))
    mask = [i % 2 == 0 for i in POOL]
    usable = [i for i in RANKED if i % 2 == 0]
    drawn = Ring(Given(POOL, mask), pool=10, inner=0.2, outer=0.6)(query)
    assert set(drawn.ids[0].tolist()) == set(usable[1:3]) and bool(drawn.mask.all())
    nothing = Ring(Given(POOL, [False] * 10), pool=10)(query)
    assert not nothing.mask.any() and not nothing.log_prob.any()


def test_refuses():
    base = Uniform(Graph.empty(N))
    for inner, outer in ((-0.1, 0.5), (0.5, 0.5), (0.0, 1.1), (torch.nan, 1.0)):
        with pytest.raises(ValueError, match=f"need 0 <= inner < outer <= 1, got {inner} and {outer}"):
            Ring(base, inner=inner, outer=outer)
    with pytest.raises(ValueError, match="ramp must be at least 0, got -1"):
        Ring(base, ramp=-1)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        Ring(base, pool=0)


def test_from_graph_passes_its_options_on():
    sampler = Ring.from_graph(Graph.empty(N), exclude="self", pool=3, inner=0.1, outer=0.9, ramp=2, replace=False)
    assert (sampler.pool, sampler.inner, sampler.outer, sampler.ramp) == (3, 0.1, 0.9, 2)
    assert (sampler.base.exclude, sampler.base.replace) == ("self", False)
