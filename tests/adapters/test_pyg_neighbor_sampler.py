"""Neighbourhoods for PyG's NodeLoader: PyG's form and meaning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import ImbalancedSampler, NodeLoader
from torch_geometric.nn import SAGEConv
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.utils import k_hop_subgraph, trim_to_layer

from graphns.base import Query, Sampler
from graphns.data.node import NodeData
from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler
from graphns.samplers.static.uniform import Uniform
from tests.adapters.pyg_data import assert_same
from tests.adapters.pyg_nodes import DATA, GRAPH, batches, made_data, sampled


@pytest.mark.parametrize("hops", [1, 2, 3])
@pytest.mark.parametrize("seeds", [[5], [3, 30, 11], [39, 0]])
def test_full_neighbourhoods_are_the_k_hop_subgraph(hops: int, seeds: list[int]) -> None:
    """Every node within reach, and every edge that points at one a hop nearer: copies and loops included."""
    batch = next(iter(NodeLoader(DATA, NeighborSampler(DATA, [-1] * hops), input_nodes=torch.tensor(seeds),
                                 batch_size=len(seeds))))
    reach, *_ = k_hop_subgraph(seeds, hops, DATA.edge_index, num_nodes=DATA.num_nodes)
    inner, *_ = k_hop_subgraph(seeds, hops - 1, DATA.edge_index, num_nodes=DATA.num_nodes) if hops > 1 else (
        torch.tensor(seeds),)
    assert batch.n_id[: len(seeds)].tolist() == seeds and batch.n_id.sort().values.tolist() == reach.tolist()
    assert batch.e_id.sort().values.tolist() == torch.isin(DATA.edge_index[1], inner).nonzero()[:, 0].tolist()
    assert torch.equal(batch.n_id[batch.edge_index], DATA.edge_index[:, batch.e_id])
    # what the loader slices follows
    assert torch.equal(batch.x, DATA.x[batch.n_id]) and torch.equal(batch.y, DATA.y[batch.n_id])
    assert torch.equal(batch.edge_attr, DATA.edge_attr[batch.e_id])
    assert batch.batch_size == len(seeds) and batch.input_id.tolist() == list(range(len(seeds)))
    assert "batch" not in batch and "seed_time" not in batch


@given(st.data())
def test_any_neighbourhood(draw: st.DataObject) -> None:
    """PyG's contract, hop by hop, for repeated seeds too."""
    data = made_data(seed=draw.draw(st.integers(0, 5)))
    seeds = draw.draw(st.lists(st.integers(0, 39), min_size=1, max_size=9))
    fanouts = draw.draw(st.lists(st.sampled_from([-1, 1, 2, 5]), max_size=3))
    options = draw.draw(st.sampled_from([{}, {"replace": True}, {"weighted": True}]))
    sampler = NeighborSampler(data, fanouts, seed=draw.draw(st.integers(0, 3)), **options)
    out = sampled(sampler, seeds)
    assert len(out.metadata) == 2 and out.metadata[0].tolist() == seeds and out.metadata[1] is None
    assert out.node[: len(seeds)].tolist() == seeds and out.num_sampled_nodes[0] == len(seeds)
    assert len(out.num_sampled_nodes) - 1 == len(out.num_sampled_edges) == len(fanouts)
    assert sum(out.num_sampled_nodes) == len(out.node) == len(seeds) + len(set(out.node.tolist()) - set(seeds))
    assert sum(out.num_sampled_edges) == len(out.row) == len(out.col) == len(out.edge)
    edge = out.edge
    assert torch.equal(data.edge_index[:, edge], torch.stack([out.node[out.row], out.node[out.col]]))
    in_degree = torch.bincount(data.edge_index[1], minlength=40)
    of_weight = torch.bincount(data.edge_index[1][data.edge_weight > 0], minlength=40)
    start = first = 0
    for hop, fanout in enumerate(fanouts):
        stop, last = start + out.num_sampled_edges[hop], first + out.num_sampled_nodes[hop]
        assert out.col[start:stop].sort().values.equal(out.col[start:stop])
        per_node = torch.bincount(out.col[start:stop], minlength=len(out.node))
        assert int(per_node.sum()) == int(per_node[first:last].sum())  # nodes of the hop before, and no others
        degree = in_degree[out.node[first:last]]
        if "weighted" in options and fanout > 0:  # whole rows are taken whatever their weights
            degree = torch.where(degree > fanout, of_weight[out.node[first:last]], degree)
        if "replace" in options and fanout > 0:
            degree = torch.where(degree > 0, fanout, 0)
        assert torch.equal(per_node[first:last], degree if fanout == -1 else degree.clamp(max=fanout))
        rows = [tuple(pair) for pair in torch.stack([edge[start:stop], out.col[start:stop]], 1).tolist()]
        if "replace" not in options or fanout == -1:
            assert len(set(rows)) == len(rows)
        start, first = stop, last
    # no row of a repeated seed stands apart: all have the same neighbours, and messages start at the first
    starts = set(out.row.tolist())
    for place, seed in enumerate(seeds):
        if seeds.index(seed) < place:
            assert place not in starts
            assert edge[out.col == place].tolist() == edge[out.col == seeds.index(seed)].tolist()


