"""DNS and DNS(M,N): the two limits, the window, ties, masks."""

import pytest
import torch

from graphns import Graph, Hardest, Query, Stream, Uniform
from graphns.base import Feedback
from graphns.samplers.compose.all import All
from graphns.samplers.static.global_edges import GlobalEdges
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.linspace(-1, 1, N * N)[torch.randperm(N * N, generator=torch.Generator().manual_seed(1))]
                .view(N, N))


def query_of(k, seed=0, anchor=None, **options):
    anchor = torch.arange(N) if anchor is None else anchor
    return Query(anchor, (anchor + 1) % N, k, model=SCORES, stream=Stream(seed), **options)


def test_top_1_is_the_best_of_the_pool():
    base = Uniform(Graph.empty(N))
    for seed in SEEDS:
        query = query_of(1, seed)
        pool = base(query.child(0, k=5)).ids
        scores = SCORES.score(query.anchor, pool)
        expected = pool.gather(1, scores.argmax(1, keepdim=True))
        assert torch.equal(Hardest(base, pool=5)(query).ids, expected)


def test_beyond_top_it_is_the_k_best_best_first():
    base = Uniform(Graph.empty(N), replace=False)
    query = query_of(4)
    pool = base(query.child(0, k=9)).ids
    scores = SCORES.score(query.anchor, pool)
    for top in (1, 4):
        assert torch.equal(Hardest(base, pool=9, top=top)(query).ids, pool.gather(1, scores.topk(4, 1).indices))


@pytest.mark.parametrize("seed", SEEDS)
def test_top_equal_to_the_pool_is_the_base_distribution(seed):
    graph = Graph.empty(N)
    query = repeated(0, 1, 20_000, k=1, model=SCORES, stream=Stream(seed))
    ids = Hardest(Uniform(graph), pool=6, top=6)(query).ids
    counts = torch.bincount(ids[:, 0], minlength=N)
    assert counts[:2].tolist() == [0, 0]
    assert chi_square(counts[2:], torch.full((N - 2,), 1 / (N - 2))) > ALPHA / len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_dns_m_n_is_uniform_over_the_m_best_in_pairs_too(seed):
    order = SCORES.matrix[0].argsort(descending=True)
    best = [int(i) for i in order if i not in (0, 1)][:4]
    query = repeated(0, 1, 20_000, k=2, model=SCORES, stream=Stream(seed))
    ids = Hardest(All(Graph.empty(N)), pool=N, top=4)(query).ids
    pairs = torch.bincount(ids[:, 0] * N + ids[:, 1], minlength=N * N)
    among = torch.tensor([a * N + b for a in best for b in best if a != b])
    assert int(pairs[among].sum()) == 20_000
    assert chi_square(pairs[among], torch.full((12,), 1 / 12)) > ALPHA / len(SEEDS)


def test_with_every_candidate_as_the_pool_it_is_the_exact_top():
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 3], [4, 5, 6]]), num_nodes=N)
    query = query_of(3)
    negatives = Hardest(All(graph), pool=N)(query)
    for b in range(N):
        banned = {b, (b + 1) % N, *graph.neighbors(b).tolist()}
        order = SCORES.matrix[b].argsort(descending=True).tolist()
        assert negatives.ids[b].tolist() == [i for i in order if i not in banned][:3]


def test_of_equal_scores_the_earlier_slot_is_the_better():
    flat = Scores(torch.zeros(N, N))
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=flat, stream=Stream(0))
    assert Hardest(Given([7, 3, 9, 2, 5]), pool=5)(query).ids.tolist() == [[7, 3, 9]]


def test_an_id_drawn_twice_into_the_pool_counts_as_two():
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, model=SCORES, stream=Stream(0))
    best = int(SCORES.matrix[0].argmax())
    assert Hardest(Given([4, best, best]), pool=3)(query).ids.tolist() == [[best, best]]


def test_masked_candidates_are_never_chosen_not_even_for_scores_of_minus_infinity():
    scores = torch.full((N, N), -torch.inf)
    scores[0, 3] = 100.0
    query = Query(torch.tensor([0]), torch.tensor([1]), 3, model=Scores(scores), stream=Stream(0))
    for top in (1, 5):
        negatives = Hardest(Given([3, 4, 3, 5, 3], [False, True, False, True, False]), pool=5, top=top)(query)
        assert negatives.mask.tolist() == [[True, True, False]]
        assert sorted(negatives.ids[0, :2].tolist()) == [4, 5]


def test_the_density_is_none_and_no_gradient_reaches_the_model():
    sampler, query = Hardest.from_graph(Graph.empty(N), pool=8), query_of(2)
    negatives = sampler(query)
    assert sampler.density == "none" and negatives.log_prob is None and not sampler.stateful
    sampler.update(query, negatives, Feedback())
    assert SCORES.matrix.grad is None
    with pytest.raises(TypeError, match="density 'none'"):
        sampler.log_prob(query, negatives.ids)


def test_from_graph_passes_its_options_on():
    graph = Graph.from_edge_index(torch.tensor([[0], [2]]), num_nodes=N)
    sampler = Hardest.from_graph(graph, exclude="self", pool=7, top=3, replace=False)
    assert (sampler.pool, sampler.top, sampler.base.exclude, sampler.base.replace) == (7, 3, "self", False)


def test_refuses():
    base = Uniform(Graph.empty(N))
    with pytest.raises(ValueError, match="pool must be at least 1, got 0"):
        Hardest(base, pool=0)
    with pytest.raises(ValueError, match="top must be between 1 and pool=4, got 5"):
        Hardest(base, pool=4, top=5)
    with pytest.raises(ValueError, match="a pool of 4 cannot fill k=5"):
        Hardest(base, pool=4)(query_of(5))
    with pytest.raises(ValueError, match="model=model"):
        Hardest(base)(Query(torch.tensor([0]), torch.tensor([1]), 1))
    for bad in (torch.nan, torch.inf):
        query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=Scores(torch.full((N, N), bad)))
        with pytest.raises(ValueError, match="NaN or infinite"):
            Hardest(base)(query)
    with pytest.raises(ValueError, match="draws pairs or vectors"):
        Hardest(GlobalEdges(Graph.empty(N)))(query_of(1))

    class Wrong:
        def score(self, anchor, ids):
            return torch.zeros(3)

    with pytest.raises(ValueError, match=r"must give \[B, m\]"):
        Hardest(base)(Query(torch.tensor([0]), torch.tensor([1]), 1, model=Wrong()))
