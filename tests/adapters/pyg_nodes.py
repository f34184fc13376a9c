"""A graph for the tests of `NeighborSampler` under PyG's NodeLoader, and how they draw from it."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import NodeSamplerInput, SamplerOutput

from graphns.graph.graph import Graph
from graphns.pyg import NeighborSampler
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


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


def random_options() -> dict[str, Any]:
    return {"negatives": Uniform(GRAPH), "k": 4, "seed": 8}