def test_a_layer_at_a_time() -> None:
    """`trim_to_layer` leaves out what the seeds do not see: the numbers of nodes and edges a hop are right."""
    torch.manual_seed(0)
    layers = nn.ModuleList([SAGEConv(2, 4), SAGEConv(4, 4), SAGEConv(4, 3)])
    sampler = NeighborSampler(DATA, [3, 2, 2], negatives=Uniform(GRAPH), k=2)
    loader = NodeLoader(DATA, sampler, input_nodes=torch.tensor([4, 4, 9, 17]), batch_size=4, **sampler.hooks())
    batch = next(iter(loader))
    whole = trimmed = batch.x
    edge_index = batch.edge_index
    for number, layer in enumerate(layers):
        whole = layer(whole, batch.edge_index)
        trimmed, edge_index, _ = trim_to_layer(number, batch.num_sampled_nodes, batch.num_sampled_edges, trimmed,
                                               edge_index)
        trimmed = layer(trimmed, edge_index)
    seen = batch.num_sampled_nodes[0]
    assert int(batch.negative_id.max()) < seen
    torch.testing.assert_close(trimmed[:seen], whole[:seen])
    torch.testing.assert_close(whole[0], whole[1])  # node 4 twice


@pytest.mark.parametrize("weighted", [False, True])
def test_neighbours_have_their_chances(weighted: bool) -> None:
    """Over passes: uniform pairs of five neighbours; or single ones in proportion to their weights."""
    weight = torch.tensor([1.0, 2.0, 0.0, 3.0, 4.0])
    star = Data(edge_index=torch.stack([torch.arange(1, 6), torch.zeros(5, dtype=torch.int64)]), edge_weight=weight,
                num_nodes=6)
    sampler = NeighborSampler(star, [1 if weighted else 2], weighted=weighted)
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(3000):
        sampler.set_epoch(epoch)
        drawn = tuple(sorted(sampled(sampler, [0]).node[1:].tolist()))
        counts[drawn] = counts.get(drawn, 0) + 1
    if weighted:
        assert chisquare([counts.pop((n,)) for n in (1, 2, 4, 5)], [300, 600, 900, 1200]).pvalue > 1e-3 and not counts
    else:
        assert len(counts) == 10 and chisquare(list(counts.values())).pvalue > 1e-3


def test_a_graph_or_its_data() -> None:
    """From a `Graph`, or from data in its order, edges have the same ids."""
    data = Data(edge_index=GRAPH.edge_index, num_nodes=GRAPH.num_nodes, edge_attr=torch.arange(GRAPH.num_edges))
    first = batches(NeighborSampler(GRAPH, [3, 2], seed=4), data)
    assert_same(first, batches(NeighborSampler(data, [3, 2], seed=4), data))
    for batch in first:
        assert torch.equal(batch.n_id[batch.edge_index], GRAPH.edge_index[:, batch.edge_attr])
    node_data = NodeData("tiny", torch.eye(3), torch.tensor([[0, 1], [1, 2]]), torch.zeros(3, dtype=torch.int64))
    assert sampled(NeighborSampler(node_data, [-1]), [1]).node.tolist() == [1, 0, 2]


