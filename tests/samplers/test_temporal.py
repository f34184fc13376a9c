"""Temporal: past and present of each pair against a plain loop, the density, what is refused."""

from __future__ import annotations

import pytest
import torch

from graphns import EdgeSet, Graph, InfeasibleError, Query, Stream, Uniform
from graphns.graph.timed import TimedEdges
from graphns.samplers.static.temporal import Temporal
from tests.samplers.distribution import check_distribution, hub_graph, hub_query

N = 8
EVENTS = [(0, 1, 1), (0, 2, 1), (0, 1, 3), (0, 3, 3), (0, 4, 4), (0, 0, 2), (1, 5, 2), (1, 5, 4), (2, 6, 9),
          *((3, v, t) for t, v in enumerate([0, 1, 2, 4, 5, 6, 7]))]
ASKED = [(0, 3, 3), (0, 1, 4), (0, 4, 4), (0, 7, 5), (0, 5, 0), (1, 5, 4), (1, 2, 9), (2, 6, 9), (3, 7, 6), (3, 7, 99),
         (7, 1, 5)]


def events(**options) -> TimedEdges:
    source, target, time = torch.tensor(EVENTS).T
    return TimedEdges.from_events(torch.stack([source, target]), time, **{"num_nodes": N} | options)


def query_of(k: int = 1, **options) -> Query:
    anchor, positive, time = torch.tensor(ASKED).T
    return Query(anchor, positive, k, **{"stream": Stream(0), "time": time} | options)


def past_and_support(b: int, exclude: str, since: float = -1) -> tuple[set[int], set[int]]:
    """The past that may be drawn, and everything that may be drawn, of the b-th pair: from the list of events."""
    anchor, positive, time = ASKED[b]
    now = {v for u, v, t in EVENTS if u == anchor and t == time} if exclude == "neighbors" else set()
    gone = now | {anchor, positive}
    seen = {v for u, v, t in EVENTS if u == anchor and t <= since}
    return {v for u, v, t in EVENTS if u == anchor and t < time} - gone - seen, set(range(N)) - gone


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_density_against_a_plain_loop(exclude: str, share: float) -> None:
    query, sampler = query_of(60), Temporal(events(), share=share, exclude=exclude)
    got, drawn = sampler.log_prob(query, torch.arange(N)[None]).double().exp(), sampler(query)
    for b in range(len(ASKED)):
        past, support = past_and_support(b, exclude)
        h = share if past else 0.0
        want = [(h / len(past) if j in past else 0) + ((1 - h) / len(support) if j in support else 0) for j in range(N)]
        torch.testing.assert_close(got[b], torch.tensor(want).double(), rtol=1e-5, atol=1e-8)
        assert set(drawn.ids[b].tolist()) <= (past if h == 1 else support)


@pytest.mark.parametrize("options", [{}, {"mode": "random"}, {"share": 1.0, "exclude": "self"}])
def test_counts_follow_the_density(options) -> None:
    check_distribution(Temporal(events(), **options), query_of(), N)


def test_random_is_share_0_and_neither_needs_a_past() -> None:
    one, other = Temporal(events(), mode="random")(query_of(20)), Temporal(events(), share=0.0)(query_of(20))
    assert torch.equal(one.ids, other.ids) and torch.equal(one.log_prob, other.log_prob)


def test_inductive_refuses_to_train_and_draws_what_training_never_showed() -> None:
    sampler = Temporal(events(), mode="inductive", train_until=2, share=1.0)
    with pytest.raises(ValueError, match=r"test edges.*call sampler.eval\(\)"):
        sampler(query_of())
    with pytest.raises(ValueError, match="test edges"):
        sampler.log_prob(query_of(), torch.tensor([[1]]))
    got = sampler.eval().log_prob(query_of(), torch.arange(N)[None]).isfinite()
    found = 0
    for b in range(len(ASKED)):
        past, support = past_and_support(b, "neighbors", since=2)
        assert set(got[b].nonzero()[:, 0].tolist()) == (past or support)
        found += bool(past)
    assert found >= 3
    check_distribution(Temporal(events(), mode="inductive", train_until=2).eval(), query_of(), N)


def test_edges_that_are_there_at_any_time_are_excluded_at_any_time() -> None:
    always = Graph.from_edge_index(torch.tensor([[0, 0], [1, 6]]), num_nodes=N)
    query = query_of()
    got = Temporal(events(), always).log_prob(query, torch.arange(N)[None]).isfinite()
    for b, (anchor, _, _) in enumerate(ASKED):
        _, support = past_and_support(b, "neighbors")
        assert set(got[b].nonzero()[:, 0].tolist()) == support - ({1, 6} if anchor == 0 else set())


def test_without_times_it_is_uniform() -> None:
    graph, query = hub_graph(), hub_query()
    every = torch.arange(graph.num_dst)[None]
    for exclude in ("neighbors", "self"):
        one, other = (cls.from_graph(graph, exclude=exclude).log_prob(query, every) for cls in (Temporal, Uniform))
        assert torch.equal(one, other)


def test_a_row_keeps_its_draw_in_any_batch_and_may_have_any_time_type() -> None:
    whole, sampler, at = query_of(9), Temporal(events(), share=0.7), torch.tensor([8, 1, 6])
    cut = sampler(Query(whole.anchor[at], whole.positive[at], 9, stream=whole.stream, row=at, time=whole.time[at]))
    drawn = sampler(whole)
    assert torch.equal(cut.ids, drawn.ids[at]) and torch.equal(cut.log_prob, drawn.log_prob[at])
    assert torch.equal(sampler(query_of(9, time=whole.time.double())).ids, drawn.ids)


def test_users_and_items_may_share_a_number() -> None:
    """Between different nodes the anchor's own number is a candidate."""
    sampler = Temporal(events(num_nodes=(N, N)), share=1.0)
    query = Query(torch.tensor([0]), torch.tensor([3]), 30, stream=Stream(0), time=torch.tensor([3]))
    assert set(sampler(query).ids[0].tolist()) == {0, 1, 2} - {1}  # 1 happens at 3 too


def test_no_candidate_is_a_mask() -> None:
    full = TimedEdges.from_events(torch.tensor([[0, 0], [1, 2]]), torch.tensor([4, 4]), num_nodes=3)
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, stream=Stream(0), time=torch.tensor([4]))
    assert not Temporal(full)(query).mask.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        Temporal(full, infeasible="raise")(query)


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"depend on when: make the query with Query\(..., time=time\)"):
        Temporal(events())(query_of(time=None))
    with pytest.raises(ValueError, match="one time per anchor"):
        Temporal(events())(query_of(time=torch.tensor([1])))
    with pytest.raises(ValueError, match=r"share must be a probability in \[0, 1\], got 1.5"):
        Temporal(events(), share=1.5)
    with pytest.raises(ValueError, match="mode='inductive' and train_until=None do not fit"):
        Temporal(events(), mode="inductive")
    with pytest.raises(ValueError, match="mode='historical' and train_until=2 do not fit"):
        Temporal(events(), train_until=2)
    with pytest.raises(ValueError, match="mode must be one of 'random', 'historical', 'inductive', got 'future'"):
        Temporal(events(), mode="future")
    with pytest.raises(ValueError, match="do not fit a graph of 3 and 3"):
        Temporal(events(), Graph.empty(3))
    known = EdgeSet.from_pairs(torch.tensor([5, 7]), torch.tensor([1, 2]), num_candidates=N)  # row 0 is anchor 5
    for make in (lambda: Temporal(events(), known), lambda: Temporal.from_graph(known)):
        with pytest.raises(ValueError, match="pass the Graph of the nodes"):
            make()
