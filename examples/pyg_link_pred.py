"""Link prediction on Planetoid: PyG's `examples/link_pred.py` with one import replaced.

The negatives of every epoch are drawn anew, from all pairs that are no training edges.

    python examples/pyg_link_pred.py --dataset Cora --epochs 100
"""

from __future__ import annotations

import argparse
import os.path as osp

import torch
import torch.nn.functional as F
import torch_geometric.transforms as T
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid
from torch_geometric.nn import GCNConv

from graphns.pyg import negative_sampling  # was: from torch_geometric.utils import negative_sampling


class Net(torch.nn.Module):
    """Two layers of GCN, and dot products."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = GCNConv(in_channels, hidden_channels)
        self.conv2 = GCNConv(hidden_channels, out_channels)

    def encode(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Embeddings [N, out_channels]."""
        return self.conv2(self.conv1(x, edge_index).relu(), edge_index)

    def decode(self, z: Tensor, edge_label_index: Tensor) -> Tensor:
        """Scores [n] of the pairs [2, n]."""
        return (z[edge_label_index[0]] * z[edge_label_index[1]]).sum(dim=-1)


def train(model: Net, optimizer: torch.optim.Optimizer, data: Data) -> float:
    """One epoch: all training edges, and as many pairs that are none, drawn anew."""
    model.train()
    optimizer.zero_grad()
    z = model.encode(data.x, data.edge_index)
    neg_edge_index = negative_sampling(edge_index=data.edge_index, num_nodes=data.num_nodes,
                                       num_neg_samples=data.edge_label_index.size(1), method="sparse")
    out = model.decode(z, torch.cat([data.edge_label_index, neg_edge_index], dim=-1))
    label = torch.cat([data.edge_label, data.edge_label.new_zeros(neg_edge_index.size(1))])
    loss = F.binary_cross_entropy_with_logits(out, label)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def test(model: Net, data: Data) -> float:
    """Area under the ROC curve of held-out edges."""
    model.eval()
    out = model.decode(model.encode(data.x, data.edge_index), data.edge_label_index)
    return float(roc_auc_score(data.edge_label.cpu().numpy(), out.cpu().numpy()))


def main() -> None:
    """Train, and print the test figure of the epoch of the best validation figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="Cora", choices=["Cora", "CiteSeer", "PubMed"])
    parser.add_argument("--root", default="data", help="PyG downloads to ROOT/Planetoid")
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(12345)  # of the split, the weights and the negatives

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transform = T.Compose([
        T.NormalizeFeatures(), T.ToDevice(device),
        T.RandomLinkSplit(num_val=0.05, num_test=0.1, is_undirected=True, add_negative_train_samples=False),
    ])
    dataset = Planetoid(osp.join(args.root, "Planetoid"), args.dataset, transform=transform)
    train_data, val_data, test_data = dataset[0]

    model = Net(dataset.num_features, 128, 64).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    best_val_auc = final_test_auc = 0.0
    for epoch in range(1, args.epochs + 1):
        loss = train(model, optimizer, train_data)
        val_auc, test_auc = test(model, val_data), test(model, test_data)
        if val_auc > best_val_auc:
            best_val_auc, final_test_auc = val_auc, test_auc
        print(f"Epoch: {epoch:03d}, Loss: {loss:.4f}, Val: {val_auc:.4f}, Test: {test_auc:.4f}")
    print(f"Final Test: {final_test_auc:.4f}")


if __name__ == "__main__":
    main()
