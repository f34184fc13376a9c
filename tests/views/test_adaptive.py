"""Adaptive views: weights by a plain loop, rates by counting, the key, sparse as dense, and refusals."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphns.encoders.sparse import Sparse
from graphns.graph.centrality import MEASURES, centrality
from graphns.graph.graph import Graph
from graphns.streams import Stream
from graphns.views.adaptive import drop_edge_by, drop_rates, edge_weights, feature_weights, keep_mask_by
from graphns.views.augment import drop_edge, keep_mask


def random_graph(num: int = 40, edges: int = 120, seed: int = 0) -> Graph:
    pairs = torch.randint(num, (2, edges), generator=torch.Generator().manual_seed(seed))
    return Graph.from_edge_index(torch.cat([pairs, pairs.flip(0)], 1), num)


def words(num: int = 40, size: int = 25, seed: int = 0) -> torch.Tensor:
    """Few nonzero counts, and two columns that no node has."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(num, size, generator=generator) * (torch.rand(num, size, generator=generator) < 0.2)
    x[:, [3, 7]] = 0
    return x * torch.where(torch.rand(num, size, generator=generator) < 0.5, -1.0, 1.0)


def by_loop(scores: list[float]) -> list[float]:
    mean = sum(scores) / len(scores)
    return [(max(scores) - each) / (max(scores) - mean) for each in scores]


