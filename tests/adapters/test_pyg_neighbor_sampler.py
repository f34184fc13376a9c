"""Neighbourhoods and negatives for PyG's NodeLoader: PyG's form and meaning, the same in any process."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import ImbalancedSampler, NodeLoader
from torch_geometric.nn import SAGEConv
from torch_geometric.sampler import NodeSamplerInput, SamplerOutput
from torch_geometric.utils import k_hop_subgraph, trim_to_layer

from graphns.base import Query, Sampler
from graphns.data.digits import digits
from graphns.data.node import NodeData
from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler
from graphns.samplers.compose.scheduled import Scheduled
from graphns.samplers.efficient.in_batch import InBatch
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.contract.cases import NAMES, build, hub_graph


def made_data(num_nodes: int = 40, num_edges: int = 160, seed: int = 0) -> Data:
    """A graph in no order, with copied edges, loops and nodes without edges; features and attributes tell the ids."""
    words = Stream(seed).words(torch.arange(2), num_edges)
    edge_index = (words >> 8) % (num_nodes - 3)
    edge_index[:, 1::9] = edge_index[:, 0::9][:, : edge_index[:, 1::9].shape[1]]
    node, edge = torch.arange(num_nodes), torch.arange(edge_index.shape[1])
    return Data(x=torch.stack([node, -node], 1).float(), y=node % 3, edge_index=edge_index, edge_attr=edge.float(),
                edge_weight=(edge % 4).double(), num_nodes=num_nodes)


DATA = made_data()
GRAPH = Graph.from_edge_index(DATA.edge_index, DATA.num_nodes)


def sampled(sampler: NeighborSampler, seeds: list[int], input_id: list[int] | None = None) -> SamplerOutput:
    ids = torch.tensor(seeds if input_id is None else input_id)
    return sampler.sample_from_nodes(NodeSamplerInput(ids, torch.tensor(seeds)))


def batches(sampler: NeighborSampler, data: Data = DATA, **options: Any) -> list[Data]:
    options = {"input_nodes": torch.arange(data.num_nodes).flip(0), "batch_size": 7, **options}
    return list(NodeLoader(data, sampler, **sampler.hooks(), **options))


def assert_same(first: list[Data], second: list[Data]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            same = torch.equal(value, other[key]) if isinstance(value, Tensor) else value == other[key]
            assert same, key


# --- the neighbourhoods


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
    in_degree = torch.bincount(data.edge_index[1][data.edge_weight > 0 if "weighted" in options else slice(None)],
                               minlength=40)
    start = first = 0
    for hop, fanout in enumerate(fanouts):
        stop, last = start + out.num_sampled_edges[hop], first + out.num_sampled_nodes[hop]
        assert out.col[start:stop].sort().values.equal(out.col[start:stop])
        per_node = torch.bincount(out.col[start:stop], minlength=len(out.node))
        assert int(per_node.sum()) == int(per_node[first:last].sum())  # nodes of the hop before, and no others
        degree = in_degree[out.node[first:last]]
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


# --- any process, any state of the world


def random_options() -> dict[str, Any]:
    return {"negatives": Uniform(GRAPH), "k": 4, "seed": 8}


@pytest.mark.parametrize("per_worker", [True, False])
@pytest.mark.parametrize(("workers", "way"), [(2, "fork"), (1, "spawn")])
def test_workers_give_the_same_batches(workers: int, way: str, per_worker: bool) -> None:
    if way == "spawn" and not per_worker:
        return  # one new interpreter is enough: where filtering happens is the loader's affair
    sampler = NeighborSampler(DATA, [3, 2], **random_options())
    sampler.set_epoch(6)
    here = batches(sampler)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    there = batches(sampler, num_workers=workers, multiprocessing_context=way, filter_per_worker=per_worker,
                    timeout=120)
    assert_same(here, there)
    assert here[0].negative_id.shape == (7, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_generators_are_left_alone(workers: int) -> None:
    """The draws take nothing from the global generators, and their states change nothing."""
    sampler = NeighborSampler(DATA, [3, 2], **random_options())
    states = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index,union-attr]
    before = torch.get_rng_state()
    out = [sampled(sampler, [4, 9]) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index,union-attr]
    assert torch.equal(out[0].node, out[1].node)
    torch.manual_seed(5)
    first = batches(sampler, num_workers=workers, timeout=120 if workers else 0)
    torch.manual_seed(6)
    assert_same(first, batches(sampler, num_workers=workers, timeout=120 if workers else 0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_every_pass_draws_anew_where_it_is_told(workers: int, persistent: bool) -> None:
    if persistent and not workers:
        return
    sampler = NeighborSampler(DATA, [1, 1], **random_options())
    loader = NodeLoader(DATA, sampler, input_nodes=None, batch_size=20, num_workers=workers, **sampler.hooks(),
                        persistent_workers=persistent, timeout=120 if workers else 0)
    passes = []
    for epoch in (0, 1, 0, 2):
        sampler.set_epoch(epoch)
        assert sampler.epoch == epoch
        passes.append(list(loader))
    loader._iterator = None  # ends the workers now; left to the garbage collector, torch waits 5 s for each
    assert_same(passes[0], passes[2])
    for other in (1, 3):
        assert not torch.equal(passes[0][0].n_id, passes[other][0].n_id)
        assert not torch.equal(passes[0][0].n_id[passes[0][0].negative_id],
                               passes[other][0].n_id[passes[other][0].negative_id])


def test_a_node_keeps_what_was_drawn_for_it_in_any_batch() -> None:
    sampler = NeighborSampler(DATA, [2], **random_options())
    found: dict[int, set[tuple[Any, ...]]] = {}
    for size in (1, 6, 40):
        for batch in batches(sampler, batch_size=size, input_nodes=torch.arange(40)):
            for place, node in enumerate(batch.n_id[: batch.batch_size].tolist()):
                drawn = batch.n_id[batch.negative_id[place]].tolist()
                edges = batch.e_id[batch.edge_index[1] == place].tolist()
                found.setdefault(node, set()).add((tuple(drawn), tuple(edges)))
    assert len(found) == 40 and all(len(each) == 1 for each in found.values())


def test_copies_are_alike_and_apart() -> None:
    sampler = NeighborSampler(DATA, [2, 2], **random_options())
    sampler.set_epoch(3)
    for other in (copy.deepcopy(sampler), pickle.loads(pickle.dumps(sampler))):
        assert other.epoch == 3 and torch.equal(sampled(other, [7]).node, sampled(sampler, [7]).node)
        other.set_epoch(4)
        assert sampler.epoch == 3 and other._epoch.is_shared()


# --- the negatives


def test_negatives_are_what_the_sampler_says() -> None:
    """Never a neighbour, never the seed; keyed by input_id and epoch, as a query of one's own would be."""
    uniform = Uniform(GRAPH)
    sampler = NeighborSampler(DATA, [3], negatives=uniform, k=30, seed=2)
    sampler.set_epoch(5)
    seen = 0
    for batch in batches(sampler):
        seeds = batch.n_id[: batch.batch_size]
        drawn = batch.n_id[batch.negative_id]
        query = Query(seeds, seeds, 30, stream=Stream(2, 5).child(1), row=batch.input_id, epoch=5)
        expected = uniform(query)
        assert torch.equal(drawn, expected.ids) and torch.equal(batch.negative_mask, expected.mask)
        assert expected.log_prob is not None and torch.equal(batch.negative_log_prob, expected.log_prob)
        assert bool(batch.negative_mask.all()) and not bool((drawn == seeds[:, None]).any())
        assert not bool(GRAPH.has_edge(seeds, drawn).any())
        # embedded like seeds: they stand behind them, once each, and have neighbours
        further = batch.n_id[batch.batch_size : batch.num_sampled_nodes[0]]
        assert set(further.tolist()) == set(drawn.flatten().tolist()) - set(seeds.tolist())
        assert len(batch.n_id.unique()) == len(batch.n_id)
        at = batch.negative_id.flatten()
        degree = torch.bincount(batch.edge_index[1], minlength=len(batch.n_id))[at]
        in_degree = torch.bincount(DATA.edge_index[1], minlength=40)[drawn.flatten()]
        assert torch.equal(degree, in_degree.clamp(max=3))
        seen += batch.batch_size
    assert seen == 40


