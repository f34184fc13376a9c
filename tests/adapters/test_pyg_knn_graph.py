"""PyG's transform KNNGraph on a plain install, against torch-cluster's rule written out."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose
from torch_geometric.transforms import KNNGraph as Theirs

from graphns.pyg import KNNGraph

POS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


def rule(pos: torch.Tensor, k: int, loop: bool, cosine: bool) -> list[list[int]]:
    """The neighbours of each node, nearest first."""
    if cosine:
        unit = torch.nn.functional.normalize(pos.double(), dim=1)
        far = 1 - unit @ unit.T
    else:
        far = torch.cdist(pos.double(), pos.double(), compute_mode="donot_use_mm_for_euclid_dist")
    far.fill_diagonal_(-1.0 if loop else torch.inf)
    return [row[: min(k, len(pos) - (not loop))].tolist() for row in far.argsort(dim=1, stable=True)]


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("flow", ["source_to_target", "target_to_source"])
@pytest.mark.parametrize("k", [1, 6, 100])
def test_edges(loop: bool, cosine: bool, flow: str, k: int) -> None:
    data = KNNGraph(k, loop, flow=flow, cosine=cosine)(Data(pos=POS))
    wanted = rule(POS, k, loop, cosine)
    center, other = data.edge_index.flip(0) if flow == "source_to_target" else data.edge_index
    assert center.tolist() == [i for i, row in enumerate(wanted) for _ in row]
    assert other.tolist() == [j for row in wanted for j in row]
    both = KNNGraph(k, loop, force_undirected=True, flow=flow, cosine=cosine)(Data(pos=POS))
    pairs = {(i, j) for i, row in enumerate(wanted) for j in row}
    assert set(map(tuple, both.edge_index.T.tolist())) == pairs | {(j, i) for i, j in pairs}
    assert both.edge_index.shape[1] == len(pairs | {(j, i) for i, j in pairs}) and both.is_undirected()


def test_graphs_of_a_batch_are_not_joined() -> None:
    graphs = [Data(pos=POS[:7]), Data(pos=POS[7:8]), Data(pos=POS[8:30])]
    batch = KNNGraph(k=3)(Batch.from_data_list(graphs))
    apart = Batch.from_data_list([KNNGraph(k=3)(copy.copy(graph)) for graph in graphs])
    assert batch.edge_index.equal(apart.edge_index)
    assert (batch.batch[batch.edge_index[0]] == batch.batch[batch.edge_index[1]]).all()
    # nodes of a graph need not stand together
    mixed = Data(pos=POS[:30], batch=torch.arange(30) % 3)
    edges = KNNGraph(k=4)(mixed).edge_index
    assert (edges[0] % 3 == edges[1] % 3).all() and edges.shape[1] == 120


def test_data_and_arguments() -> None:
    """The arguments are PyG's; x stands in for pos; the data given stay as they are; old edges go."""
    ours, theirs = KNNGraph(), Theirs()
    assert {key: getattr(ours, key) for key in vars(theirs)} == vars(theirs) and repr(ours) == repr(theirs)
    before = Data(x=POS, edge_index=torch.tensor([[0], [1]]), edge_attr=torch.ones(1, 2), edge_weight=torch.ones(1))
    after = Compose([KNNGraph(k=2)])(before)
    assert after.edge_index.equal(KNNGraph(k=2)(Data(pos=POS)).edge_index)
    assert after.edge_attr is None and after.edge_weight is None
    assert before.edge_index.shape == (2, 1) and before.edge_attr is not None
    line = KNNGraph(k=1)(Data(pos=torch.tensor([0.0, 1.0, 3.0])))
    assert line.edge_index.tolist() == [[1, 0, 1], [0, 1, 2]]
    again = pickle.loads(pickle.dumps(KNNGraph(k=2, loop=True)))
    assert again(Data(pos=POS)).edge_index.equal(KNNGraph(k=2, loop=True)(Data(pos=POS)).edge_index)
    assert KNNGraph(k=2)(Data(pos=POS[:1])).edge_index.shape == (2, 0)


@pytest.mark.parametrize(("options", "data", "message"), [
    ({"k": 0}, Data(pos=POS), "at least 1, got 0"), ({"k": True}, Data(pos=POS), "got True"),
    ({"flow": "both"}, Data(pos=POS), "got 'both'"), ({}, Data(num_nodes=3), "neither pos nor x"),
    ({}, Data(pos=torch.tensor([[0.0], [torch.nan]])), "row 1 of x holds nan"),
])
def test_bad_input_is_refused(options: dict[str, Any], data: Data, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KNNGraph(**options)(data)
