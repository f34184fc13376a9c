"""Softmax-(rho, N): the temperature by hand, its limits, what rho measures, refusals."""

import pytest
import torch

from graphns import Graph, Query, Stream, Tempered, Uniform
from graphns.samplers.dynamic.softmax_rho import SoftmaxRho
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 8
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("rho", [0.1, 2.0])
def test_the_temperature_is_the_root_of_the_variance_over_two_rho(rho):
    pool, mask = [3, 5, 3, 6, 2, 7], [True, True, True, True, False, True]
    used = SCORES.matrix[0, [3, 5, 3, 6, 7]].detach().double()
    temperature = float((used.var(correction=0) / (2 * rho)).sqrt())
    query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=SCORES, stream=Stream(0))
    negatives = SoftmaxRho(Given(pool, mask), pool=6, rho=rho)(query)
    tempered = Tempered(Given(pool, mask), pool=6, temperature=temperature)(query)
    assert torch.equal(negatives.ids, tempered.ids)
    torch.testing.assert_close(negatives.log_prob, tempered.log_prob)


def test_the_scale_and_the_zero_of_the_scores_do_not_matter():
    base = Uniform(Graph.empty(N))
    draws = []
    for scale, shift in ((1.0, 0.0), (1024.0, 0.0), (1.0, 4.0)):
        model = Scores(SCORES.matrix.detach().double() * scale + shift)
        query = repeated(0, 1, 500, k=3, model=model, stream=Stream(1))
        draws.append(SoftmaxRho(base, pool=6)(query))
    for other in draws[1:]:
        assert torch.equal(draws[0].ids, other.ids)
        torch.testing.assert_close(draws[0].log_prob, other.log_prob)


def test_rho_is_the_divergence_from_the_pool_for_normal_scores():
    size, rho = 20_000, 0.5
    normal = torch.special.ndtri((torch.arange(size).double() + 0.5) / size)  # the quantiles: no chance in it
    model = Scores(normal[None] * 3 + 1)
    query = Query(torch.tensor([0]), torch.tensor([0]), 40_000, model=model, stream=Stream(0))
    log_prob = SoftmaxRho(Given(list(range(size))), pool=size, rho=rho)(query).log_prob.double()
    # the mean over draws of log(p / uniform) estimates the divergence
    assert float((log_prob + torch.tensor(size).double().log()).mean()) == pytest.approx(rho, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_rho_of_0_is_the_base_and_a_large_one_the_best(seed):
    base = Uniform(Graph.empty(N))
    query = repeated(0, 1, 5_000, k=1, model=SCORES, stream=Stream(seed))
    counts = torch.bincount(SoftmaxRho(base, pool=4, rho=0.0)(query).ids[:, 0], minlength=N)[2:]
    assert chi_square(counts, torch.full((N - 2,), 1 / (N - 2))) > ALPHA / len(SEEDS)
    pool = base(query.child(0, k=4)).ids
    best = pool.gather(1, SCORES.score(query.anchor, pool).argmax(1, keepdim=True))
    assert torch.equal(SoftmaxRho(base, pool=4, rho=1e12)(query).ids, best)


def test_equal_scores_masks_and_draws_without_replacement():
    flat = Query(torch.tensor([0]), torch.tensor([1]), 3, model=Scores(torch.full((N, N), 0.1)), stream=Stream(0))
    torch.testing.assert_close(SoftmaxRho(Given([2, 3, 4, 5]), pool=4)(flat).log_prob, torch.full((1, 3), 0.25).log())
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=SCORES, stream=Stream(0))
    distinct = SoftmaxRho(Given([4, 5, 6, 7], [False, True, False, True]), pool=4, replace=False)
    assert distinct.density == "none" and distinct(query).mask.tolist() == [[True, True, False]]
    assert set(distinct(query).ids[0, :2].tolist()) == {5, 7}
    nothing = SoftmaxRho(Given([4, 5], [False, False]), pool=2)(query)
    assert not nothing.mask.any() and nothing.log_prob.tolist() == [[0.0] * 3]


def test_refuses():
    base = Uniform(Graph.empty(N))
    for bad in (-0.1, torch.nan, torch.inf):
        with pytest.raises(ValueError, match=f"rho must be a number >= 0, got {bad}"):
            SoftmaxRho(base, rho=bad)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        SoftmaxRho(base, pool=0)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        SoftmaxRho(base, pool=4, replace=False)(Query(torch.tensor([0]), torch.tensor([1]), 5, model=SCORES))


def test_from_graph_passes_its_options_on():
    sampler = SoftmaxRho.from_graph(Graph.empty(N), exclude="self", pool=3, rho=0.2, replace=False)
    assert (sampler.pool, sampler.rho, sampler.replace, sampler.base.exclude) == (3, 0.2, False, "self")