def test_shared_negatives_cost_k_nodes_a_batch() -> None:
    sampler = NeighborSampler(DATA, [2], negatives=Shared.from_graph(GRAPH), k=16)
    for batch in batches(sampler):
        assert batch.negative_id.shape == (1, 16) and batch.negative_mask.shape == (batch.batch_size, 16)
        seeds, drawn = batch.n_id[: batch.batch_size], batch.n_id[batch.negative_id]
        wrong = GRAPH.has_edge(seeds, drawn) | (drawn == seeds[:, None])
        assert torch.equal(~wrong, batch.negative_mask)
        assert batch.negative_log_prob.shape == (batch.batch_size, 16)
        assert batch.num_sampled_nodes[0] <= batch.batch_size + 16


def test_negatives_of_the_batch_cost_nothing() -> None:
    """In-batch: no seed beyond the batch's; empty slots of a short batch point at a node that is there."""
    sampler = NeighborSampler(DATA, [2], negatives=InBatch(GRAPH, popularity="uniform"), k=9)
    for batch in batches(sampler, batch_size=9):
        size = batch.batch_size
        assert batch.num_sampled_nodes[0] == size
        assert batch.negative_id[0, :size].tolist() == list(range(size))
        assert not bool(batch.negative_mask[:, size:].any())
        assert int(batch.negative_id.max()) < len(batch.n_id)


