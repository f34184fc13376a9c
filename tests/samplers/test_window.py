"""Window: each bound by a plain loop, DNS and DNS(M,N) as its limits, ties, masks, refusals."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.dynamic.window import Window
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.linspace(-1, 1, N * N)[torch.randperm(N * N, generator=torch.Generator().manual_seed(1))]
                .view(N, N))
BOUNDS = [
    {"range_min": 2}, {"range_min": 1, "range_max": 4}, {"max_score": 0.2}, {"absolute_margin": 0.3},
    {"relative_margin": 0.4}, {"range_min": 1, "range_max": 7, "max_score": 0.5, "absolute_margin": 0.1},
]


def query_of(k, seed=0):
    anchor = torch.arange(N)
    return Query(anchor, (anchor + 1) % N, k, model=SCORES, stream=Stream(seed))


def allowed(score, positive, rank, range_min=0, range_max=None, max_score=None, absolute_margin=None,
            relative_margin=None):
    return (
        rank >= range_min and (range_max is None or rank < range_max) and (max_score is None or score <= max_score)
        and (absolute_margin is None or score <= positive - absolute_margin)
        and (relative_margin is None or score <= positive - relative_margin * abs(positive))
    )


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("strategy", ["top", "random"])
def test_what_is_taken_lies_in_the_window(bounds, strategy):
    base = Uniform(Graph.empty(N))
    query = query_of(4)
    pool = base(query.child(0, k=9)).ids
    drawn = Window(base, pool=9, strategy=strategy, **bounds)(query)
    for b in range(N):
        score = SCORES.matrix[b].detach().double()
        ranked = sorted(pool[b].tolist(), key=lambda i, score=score: -float(score[i]))
        positive = float(score[query.positive[b]])
        window = [i for rank, i in enumerate(ranked) if allowed(float(score[i]), positive, rank, **bounds)]
        assert drawn.mask[b].tolist() == [slot < len(window) for slot in range(4)]
        got = drawn.ids[b][drawn.mask[b]].tolist()
        if strategy == "top":
            assert got == window[:4]
        else:
            left = list(window)
            for i in got:
                left.remove(i)  # no slot twice


def test_percpos_keeps_what_scores_under_95_percent_of_the_positive():
    matrix = torch.zeros(N, N)
    matrix[0, :6] = torch.tensor([0.0, 1.0, 0.96, 0.95, 0.94, 2.0])
    query = Query(torch.tensor([0]), torch.tensor([1]), 4, model=Scores(matrix.double()), stream=Stream(0))
    drawn = Window(Given([2, 3, 4, 5]), pool=4, relative_margin=0.05)(query)
    assert drawn.ids[0][drawn.mask[0]].tolist() == [3, 4]
    # under a positive that scores below 0 the margin still leads down
    matrix[0, 1:6] = torch.tensor([-1.0, -0.96, -1.04, -1.06, -0.5])
    query = Query(torch.tensor([0]), torch.tensor([1]), 4, model=Scores(matrix.double()), stream=Stream(0))
    drawn = Window(Given([2, 3, 4, 5]), pool=4, relative_margin=0.05)(query)
    assert drawn.ids[0][drawn.mask[0]].tolist() == [4]


def test_without_bounds_it_is_dns_and_dns_m_n():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(3, seed)
        top, hardest = Window(base, pool=9)(query), Hardest(base, pool=9)(query)
        assert torch.equal(top.ids, hardest.ids) and torch.equal(top.mask, hardest.mask)
        some, dns_m_n = Window(base, pool=9, range_max=5, strategy="random")(query), Hardest(base, pool=9, top=5)(query)
        assert torch.equal(some.ids, dns_m_n.ids) and torch.equal(some.mask, dns_m_n.mask)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_is_uniform_over_the_window(seed):
    query = repeated(0, 1, 20_000, k=2, model=SCORES, stream=Stream(seed))
    pool = [2, 3, 4, 5, 6, 7, 8, 9]
    ranked = sorted(pool, key=lambda i: -float(SCORES.matrix.detach()[0, i]))[2:6]
    ids = Window(Given(pool), pool=8, range_min=2, range_max=6, strategy="random")(query).ids
    counts = torch.bincount(ids[:, 0] * N + ids[:, 1], minlength=N * N)
    at = torch.tensor([a * N + b for a in ranked for b in ranked if a != b])
    assert int(counts[at].sum()) == 20_000
    assert chi_square(counts[at], torch.full((12,), 1 / 12)) > ALPHA / len(SEEDS)


def test_masked_candidates_have_no_rank():
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=SCORES, stream=Stream(0))
    mask = [True, False, True, False, True]
    drawn = Window(Given([3, 4, 5, 6, 7], mask), pool=5, range_min=1)(query)
    ranked = sorted([3, 5, 7], key=lambda i: -float(SCORES.matrix.detach()[0, i]))
    assert drawn.mask.tolist() == [[True, True, False]] and drawn.ids[0, :2].tolist() == ranked[1:]


def test_the_model_is_asked_about_positives_only_where_a_margin_is():
    asked = []

    class Counting(Scores):
        def score(self, anchor, ids):
            asked.append(ids.shape[1])
            return super().score(anchor, ids)

    query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=Counting(SCORES.matrix.detach()), stream=Stream(0))
    Window(Given([3, 4]), pool=2, max_score=0.0)(query)
    assert asked == [2]
    Window(Given([3, 4]), pool=2, absolute_margin=0.0)(query)
    assert asked == [2, 2, 1]


def test_refuses():
    base = Uniform(Graph.empty(N))
    for low, high in ((-1, 3), (3, 3), (0, 9)):
        with pytest.raises(ValueError, match=rf"range_min < range_max <= pool=8, got {low} and {high}"):
            Window(base, pool=8, range_min=low, range_max=high)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        Window(base, pool=0)
    for bad in (-0.1, torch.nan, torch.inf):
        with pytest.raises(ValueError, match=f"absolute_margin must be at least 0 and finite, got {bad}"):
            Window(base, absolute_margin=bad)
        with pytest.raises(ValueError, match=f"relative_margin must be at least 0 and finite, got {bad}"):
            Window(base, relative_margin=bad)
    for bad in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(ValueError, match=f"max_score must be a number, got {bad}"):
            Window(base, max_score=bad)
    with pytest.raises(ValueError, match="strategy must be one of 'top', 'random', got 'best'"):
        Window(base, strategy="best")
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        Window(base, pool=4)(query_of(5))


def test_from_graph_passes_its_options_on():
    sampler = Window.from_graph(Graph.empty(N), exclude="self", pool=7, range_min=1, range_max=5, max_score=0.9,
                                absolute_margin=0.1, relative_margin=0.2, strategy="random", replace=False)
    assert (sampler.pool, sampler.range_min, sampler.range_max, sampler.max_score) == (7, 1, 5, 0.9)
    assert (sampler.absolute_margin, sampler.relative_margin, sampler.strategy) == (0.1, 0.2, "random")
    assert (sampler.base.exclude, sampler.base.replace) == ("self", False)