def test_classes_made_equal_repeat_their_nodes() -> None:
    """PyG's ImbalancedSampler gives a node several times in a batch: each place has its row."""
    sampler = NeighborSampler(DATA, [3])
    torch.manual_seed(3)
    loader = NodeLoader(DATA, sampler, input_nodes=None, batch_size=25,
                        sampler=ImbalancedSampler(DATA.y * (DATA.y > 1), num_samples=50))
    repeated = 0
    for batch in loader:
        seeds = batch.n_id[: batch.batch_size]
        assert torch.equal(seeds, batch.input_id) and batch.batch_size == 25
        repeated += 25 - len(seeds.unique())
    assert repeated > 5


# --- wrong use


class Far(Sampler):
    """Draws a node that is not there."""

    def sample(self, query: Query) -> Any:
        return Uniform(Graph.empty(40))(query)._replace(ids=torch.full((query.batch_size, query.k), 99))


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(num_neighbors=[2, -2]), "at least 0, or -1 for all neighbours, got -2"),
    (dict(num_neighbors={("paper", "to", "paper"): [2]}), "a dict by kind of edge, but the data have one kind"),
    (dict(k=0), "k must be at least 1, got 0"),
    (dict(negatives="uniform"), "a sampler, such as Uniform.graph., got str"),
    (dict(weighted=True, data=GRAPH), "weighted=True needs a graph with weights: Graph.from_edge_index"),
    (dict(weighted=True, data=Data(edge_index=DATA.edge_index, num_nodes=40)), "weights: set data.edge_weight"),
    (dict(data=Graph.empty((2, 3))), "one kind of node"),
    (dict(data=Data(adj_t=torch.eye(3).to_sparse(), num_nodes=3)), "adj_t must be a SparseTensor of torch-sparse"),
    (dict(temporal_strategy="first"), "must be 'uniform' or 'last', got 'first'"),
    (dict(time_attr="when"), "The time attribute 'when' is neither a node-level or edge-level attribute"),
    (dict(disjoint=True, subgraph_type="induced"), "'disjoint' sampling not supported with `subgraph_type='induced'`"),
    (dict(temporal_strategy="last", weighted=True), "temporal_strategy='last' leaves no choice to weights"),
    (dict(is_sorted=True), "is_sorted=True, but the columns of edge_index are not sorted by destination"),
    (dict(data=GRAPH, weight_attr="w"), "name attributes of PyG's data, but got a Graph"),
    (dict(data=HeteroData(), weight_attr="w", num_neighbors=[]), "no kind of edge has weights"),
    (dict(data=Data(edge_index=DATA.edge_index, num_nodes=5)), r"source ids run from 0 to 36, outside \[0, 5\)"),
    (dict(data=Data(edge_index=DATA.edge_index.float(), num_nodes=40)), "must hold integers, got torch.float32"),
])
def test_bad_input_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NeighborSampler(**{"data": DATA, "num_neighbors": [2], **arguments})


def test_bad_calls_are_refused() -> None:
    sampler = NeighborSampler(DATA, [2])
    with pytest.raises(ValueError, match=r"seed 40 is outside \[0, 40\)"):
        sampled(sampler, [3, 40])
    with pytest.raises(ValueError, match="seeds of type 'paper'"):
        sampler.sample_from_nodes(NodeSamplerInput(torch.tensor([0]), torch.tensor([0]), input_type="paper"))
    with pytest.raises(ValueError, match="Far drew 99, but there are 40 nodes to draw from"):
        sampled(NeighborSampler(DATA, [2], negatives=Far()), [0])