def test_a_masked_slot_asks_for_no_node() -> None:
    """A hub of a small graph has no candidate: what stands in its slots is nobody's seed."""
    star = Graph.from_edge_index(torch.stack([torch.zeros(5, dtype=torch.int64), torch.arange(1, 6)]))
    out = sampled(NeighborSampler(star, [], negatives=Uniform(star), k=4), [0])
    assert out.node.tolist() == [0] and not bool(out.metadata[2].negatives.mask.any())
    assert out.metadata[2].negatives.ids.tolist() == [[0] * 4]


def test_repeated_seeds_and_their_negatives() -> None:
    sampler = NeighborSampler(DATA, [2], negatives=Uniform(GRAPH), k=6)
    alone, twice = sampled(sampler, [8, 3], [0, 1]), sampled(sampler, [8, 8, 3, 8], [0, 5, 1, 0])
    assert twice.node[:4].tolist() == [8, 8, 3, 8]
    first, second = (out.node[out.metadata[2].negatives.ids] for out in (alone, twice))
    assert torch.equal(second[[0, 2, 3]], first[[0, 1, 0]])
    assert not torch.equal(second[1], second[0])  # another example of the same node


def test_a_schedule_hears_of_the_epoch() -> None:
    """A sampler that changes with the epoch is told it."""
    to_the_first = torch.cartesian_prod(torch.arange(40), torch.arange(30)).T
    narrow = Uniform(Graph.from_edge_index(torch.cat([DATA.edge_index, to_the_first], 1), 40))
    sampler = NeighborSampler(DATA, [1], negatives=Scheduled([(0, Uniform(GRAPH)), (2, narrow)]), k=20)
    lowest = []
    for epoch in (1, 2):
        sampler.set_epoch(epoch)
        lowest.append(min(int(b.n_id[b.negative_id][b.negative_mask].min()) for b in batches(sampler)))
    assert lowest[0] < 30 <= lowest[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_is_served_or_refused(name: str) -> None:
    graph = hub_graph()
    negatives = build(name, graph)
    data = Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes)
    base = getattr(negatives, "base", None)
    splits = negatives.model_aware and isinstance(base, Sampler) and not base.model_aware
    if negatives.stateful or negatives.trainable or (negatives.model_aware and not splits):
        why = "reads the model" if negatives.model_aware and not splits else (
            "keeps state" if negatives.stateful else "learns")
        with pytest.raises(ValueError, match=rf"{why}, and a loader draws before.*choose among batch.negative_id"):
            NeighborSampler(data, [2], negatives=negatives, k=3)
        return
    sampler = NeighborSampler(data, [2], negatives=negatives, k=3)
    if splits:  # tests/adapters/test_pyg_two_stages.py
        return
    seeds = torch.tensor([0, 7, 7, 19])
    query = Query(seeds, seeds, 3, stream=Stream(0, 0).child(1), row=seeds, time=None)
    answer = negatives(query)
    if answer.anchor is not None or answer.vectors is not None:
        with pytest.raises(ValueError, match="needs ids of nodes"):
            sampled(sampler, seeds.tolist())
        return
    out = sampled(sampler, seeds.tolist())
    drawn = out.metadata[2].negatives
    assert torch.equal(drawn.mask, answer.mask)
    mask = drawn.mask.any(0, keepdim=True) if len(drawn.ids) == 1 else drawn.mask
    assert torch.equal(out.node[drawn.ids][mask], answer.ids[mask])


