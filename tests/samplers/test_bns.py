"""BNS: posterior, information and risk by hand, the cdf of the reference, Hardest as the limit, refusals."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.samplers.compose.all import All
from graphns.samplers.dynamic.bns import BNS, unbiasedness
from tests.samplers.distribution import SEEDS
from tests.samplers.toys import Given, Scores

N = 12
SCORES = Scores(torch.randn(N, N, generator=torch.Generator().manual_seed(9)))
PRIOR = torch.linspace(0.0, 0.6, N).flip(0)


def query_of(k, seed=0):
    anchor = torch.arange(N)
    return Query(anchor, (anchor + 1) % N, k, model=SCORES, stream=Stream(seed))


def test_the_posterior_is_the_papers():
    grid = torch.linspace(0.05, 0.95, 7).double()
    cdf, prior = torch.meshgrid(grid, grid, indexing="ij")
    expected = (1 - cdf) * (1 - prior) / (1 - cdf - prior + 2 * cdf * prior)
    torch.testing.assert_close(unbiasedness(cdf, prior), expected)
    # Bayes with the densities of the lowest and the highest of two scores: 2 (1 - F) f for true negatives, 2 F f for
    # false ones
    bayes = 2 * (1 - cdf) * (1 - prior) / (2 * (1 - cdf) * (1 - prior) + 2 * cdf * prior)
    torch.testing.assert_close(unbiasedness(cdf, prior), bayes)
    ends = unbiasedness(torch.tensor([0.3, 0.3, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert ends.tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0])
def test_it_is_the_k_of_least_risk(weight):
    query = query_of(3)
    base = All(Graph.empty(N))
    ids = BNS(base, PRIOR, pool=N, weight=weight, reference=N)(query).ids
    for b in range(N):
        score = SCORES.matrix[b].detach().double()
        candidates = [i for i in range(N) if i not in (b, (b + 1) % N)]
        positive = float(score[(b + 1) % N])

        def risk(i, score=score, candidates=candidates, positive=positive):
            cdf = sum(float(score[j]) <= float(score[i]) for j in candidates) / (len(candidates) + 1)
            prior = float(PRIOR[i])
            unbias = (1 - cdf) * (1 - prior) / (1 - cdf - prior + 2 * cdf * prior)
            info = 1 - 1 / (1 + 2.718281828459045 ** -(positive - float(score[i])))
            return info * (1 - (1 + weight) * unbias)

        assert ids[b].tolist() == sorted(candidates, key=risk)[:3]


def test_the_reference_is_a_draw_of_its_own():
    base = Uniform(Graph.empty(N))
    query = query_of(1)
    sampler = BNS(base, PRIOR, pool=4, reference=40)
    reference = base(query.child(2).child(0, k=40)).ids
    scores = torch.linspace(-2, 2, 9).double().expand(N, 9)
    others = SCORES.score(query.anchor, reference).double()
    expected = (others[:, None, :] <= scores[:, :, None]).sum(2) / 41
    torch.testing.assert_close(sampler._cdf(query, scores), expected.double())
    masked = BNS(Given([2, 3, 4], [True, False, True]), PRIOR, pool=3, reference=3)
    row = SCORES.matrix[:, [2, 4]].detach().double()
    expected = (row[:, None, :] <= scores[:, :, None]).sum(2) / 3
    torch.testing.assert_close(masked._cdf(query, scores), expected.double())


def test_without_false_negatives_it_is_the_hardest():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(3, seed)
        ours = BNS(base, torch.zeros(N), pool=7)(query)
        assert torch.equal(ours.ids, Hardest(base, pool=7)(query).ids)
    pool = base(query.child(0, k=7)).ids
    assert torch.equal(BNS(base, torch.zeros(N), pool=7, weight=0.0)(query).ids, pool[:, :3])  # all risks are 0
    far = torch.zeros(N, N)
    far[0, 3:6] = torch.tensor([900.0, 901.0, 902.0])  # the sigmoids of all three are 1
    query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=Scores(far), stream=Stream(0))
    assert BNS(Given([3, 4, 5]), torch.zeros(N), pool=3)(query).ids.tolist() == [[3]]


def test_masked_candidates_are_never_chosen():
    scores = torch.full((N, N), -torch.inf)
    scores[0, 3], scores[0, 1] = 100.0, 0.0
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=Scores(scores), stream=Stream(0))
    drawn = BNS(Given([3, 4, 3, 5, 3], [False, True, False, True, False]), PRIOR, pool=5)(query)
    assert drawn.mask.tolist() == [[True, True, False]] and sorted(drawn.ids[0, :2].tolist()) == [4, 5]
    assert drawn.log_prob is None


def test_the_usual_prior_is_the_share_of_sources_that_know_a_candidate():
    graph = Graph.from_edge_index(torch.tensor([[0, 1, 2, 0], [3, 3, 3, 5]]), num_nodes=N)
    sampler = BNS.from_graph(graph, exclude="self", pool=3, weight=2.0, reference=9, replace=False)
    assert sampler.prior.tolist() == pytest.approx([0, 0, 0, 3 / N, 0, 1 / N, *[0] * 6])
    assert (sampler.pool, sampler.weight, sampler.reference) == (3, 2.0, 9)
    assert (sampler.base.exclude, sampler.base.replace) == ("self", False)
    assert "prior" not in sampler.state_dict()


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match=r"prior must hold probabilities in \[0, 1\], got 2"):
        BNS(base, torch.full((N,), 2.0))
    with pytest.raises(ValueError, match="weight must be a number >= 0, got -1"):
        BNS(base, PRIOR, weight=-1)
    with pytest.raises(ValueError, match="reference must be at least 1, got 0"):
        BNS(base, PRIOR, reference=0)
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        BNS(base, PRIOR, pool=0)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        BNS(base, PRIOR, pool=4)(query_of(5))
    with pytest.raises(ValueError, match="a prior of 3 candidates does not reach candidate 11"):
        BNS(All(Graph.empty(N)), PRIOR[:3])(query_of(1))
