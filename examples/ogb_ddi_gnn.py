"""ogbl-ddi: OGB's `examples/linkproppred/ddi/gnn.py`, with SAGE, with two imports replaced.

One is for the negatives; the other for the data, which OGB 1.3.6 loads as torch before 2.6 did. OGB's script hands its
adjacency on as torch-sparse's SparseTensor; here it is PyG's `edge_index`, which needs nothing beside PyG.

    python examples/ogb_ddi_gnn.py --epochs 200 --runs 10
"""

from __future__ import annotations

import argparse
import os.path as osp

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.nn import MLP, GraphSAGE

from graphns.ogb import Evaluator, PygLinkPropPredDataset  # was: from ogb.linkproppred
from graphns.pyg import negative_sampling  # was: from torch_geometric.utils import negative_sampling


def train(model: GraphSAGE, predictor: MLP, x: Tensor, edge_index: Tensor, edges: Tensor,
          optimizer: torch.optim.Optimizer, batch_size: int) -> float:
    """One pass over the training edges [E, 2], with as many pairs in each batch that are none."""
    model.train()
    predictor.train()
    total_loss = 0.0
    for perm in DataLoader(range(edges.size(0)), batch_size, shuffle=True):  # type: ignore[arg-type]
        optimizer.zero_grad()
        h = model(x, edge_index)
        edge = edges[perm].t()
        pos_loss = -F.logsigmoid(predictor(h[edge[0]] * h[edge[1]])).mean()
        edge = negative_sampling(edge_index, num_nodes=x.size(0), num_neg_samples=perm.size(0), method="dense")
        neg_loss = -F.logsigmoid(-predictor(h[edge[0]] * h[edge[1]])).mean()
        loss = pos_loss + neg_loss
        loss.backward()
        for parameters in ([x], model.parameters(), predictor.parameters()):
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        total_loss += loss.item() * perm.size(0)
    return total_loss / edges.size(0)


@torch.no_grad()
def test(model: GraphSAGE, predictor: MLP, x: Tensor, edge_index: Tensor, split: dict[str, dict[str, Tensor]],
         evaluator: Evaluator, batch_size: int) -> tuple[float, float]:
    """Hits@20 of validation and test edges, by OGB's evaluator."""
    model.eval()
    predictor.eval()
    h = model(x, edge_index)

    def score(edges: Tensor) -> Tensor:
        batches = edges.to(x.device).split(batch_size)
        return torch.cat([predictor(h[edge[:, 0]] * h[edge[:, 1]]).squeeze(1).cpu() for edge in batches])

    evaluator.K = 20
    valid, test = (evaluator.eval({"y_pred_pos": score(split[part]["edge"]),
                                   "y_pred_neg": score(split[part]["edge_neg"])})["hits@20"]
                   for part in ("valid", "test"))
    return valid, test


def main() -> None:
    """Train as often as asked, and print the test figures of the epochs of the best validation figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default="data", help="OGB downloads to ROOT/ogb")
    parser.add_argument("--num_layers", type=int, default=2)
    parser.add_argument("--hidden_channels", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--batch_size", type=int, default=64 * 1024)
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--eval_steps", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = PygLinkPropPredDataset(name="ogbl-ddi", root=osp.join(args.root, "ogb"))
    edge_index, split = dataset[0].edge_index.to(device), dataset.get_edge_split()
    edges = split["train"]["edge"].to(device)
    hidden, evaluator, finals = args.hidden_channels, Evaluator(name="ogbl-ddi"), []
    for run in range(args.runs):
        torch.manual_seed(run)
        x = torch.nn.Parameter(torch.nn.init.xavier_uniform_(torch.empty(dataset[0].num_nodes, hidden, device=device)))
        model = GraphSAGE(hidden, hidden, args.num_layers, dropout=args.dropout).to(device)
        predictor = MLP([hidden] * args.num_layers + [1], dropout=args.dropout, norm=None).to(device)
        optimizer = torch.optim.Adam([x, *model.parameters(), *predictor.parameters()], lr=args.lr)
        best = final = 0.0
        for epoch in range(1, args.epochs + 1):
            loss = train(model, predictor, x, edge_index, edges, optimizer, args.batch_size)
            if epoch % args.eval_steps:
                continue
            valid, tested = test(model, predictor, x, edge_index, split, evaluator, args.batch_size)
            if valid > best:
                best, final = valid, tested
            print(f"Run: {run + 1:02d}, Epoch: {epoch:02d}, Loss: {loss:.4f}, Valid: {100 * valid:.2f}%, "
                  f"Test: {100 * tested:.2f}%")
        finals.append(100 * final)
    result = torch.tensor(finals)
    print(f"Final Test: {result.mean():.2f} ± {result.std(correction=int(len(finals) > 1)):.2f}")


if __name__ == "__main__":
    main()