# --- training


class Sage(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.first, self.second = SAGEConv(num_features, 32), SAGEConv(32, 16)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        embeddings: Tensor = self.second(self.first(x, edge_index).relu(), edge_index)
        return embeddings


def test_a_sage_learns_links() -> None:
    """Unsupervised GraphSAGE on the digits' k-NN graph: neighbours of a seed score above its negatives."""
    images = digits()
    data = Data(x=images.x, edge_index=images.edge_index)
    sampler = NeighborSampler(data, [5, 5], negatives=Uniform(images.graph), k=4)
    loader = NodeLoader(data, sampler, input_nodes=None, batch_size=256, shuffle=True, **sampler.hooks())
    torch.manual_seed(0)
    model = Sage(images.num_features)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        total = 0.0
        for batch in loader:
            z = model(batch.x, batch.edge_index)
            of_seed = batch.edge_index[:, batch.edge_index[1] < batch.batch_size]
            positive = (z[of_seed[0]] * z[of_seed[1]]).sum(1)
            negative = torch.einsum("bd,bkd->bk", z[: batch.batch_size], z[batch.negative_id])[batch.negative_mask]
            loss = nn.functional.softplus(-positive).mean() + nn.functional.softplus(negative).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        losses.append(total / len(loader))
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0], losses


# --- wrong use


class Far(Sampler):
    """Draws a node that is not there."""

    def sample(self, query: Query) -> Any:
        return Uniform(Graph.empty(40))(query)._replace(ids=torch.full((query.batch_size, query.k), 99))


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(num_neighbors=[2, -2]), "at least 0, or -1 for all neighbours, got -2"),
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


def test_without_hooks_and_with_a_transform() -> None:
    """Without the hooks a batch holds no negatives; with them, one's own transform sees them."""
    sampler = NeighborSampler(DATA, [2], **random_options())
    plain = next(iter(NodeLoader(DATA, sampler, input_nodes=None, batch_size=5)))
    assert "negative_id" not in plain and plain.num_sampled_nodes[0] > 5

    def mark(batch: Data) -> Data:
        batch.far = batch.n_id[batch.negative_id]
        return batch

    batch = next(iter(NodeLoader(DATA, sampler, input_nodes=None, batch_size=5, **sampler.hooks(mark))))
    assert torch.equal(batch.far, batch.n_id[batch.negative_id])
    assert sampled(NeighborSampler(DATA, [1], negatives=Uniform(GRAPH)), [0]).metadata[2].negatives.ids.shape == (1, 1)
