"""GraphSAGE without labels on Planetoid: PyG's `examples/graph_sage_unsup.py` with one import replaced.

PyG's loader needs pyg-lib or torch-sparse; the one imported here runs on a plain install.

    python examples/pyg_graph_sage_unsup.py --dataset Cora --epochs 10
"""

from __future__ import annotations

import argparse
import os.path as osp

import torch
import torch.nn.functional as F
import torch_geometric.transforms as T
from sklearn.linear_model import LogisticRegression
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid
from torch_geometric.nn import GraphSAGE

from graphns.pyg import LinkNeighborLoader  # was: from torch_geometric.loader import LinkNeighborLoader


def train(model: GraphSAGE, optimizer: torch.optim.Optimizer, loader: LinkNeighborLoader,
          device: torch.device) -> float:
    """One pass over all edges, in batches that bring one negative for each."""
    model.train()
    total_loss, total_pairs = 0.0, 0
    for batch in loader:
        batch = batch.to(device)
        optimizer.zero_grad()
        h = model(batch.x, batch.edge_index)
        pred = (h[batch.edge_label_index[0]] * h[batch.edge_label_index[1]]).sum(dim=-1)
        loss = F.binary_cross_entropy_with_logits(pred, batch.edge_label)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * pred.size(0)
        total_pairs += pred.size(0)
    return total_loss / total_pairs


@torch.no_grad()
def test(model: GraphSAGE, data: Data) -> tuple[float, float]:
    """Accuracy of a logistic regression on the embeddings: validation, test."""
    model.eval()
    out, y = model(data.x, data.edge_index).cpu().numpy(), data.y.cpu().numpy()
    train_mask, val_mask, test_mask = (mask.cpu().numpy() for mask in (data.train_mask, data.val_mask, data.test_mask))
    clf = LogisticRegression(max_iter=1000).fit(out[train_mask], y[train_mask])
    return float(clf.score(out[val_mask], y[val_mask])), float(clf.score(out[test_mask], y[test_mask]))


def main() -> None:
    """Train, and print the accuracies after every epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="Cora", choices=["Cora", "CiteSeer", "PubMed"])
    parser.add_argument("--root", default="data", help="PyG downloads to ROOT/Planetoid")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(12345)

    data = Planetoid(osp.join(args.root, "Planetoid"), args.dataset, transform=T.NormalizeFeatures())[0]
    loader = LinkNeighborLoader(data, batch_size=256, shuffle=True, neg_sampling_ratio=1.0, num_neighbors=[10, 10])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = data.to(device, "x", "edge_index")
    model = GraphSAGE(data.num_node_features, hidden_channels=64, num_layers=2).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(1, args.epochs + 1):
        loss = train(model, optimizer, loader, device)
        val_acc, test_acc = test(model, data)
        print(f"Epoch: {epoch:03d}, Loss: {loss:.4f}, Val: {val_acc:.4f}, Test: {test_acc:.4f}")


if __name__ == "__main__":
    main()
