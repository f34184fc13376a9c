"""Seeds, labels, times and places of seed edges: what PyG's own `edge_sample` makes of the same negatives."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.sampler import EdgeSamplerInput, NegativeSampling
from torch_geometric.sampler.neighbor_sampler import edge_sample

from graphns.adapters.pyg.relations import ONE
from graphns.graph.subgraphs import Trees, sample_subgraph
from graphns.pyg import NeighborSampler
from tests.adapters.pyg_data import BACK, TO_AUTHOR, TO_PAPER, heterogeneous, homogeneous, ids, pairs

HOMOGENEOUS, HETEROGENEOUS = homogeneous(), heterogeneous()


class Numbered(NegativeSampling):
    """Negatives that follow from their number alone, so that two callers get the same."""

    def sample(self, num_samples: int, endpoint: str, num_nodes: int | None = None) -> Tensor:
        assert num_nodes is not None
        return ids(50 + (endpoint == "dst"), num_samples, num_nodes)


def theirs(sampler: NeighborSampler, index: EdgeSamplerInput, config: Any) -> tuple[Any, Any, Any]:
    """PyG's function around our subgraphs: its output, the seeds and times that it asked for."""
    asked: list[Any] = []

    def sample(seed: Any, seed_time: Any) -> Any:
        asked.append((seed, seed_time))
        seeds = seed if isinstance(seed, dict) else {ONE: seed}
        size = sum(len(each) for each in seeds.values())
        trees = Trees(torch.arange(size)) if sampler.disjoint else None
        found = sample_subgraph(sampler.prepared.relations, sampler.prepared.num_nodes, seeds, sampler._fanouts,
                                sampler._streams(0)[0], trees=trees)
        tree = found.tree
        return type("Out", (), {"batch": tree if isinstance(seed, dict) or tree is None else tree[ONE]})()

    num_nodes = sampler.prepared.num_nodes
    times = sampler.prepared.node_time
    hetero = sampler.prepared.hetero
    out = edge_sample(index, sample, num_nodes if hetero else num_nodes[ONE], sampler.disjoint,
                      times if hetero else times.get(ONE), config)
    return out, *asked[0]


@pytest.mark.parametrize(("kind", "mode", "amount", "way"), [
    case for case in product([None, TO_PAPER, TO_AUTHOR, BACK], ["binary", "triplet", None], [1, 3, 0.5, 1.25],
                             ["joint", "disjoint", "temporal"])
    if case[1] == "binary" or case[2] in ((1, 3) if case[1] else (1,))
])
def test_the_layout_is_pygs(kind: Any, mode: str | None, amount: float, way: str) -> None:
    data = HOMOGENEOUS if kind is None else HETEROGENEOUS
    sampler = NeighborSampler(data, [], disjoint=way == "disjoint", time_attr="time" if way == "temporal" else None)
    edge_index = data.edge_index if kind is None else data[kind].edge_index
    columns = torch.arange(5, 17)
    time = ids(77, 12, 100) if way == "temporal" else None
    label = torch.arange(12) % 3 if mode == "binary" and amount == 3 else None
    index = EdgeSamplerInput(columns, *edge_index[:, columns], label, time, kind)
    configs = [None if mode is None else Numbered(mode, amount) for _ in range(2)]
    expected, seeds, times = theirs(sampler, index, configs[0])
    found = sampler.sample_from_edges(index, configs[1])
    assert len(found.metadata) == len(expected.metadata)
    for one, other in zip(found.metadata, expected.metadata, strict=True):
        if other is None:
            assert one is None
        else:
            assert torch.equal(one, other) and one.dtype == other.dtype
    for name, own in (seeds.items() if isinstance(seeds, dict) else [(ONE, seeds)]):
        node = found.node if kind is None else found.node[name]
        assert torch.equal(node, own)
        num = math.ceil(12 * amount) if mode else 0
        if way != "joint" and num % 12 == 0:  # else PyG gives the negatives of one edge to another
            batch = found.batch if kind is None else found.batch[name]
            assert torch.equal(batch, expected.batch if kind is None else expected.batch[name])
    if way == "temporal":
        asked = torch.cat(list(times.values())) if isinstance(times, dict) else times
        owner = torch.cat([found.batch[k] for k in dict.fromkeys((kind[0], kind[-1]))] if kind else [found.batch])
        assert torch.equal(asked, time[owner])  # type: ignore[index]


def test_a_half_amount_keeps_its_trees_with_their_edges() -> None:
    """Where PyG's disjoint batch vector gives them to others: the first edges have the negatives."""
    sampler = NeighborSampler(HOMOGENEOUS, [], disjoint=True)
    index = EdgeSamplerInput(None, *HOMOGENEOUS.edge_index[:, :4])
    out = sampler.sample_from_edges(index, NegativeSampling("binary", 1.5))
    assert out.batch.tolist() == 2 * [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_no_edges_give_an_empty_batch() -> None:
    none = torch.empty(0, dtype=torch.int64)
    for mode, disjoint in product(["binary", "triplet"], [False, True]):
        out = NeighborSampler(HOMOGENEOUS, [2], disjoint=disjoint).sample_from_edges(
            EdgeSamplerInput(none, none, none), NegativeSampling(mode, 2))
        assert len(out.node) == 0 and out.metadata[1].numel() == 0


def test_ids_keep_their_width() -> None:
    narrow = homogeneous(dtype=torch.int32)
    seeds = EdgeSamplerInput(None, *narrow.edge_index[:, :4])
    out = NeighborSampler(narrow, [3]).sample_from_edges(seeds)
    assert out.node.dtype == out.row.dtype == out.col.dtype == torch.int32
    trees = NeighborSampler(narrow, [3], disjoint=True).sample_from_edges(seeds)
    assert trees.node.dtype == trees.batch.dtype == torch.int32
    wide = NeighborSampler(HOMOGENEOUS, [3]).sample_from_edges(EdgeSamplerInput(None, *pairs(3, 4, 60, 60)))
    assert wide.node.dtype == torch.int64
