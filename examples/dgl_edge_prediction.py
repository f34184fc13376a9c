"""Link prediction in mini-batches: DGL's `examples/pytorch/graphsage/link_pred.py` with two imports replaced.

On ogbl-collab, whose validation edges OGB's evaluator ranks. DGL 1.1.3. One import is for the negatives; the other for
the data, which OGB 1.3.6 loads as torch before 2.6 did.

    python examples/dgl_edge_prediction.py --epochs 10
"""

from __future__ import annotations

import argparse
import os.path as osp
from typing import Any

import dgl
import dgl.nn as dglnn
import torch
import torch.nn.functional as F
from dgl.dataloading import DataLoader, MultiLayerFullNeighborSampler, NeighborSampler, as_edge_prediction_sampler
from torch import Tensor

from graphns.dgl import PerSourceUniform  # was: from dgl.dataloading.negative_sampler import PerSourceUniform
from graphns.ogb import DglLinkPropPredDataset, Evaluator  # was: from ogb.linkproppred


class SAGE(torch.nn.Module):
    """Two layers of GraphSAGE, and a perceptron on products of embeddings."""

    def __init__(self, in_size: int, hid_size: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([dglnn.SAGEConv(in_size, hid_size, "mean"),
                                           dglnn.SAGEConv(hid_size, hid_size, "mean")])
        self.predictor = torch.nn.Sequential(torch.nn.Linear(hid_size, hid_size), torch.nn.ReLU(),
                                             torch.nn.Linear(hid_size, 1))

    def forward(self, blocks: list[Any], x: Tensor) -> Tensor:
        """Embeddings [n, hid_size] of the last block's destinations."""
        return self.layers[1](blocks[1], self.layers[0](blocks[0], x).relu())

    def score(self, h: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Scores [n] of pairs of places in h."""
        return self.predictor(h[source] * h[target]).squeeze(1)


@torch.no_grad()
def test(model: SAGE, graph: Any, split: dict[str, dict[str, Tensor]], batch_size: int) -> dict[str, float]:
    """Hits@50 of validation and test edges, by OGB's evaluator."""
    model.eval()
    loader = DataLoader(graph, graph.nodes(), MultiLayerFullNeighborSampler(2), batch_size=batch_size)
    h = torch.cat([model(blocks, graph.ndata["feat"][nodes]) for nodes, _, blocks in loader])
    evaluator = Evaluator(name="ogbl-collab")
    return {part: evaluator.eval({"y_pred_pos": model.score(h, *split[part]["edge"].t()),
                                  "y_pred_neg": model.score(h, *split[part]["edge_neg"].t())})["hits@50"]
            for part in ("valid", "test")}


def main() -> None:
    """Train, and print the loss and the figures of every epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default="data", help="OGB downloads to ROOT/ogb")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch_size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=0.0005)
    args = parser.parse_args()
    torch.manual_seed(0)
    dgl.seed(0)  # of the neighbours, which DGL draws

    dataset = DglLinkPropPredDataset(name="ogbl-collab", root=osp.join(args.root, "ogb"))
    split = dataset.get_edge_split()
    graph = dgl.remove_self_loop(dgl.to_bidirected(dataset[0], copy_ndata=True))  # each edge once in each direction
    source, target = graph.edges()
    sampler = as_edge_prediction_sampler(
        NeighborSampler([15, 10], prefetch_node_feats=["feat"]), exclude="reverse_id",
        reverse_eids=graph.edge_ids(target, source), negative_sampler=PerSourceUniform(1))
    loader = DataLoader(graph, torch.arange(graph.num_edges()), sampler, batch_size=args.batch_size, shuffle=True)

    model = SAGE(graph.ndata["feat"].shape[1], 256)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        model.train()
        total_loss = 0.0
        for _, pair_graph, neg_pair_graph, blocks in loader:
            h = model(blocks, blocks[0].srcdata["feat"])
            score = torch.cat([model.score(h, *pair_graph.edges()), model.score(h, *neg_pair_graph.edges())])
            label = torch.cat([torch.ones(pair_graph.num_edges()), torch.zeros(neg_pair_graph.num_edges())])
            loss = F.binary_cross_entropy_with_logits(score, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.item() * pair_graph.num_edges()
        hits = test(model, graph, split, args.batch_size)
        print(f"Epoch: {epoch:02d}, Loss: {total_loss / graph.num_edges():.4f}, Valid: {100 * hits['valid']:.2f}%, "
              f"Test: {100 * hits['test']:.2f}%")


if __name__ == "__main__":
    main()