@pytest.mark.parametrize("measure", MEASURES)
def test_edge_weights_are_the_formula(measure: str) -> None:
    graph = random_graph()
    found = centrality(graph, measure)
    top = float(found.max())
    scores = [math.log(float(found[target]) / top + 1e-8) for _, target in graph.edge_index.T.tolist()]
    weights = edge_weights(graph.edge_index, found)
    torch.testing.assert_close(weights, torch.tensor(by_loop(scores), dtype=torch.float64))
    assert float(weights.min()) == 0 and float(weights.mean()) == pytest.approx(1)
    # a scale is no matter, nor the precision that a user's own measure has
    torch.testing.assert_close(edge_weights(graph.edge_index, found.float() * 50), weights, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("binary", [False, True])
def test_feature_weights_are_the_formula_sparse_or_dense(binary: bool) -> None:
    graph, x = random_graph(), words()
    central = centrality(graph, "degree")
    size = (x != 0).float() if binary else x.abs()
    sums = [sum((float(central[v] / central.max()) + 1e-8) * float(size[v, f]) for v in range(len(x)))
            for f in range(x.shape[1])]
    used = [each > 0 for each in sums]
    assert used.count(False) == 2
    wanted = iter(by_loop([math.log(each) for each in sums if each > 0]))
    weights = feature_weights(x, central, binary=binary)
    listed = [next(wanted) if each else None for each in used]
    for found, each in zip(weights.tolist(), listed, strict=True):
        most = max(other for other in listed if other is not None)
        assert found == pytest.approx(most if each is None else each, rel=1e-6)
    torch.testing.assert_close(feature_weights(Sparse.from_dense(x), central, binary=binary), weights)


def test_a_stored_zero_is_no_mark() -> None:
    at = torch.tensor([0, 1, 1])
    sparse = Sparse.from_entries(at, torch.tensor([0, 0, 1]), torch.tensor([1.0, 0.0, 1.0]), (2, 2))
    dense = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    central = torch.tensor([1.0, 4.0])
    assert torch.equal(feature_weights(sparse, central, binary=True), feature_weights(dense, central, binary=True))


def test_many_rows_are_added_in_parts() -> None:
    x = torch.rand(3000, 4, generator=torch.Generator().manual_seed(0))
    central = torch.arange(3000.0)
    sums = (x.double() * central.double()[:, None]).sum(0).log()
    torch.testing.assert_close(feature_weights(x, central), (sums.max() - sums) / (sums.max() - sums.mean()))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_share_dropped_is_the_rate_less_what_the_threshold_cuts(measure: str, rate: float) -> None:
    """By counting over 300 streams, in all and for each edge."""
    graph = random_graph()
    weights = edge_weights(graph.edge_index, centrality(graph, measure))
    rates = drop_rates(weights, rate)
    cut = (weights * rate - 0.7).clamp(min=0).mean()
    assert float(rates.mean()) == pytest.approx(rate - float(cut))
    dropped = 300 - torch.stack([keep_mask_by(rates, Stream(0, step)) for step in range(300)]).sum(0)
    sigma = (300 * rates * (1 - rates)).sqrt()
    assert abs(float(dropped.sum() - 300 * rates.sum())) < 4 * float(sigma.square().sum().sqrt())
    assert bool(((dropped - 300 * rates).abs() <= 5 * sigma).all())
    assert int(dropped[weights == 0].sum()) == 0  # the most central is never lost


@settings(max_examples=40, deadline=None)
@given(num=st.integers(2, 20), edges=st.integers(1, 50), seed=st.integers(0, 99), rate=st.floats(0, 0.99),
       threshold=st.floats(0.01, 0.99), measure=st.sampled_from(["degree", "pagerank"]))
def test_rates_are_probabilities_and_fall_with_centrality(num: int, edges: int, seed: int, rate: float,
                                                           threshold: float, measure: str) -> None:
    graph = random_graph(num, edges, seed)
    central = centrality(graph, measure)
    for rates, of in (
        (drop_rates(edge_weights(graph.edge_index, central), rate, threshold), central[graph.edge_index[1]]),
        (drop_rates(feature_weights(torch.eye(num), central), rate, threshold), central),
    ):
        assert bool(((rates >= 0) & (rates <= threshold)).all())
        order = of.argsort()
        assert bool((rates[order].diff() <= 1e-9).all())


def test_where_all_are_alike_the_rate_is_uniform() -> None:
    ring = torch.stack([torch.arange(9), torch.arange(1, 10) % 9])
    graph = Graph.from_edge_index(torch.cat([ring, ring.flip(0)], 1))
    for measure in MEASURES:
        assert edge_weights(graph.edge_index, centrality(graph, measure)).tolist() == [1.0] * 18
    assert edge_weights(graph.edge_index, torch.zeros(9)).tolist() == [1.0] * 18
    assert feature_weights(torch.ones(9, 3), torch.ones(9)).tolist() == [1.0] * 3
    assert feature_weights(torch.zeros(9, 3), torch.ones(9)).tolist() == [1.0] * 3  # nothing tells them apart


def test_nothing_given_nothing_dropped() -> None:
    none = torch.empty((2, 0), dtype=torch.int64)
    weights = edge_weights(none, torch.ones(3))
    assert weights.shape == (0,) and drop_edge_by(none, drop_rates(weights, 0.5), Stream(0)).shape == (2, 0)
    assert feature_weights(torch.ones(3, 0), torch.ones(3)).shape == (0,)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_equal_rates_drop_what_one_rate_drops(rate: float) -> None:
    """Keyed as `views.augment`: the same edges, bit for bit; nothing of torch's generator is used."""
    state = torch.get_rng_state()
    edges, stream = torch.arange(400).view(2, 200), Stream(5, 7)
    rates = torch.full((200,), rate, dtype=torch.float64)
    assert torch.equal(drop_edge_by(edges, rates, stream), drop_edge(edges, rate, stream))
    assert torch.equal(keep_mask_by(rates, stream), keep_mask(200, rate, stream))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_column_keeps_its_fate_when_others_come() -> None:
    rates = torch.rand(50, generator=torch.Generator().manual_seed(0)).double() * 0.9
    assert torch.equal(keep_mask_by(rates, Stream(1))[:20], keep_mask_by(rates[:20], Stream(1)))
    assert not torch.equal(keep_mask_by(rates, Stream(1)), keep_mask_by(rates, Stream(2)))


def test_refusals() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    for bad in ([1.0, -1.0], [1.0, float("nan")], [float("inf"), 1.0]):
        with pytest.raises(ValueError, match="a centrality must be finite and at least 0, got values from"):
            edge_weights(edges, torch.tensor(bad))
        with pytest.raises(ValueError, match="a centrality must be finite and at least 0, got values from"):
            feature_weights(torch.eye(2), torch.tensor(bad))
    with pytest.raises(ValueError, match=r"need one centrality per node \[2\], got \(3,\)"):
        feature_weights(torch.eye(2), torch.ones(3))
    with pytest.raises(ValueError, match=r"a drop rate must be in \[0, 1\), got 1\.0"):
        drop_rates(torch.ones(2), 1.0)
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\), got 1\.0"):
        drop_rates(torch.ones(2), 0.5, 1.0)
    with pytest.raises(ValueError, match=r"need drop rates \[n\] in \[0, 1\), got values from 0\.0 to 1\.0"):
        keep_mask_by(torch.tensor([0.0, 1.0]), Stream(0))
    with pytest.raises(ValueError, match=r"need drop rates \[n\] in \[0, 1\), got shape \(1, 1\)"):
        keep_mask_by(torch.zeros(1, 1), Stream(0))
    with pytest.raises(ValueError, match=r"need one rate per edge \(2,\), got \(3,\)"):
        drop_edge_by(edges, torch.zeros(3), Stream(0))
