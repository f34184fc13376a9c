"""MCNS: the stationary distribution, the acceptance, one random number per chain, and what the chains remember."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from graphns.base import Feedback, InfeasibleError, Negatives, Query
from graphns.graph.graph import Graph
from graphns.graph.known import EdgeSet
from graphns.samplers.compose.mixture import Mixture
from graphns.samplers.dynamic.mcns import MCNS
from graphns.samplers.rows import latest
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Scores, repeated

N = 6
SCORES = Scores(torch.tensor([[0.0, 3.0, -2.0, 1.0, -4.0, 0.5]]).repeat(N, 1))


def six_nodes() -> Graph:
    """Unequal in-degrees, so that the proposal is not symmetric; anchor 0 knows 3."""
    return Graph.from_edge_index(torch.tensor([[0, 1, 2, 4, 5, 2, 1], [3, 2, 1, 1, 1, 4, 4]]), num_nodes=N)


def target(sampler: MCNS, positive: int) -> Tensor:
    """The stationary distribution of anchor 0, by its definition."""
    chance = SCORES.matrix[0].detach().double()
    chance = chance.sigmoid() if sampler.link == "sigmoid" else chance.exp()
    chance = chance**sampler.alpha
    chance[[0, 3, positive]] = 0
    return chance / chance.sum()


@pytest.mark.parametrize("options", [
    {"alpha": 0.25}, {"alpha": 2.0, "near": 2}, {"alpha": 1.0, "link": "exp", "near": 3, "near_share": 0.9},
    {"alpha": 0.0, "near": 0}, {"alpha": 1.0, "near_share": 0.0, "power": 2.0},
])
def test_stationary_distribution_on_six_nodes(options: dict) -> None:
    """Counts of many chains of one anchor after a burn-in, at every seed; each chain counts once."""
    sampler = MCNS(six_nodes(), burn_in=60, **options)
    expected = target(sampler, positive=5)
    for seed in SEEDS:
        query = repeated(0, 5, 20_000, k=2, model=SCORES, stream=Stream(seed))
        ids = sampler(query).ids
        for slot in range(2):
            counts = torch.bincount(ids[:, slot], minlength=N)
            assert counts[expected == 0].sum() == 0
            p_value = chi_square(counts[expected > 0], expected[expected > 0])
            assert p_value > ALPHA / (2 * len(SEEDS)), f"slot {slot}, seed {seed}: {counts.tolist()}"


def acceptance(sampler: MCNS, query: Query, x: Tensor, y: Tensor) -> Tensor:
    ratio = (sampler.log_target(query, y) - sampler.log_target(query, x)
             + sampler.proposal(y, x) - sampler.proposal(x, y))
    return ratio.exp().clamp(max=1)


@pytest.mark.parametrize("near_share", [0.0, 0.5, 0.9])
def test_the_acceptance_keeps_the_balance(near_share: float) -> None:
    """pi(x) q(y|x) A(x, y) = pi(y) q(x|y) A(y, x) for every pair, with a proposal that sums to 1."""
    sampler = MCNS(six_nodes(), alpha=0.7, near=2, near_share=near_share)
    x, y = (grid.flatten() for grid in torch.meshgrid(torch.arange(N), torch.arange(N), indexing="ij"))
    query = Query(torch.zeros_like(x), torch.full_like(x, 5), 1, model=SCORES, stream=Stream(0))
    proposal = sampler.proposal(x, y).exp()
    torch.testing.assert_close(proposal.view(N, N).sum(1), torch.ones(N, dtype=torch.float64))
    density = sampler.log_target(query, x).exp()
    flow = (density * proposal * acceptance(sampler, query, x, y)).view(N, N)
    torch.testing.assert_close(flow, flow.T)
    # with a symmetric proposal the ratio is of the targets alone
    even = MCNS(Graph.empty(N), alpha=0.7, near=2, near_share=near_share)
    alone = (even.log_target(query, y) - even.log_target(query, x)).exp().clamp(max=1)
    torch.testing.assert_close(acceptance(even, query, x, y), alone)


def test_the_proposal_is_half_popularity_and_half_near() -> None:
    graph = six_nodes()
    sampler = MCNS(graph, near=2, power=1.0)
    order = sampler.order.tolist()
    share = (graph.in_degree + 1).double() / (graph.in_degree + 1).sum()
    for x in range(N):
        at = order.index(x)
        near = {order[(at + 1) % N], order[(at - 1) % N]}
        chance = sampler.proposal(torch.full((N,), x), torch.arange(N)).exp()
        expected = [0.5 * float(share[y]) + (0.25 if y in near else 0.0) for y in range(N)]
        assert chance.tolist() == pytest.approx(expected)


def test_every_chain_has_its_own_random_numbers() -> None:
    """Chains of equal state and anchor part ways: not all accept, and not all refuse, at a step."""
    sampler = MCNS(six_nodes(), alpha=1.0, burn_in=0)
    sampler.chain[0] = 1
    ids = sampler(repeated(0, 5, 500, k=1, model=SCORES, stream=Stream(0))).ids[:, 0]
    assert 0 < int((ids == 1).sum()) < 500
    # among those who were offered node 4, a bad one, some went and most stayed
    stayed = int((ids == 1).sum())
    assert stayed > 300 and int((ids == 4).sum()) < 30


def test_chains_go_on_from_where_they_stood() -> None:
    flat = Scores(torch.full((N, N), -50.0))
    flat.matrix.data[:, 2] = 50.0  # a chain that has come to 2 stays there
    sampler = MCNS(Graph.empty(N), alpha=1.0, burn_in=200)
    query = Query(torch.tensor([0, 1]), torch.tensor([4, 4]), 3, model=flat, stream=Stream(0))
    sampler.update(query, sampler(query))
    assert sampler.chain.tolist() == [2, 2, -1, -1, -1, -1]
    sampler.burn_in = 0
    again = sampler(Query(torch.tensor([0, 1]), torch.tensor([4, 4]), 1, model=flat, stream=Stream(1)))
    assert again.ids.tolist() == [[2], [2]]
    sampler.chain[:] = torch.tensor([-1, 5, -1, -1, -1, -1])
    frozen = Scores(torch.full((N, N), -50.0))
    frozen.matrix.data[:, 5] = 50.0
    # 2 has no chain: it begins where 1 stands, which comes before it in depth-first order
    heir = sampler(Query(torch.tensor([2]), torch.tensor([4]), 2, model=frozen, stream=Stream(1)))
    assert heir.ids.tolist() == [[5, 5]]
    assert sampler.before.tolist() == [0, 0, 1, 2, 3, 4]


def test_a_chain_does_not_stay_on_what_is_excluded_for_this_pair() -> None:
    sampler = MCNS(Graph.empty(N), burn_in=2)
    sampler.chain[:] = 4
    for seed in range(20):
        ids = sampler(repeated(0, 4, 50, k=3, model=SCORES, stream=Stream(seed))).ids
        assert not bool((ids == 4).any())


def test_steps_between_negatives_are_steps_of_one_chain() -> None:
    one, three = MCNS(six_nodes(), steps=1), MCNS(six_nodes(), steps=3)
    query = repeated(0, 5, 40, k=9, model=SCORES, stream=Stream(0))
    thrice = repeated(0, 5, 40, k=3, model=SCORES, stream=Stream(0))
    assert torch.equal(one(query).ids[:, 2::3], three(thrice).ids)


def test_what_a_chain_remembers_of_a_batch() -> None:
    sampler = MCNS(Graph.empty(N))
    query = Query(torch.tensor([3, 1, 3, 2]), torch.tensor([0, 0, 0, 0]), 2, model=SCORES, stream=Stream(0))
    mask = torch.tensor([[True, True], [True, False], [True, True], [False, False]])
    drawn = Negatives(torch.tensor([[1, 2], [4, 5], [5, 1], [4, 4]]), None, mask)
    sampler.update(query, drawn)
    assert sampler.chain.tolist() == [-1, 4, -1, 1, -1, -1]  # the last pair of 3, the last usable slot of 1
    sampler.update(query, drawn._replace(vectors=torch.zeros(4, 2, 1)), Feedback())
    assert sampler.chain.tolist() == [-1, 4, -1, 1, -1, -1]
    assert latest(torch.tensor([], dtype=torch.int64)).tolist() == []


def test_works_inside_a_mixture_and_with_items_and_users() -> None:
    graph = Graph.from_edge_index(torch.tensor([[0, 0, 1, 2], [3, 4, 4, 0]]), num_nodes=(3, 5))
    scores = Scores(torch.zeros(3, 5))
    sampler = Mixture([MCNS(graph), Uniform(graph)])
    query = Query(torch.arange(3), torch.tensor([3, 4, 0]), 6, model=scores, stream=Stream(0))
    negatives = sampler(query)
    assert negatives.log_prob is None and sampler.density == "none" and sampler.stateful
    assert not bool(graph.has_edge(query.anchor, negatives.ids).any())
    sampler.update(query, negatives)
    assert torch.equal(sampler.parts[0].chain, negatives.ids[:, -1])


def test_refuses() -> None:
    graph = six_nodes()
    for options, match in (
        ({"alpha": -1.0}, "alpha must be a finite number >= 0, got -1.0"), ({"near": -1}, "near must be at least 0"),
        ({"near_share": 1.0}, r"near_share must be in \[0, 1\)"), ({"burn_in": -1}, "burn_in must be at least 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"), ({"link": "tanh"}, "link must be one of"),
        ({"exclude": "none"}, "exclude must be one of"),
    ):
        with pytest.raises(ValueError, match=match):
            MCNS(graph, **options)
    with pytest.raises(ValueError, match="EdgeSet"):
        MCNS(EdgeSet.from_pairs(torch.tensor([0]), torch.tensor([1]), 3))
    with pytest.raises(ValueError, match="NaN or infinite"):
        MCNS(graph)(Query(torch.tensor([0]), torch.tensor([1]), 1, model=Scores(torch.full((N, N), torch.nan))))
    full = Graph.from_edge_index(torch.tensor([[0, 1], [1, 0]]))
    query = Query(torch.tensor([0]), torch.tensor([1]), 1, model=Scores(torch.zeros(2, 2)))
    assert not MCNS(full)(query).mask.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        MCNS(full, infeasible="raise")(query)
