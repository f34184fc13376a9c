"""SemiHard: strictly between the positive and the margin, all alike; masks; the limit of a large margin."""

import pytest
import torch

from graphns import Graph, Query, Stream, Uniform
from graphns.samplers.dynamic.semi_hard import SemiHard
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores

N = 10
ROW = torch.tensor([9.0, 1.0, 1.0, 0.9, 0.85, 0.75, 0.5, 0.0, 1.2, 0.95])  # node 1 is the positive
SCORES = Scores(ROW.double().expand(N, N).clone())
EVERY = list(range(2, N))


@pytest.mark.parametrize(("margin", "inside"), [(0.2, [3, 4, 9]), (0.25, [3, 4, 9]), (0.26, [3, 4, 5, 9]),
                                                (torch.inf, [3, 4, 5, 6, 7, 9])])
def test_only_what_lies_strictly_between_and_all_of_it_alike(margin, inside):
    sampler = SemiHard(Given(EVERY), pool=8, margin=margin)
    for seed in SEEDS:
        query = Query(torch.tensor([0]), torch.tensor([1]), 20_000, model=SCORES, stream=Stream(seed))
        negatives = sampler(query)
        counts = torch.bincount(negatives.ids[0], minlength=N)
        assert int(counts.sum()) == int(counts[inside].sum())
        assert chi_square(counts[inside], torch.full((len(inside),), 1 / len(inside))) > ALPHA / (4 * len(SEEDS))
        torch.testing.assert_close(negatives.log_prob, torch.full_like(negatives.log_prob, 1 / len(inside)).log())


def test_an_id_with_two_slots_has_twice_the_chance():
    query = Query(torch.tensor([0]), torch.tensor([1]), 100, model=SCORES, stream=Stream(0))
    negatives = SemiHard(Given([3, 3, 4, 7]), pool=4)(query)
    expected = torch.where(negatives.ids == 3, 2 / 3, 1 / 3).log()
    torch.testing.assert_close(negatives.log_prob, expected)


def test_pairs_without_a_semi_hard_candidate_are_masked():
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=SCORES, stream=Stream(0))
    for pool, mask in (([2, 6, 7, 8], None), ([3, 4], [False, False])):
        negatives = SemiHard(Given(pool, mask), pool=len(pool))(query)
        assert not negatives.mask.any() and negatives.log_prob.tolist() == [[0.0] * 3]
    assert set(SemiHard(Given([3, 4, 9], [False, True, False]), pool=3)(query).ids[0].tolist()) == {4}


def test_with_distances_it_is_facenets_condition():
    points = torch.randn(N, 3, generator=torch.Generator().manual_seed(0)).double()
    distance = torch.cdist(points, points).square()
    query = Query(torch.arange(N), (torch.arange(N) + 1) % N, 50, model=Scores(-distance), stream=Stream(0))
    negatives = SemiHard(Uniform(Graph.empty(N)), pool=30, margin=2.0)(query)
    far = distance[query.anchor[:, None], negatives.ids]
    near = distance[query.anchor, query.positive][:, None]
    assert negatives.mask.any() and bool(((near < far) & (far < near + 2.0))[negatives.mask].all())


def test_refuses():
    base = Uniform(Graph.empty(N))
    for bad in (0.0, -1.0, torch.nan):
        with pytest.raises(ValueError, match=f"margin must be above 0, got {bad}"):
            SemiHard(base, margin=bad)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        SemiHard(base, pool=0)


def test_from_graph_passes_its_options_on():
    sampler = SemiHard.from_graph(Graph.empty(N), exclude="self", pool=3, margin=0.5, replace=False)
    assert (sampler.pool, sampler.margin, sampler.base.exclude, sampler.base.replace) == (3, 0.5, "self", False)
