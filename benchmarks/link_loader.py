"""Mini-batches of edges for link prediction: our loader beside DGL's edge dataloader, in turn, in one process.

    python benchmarks/link_loader.py [--graph tiny] [--batches 50] [--rounds 5] [--threads 1]

The graph is generated: 2.4 million nodes, 62 million power-law edges. Batches of 1,024 edges with one negative each,
fan-out 15, then 10, no features. Ours draws a negative that is no edge of the source; DGL's Uniform does not look. DGL
samples anew every node that a layer reads, ours each node once, as PyG does: both counts stand in the result. Each
round times the same number of batches of either, so that both meet the same load. CPU seconds are those of this
process and tell more than wall seconds where the machine is shared. Results: results/link-loader.csv beside this.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphs
import report
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphns import Graph, Uniform
from graphns.adapters.dgl.library import load_dgl
from graphns.pyg import LinkNeighborLoader

FANOUTS, BATCH = [15, 10], 1024
COLUMNS = ("loader", "version", "graph", "threads", "batches", "rounds", "wall_ms", "fastest_ms", "slowest_ms",
           "cpu_ms", "nodes", "edges", "ratio_wall", "ratio_cpu", "load")
Pass = Callable[[], Iterator[tuple[int, int]]]


def ours(edge_index: Tensor, num_nodes: int, seeds: Tensor) -> Pass:
    """`graphns.pyg.LinkNeighborLoader`, triplets, negatives checked against all edges."""
    loader = LinkNeighborLoader(
        Data(edge_index=edge_index, num_nodes=num_nodes), FANOUTS, edge_label_index=edge_index[:, seeds],
        batch_size=BATCH, neg_sampling="triplet", negatives=Uniform(Graph.from_edge_index(edge_index, num_nodes)))
    return lambda: ((batch.num_nodes, batch.edge_index.shape[1]) for batch in loader)


def dgls(edge_index: Tensor, num_nodes: int, seeds: Tensor) -> Pass:
    """DGL's `as_edge_prediction_sampler` with its `NeighborSampler` and `Uniform`."""
    dgl = load_dgl()
    graph = dgl.graph((edge_index[0], edge_index[1]), num_nodes=num_nodes)
    graph.create_formats_()
    layers = dgl.dataloading.NeighborSampler(FANOUTS[::-1])  # the last is the one next to the seeds
    sampler = dgl.dataloading.as_edge_prediction_sampler(
        layers, negative_sampler=dgl.dataloading.negative_sampler.Uniform(1))
    loader = dgl.dataloading.DataLoader(graph, seeds, sampler, batch_size=BATCH, num_workers=0)
    return lambda: ((len(found), sum(block.num_edges() for block in blocks)) for found, _, _, blocks in loader)


LOADERS = {"graphns": ours, "dgl": dgls}


def measure(graph: str, batches: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    """One row for each loader; the ratio is its time over ours."""
    shape = graphs.SHAPES[graph]
    edge_index = graphs.load(shape)
    order = torch.randperm(edge_index.shape[1], generator=torch.Generator().manual_seed(0))[: batches * BATCH]
    passes = {name: make(edge_index, shape.num_nodes, order) for name, make in LOADERS.items()}
    walls: dict[str, list[float]] = {name: [] for name in passes}
    cpus: dict[str, list[float]] = {name: [] for name in passes}
    sizes: dict[str, list[tuple[int, int]]] = {}
    for every in passes.values():
        list(itertools.islice(every(), 3))  # compiled, and tables made
    for _ in range(rounds):
        for name, every in passes.items():
            wall, cpu = time.perf_counter(), time.process_time()
            sizes[name] = list(every())
            walls[name].append((time.perf_counter() - wall) / len(sizes[name]))
            cpus[name].append((time.process_time() - cpu) / len(sizes[name]))
    rows = []
    for name in passes:
        nodes, edges = (sum(column) / len(sizes[name]) for column in zip(*sizes[name], strict=True))
        rows.append({
            "loader": name, "version": report.versions()[name], "graph": graph, "threads": threads,
            "batches": len(sizes[name]), "rounds": rounds, "wall_ms": round(1e3 * statistics.median(walls[name]), 2),
            "fastest_ms": round(1e3 * min(walls[name]), 2), "slowest_ms": round(1e3 * max(walls[name]), 2),
            "cpu_ms": round(1e3 * statistics.median(cpus[name]), 2), "nodes": round(nodes), "edges": round(edges),
            "ratio_wall": round(statistics.median(walls[name]) / statistics.median(walls["graphns"]), 2),
            "ratio_cpu": round(statistics.median(cpus[name]) / statistics.median(cpus["graphns"]), 2),
            "load": round(os.getloadavg()[0], 1)})
    return rows


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--graph", choices=graphs.SHAPES, default="large")
    parser.add_argument("--batches", type=int, default=50, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "link-loader.csv")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = measure(options.graph, options.batches, options.rounds, options.threads)
    for row in rows:
        print(row)
    report.write_rows(options.out, COLUMNS, rows)


if __name__ == "__main__":
    main()
