"""An epoch of mini-batches on a graph of ogbn-arxiv's size: loading alone, nothing is trained.

    python benchmarks/minibatch.py [--graph tiny] [--batches 20]

The graph is generated: 169,343 nodes, 1.17 million power-law edges and their reverses, 128 random features. Batches
of 1,024 anchors, 512 uniform negatives that a batch shares, two hops of at most 10 neighbours. "minibatches" is the
record of a contrastive step; "NodeLoader" PyG's loader with our sampler, as a user writes it. Each row is a process of
its own, so that its peak memory is its own (and its largest worker's, which counts shared pages again). CPU seconds are
those of all its processes, and tell more than wall seconds where the machine is shared. A "part" is one call for each
batch. Results go to results/minibatch.csv beside this script.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphs
import report
import torch
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import NodeSamplerInput

from graphns.data.node import NodeData
from graphns.pipelines.minibatch import features_of, minibatches
from graphns.pyg import NeighborSampler
from graphns.samplers.efficient.shared import Shared
from graphns.streams import Stream

SHAPES = {"arxiv": graphs.Shape("arxiv", 169_343, 1_170_000), "tiny": graphs.SHAPES["tiny"]}
FANOUTS, BATCH, K, WIDTH = [10, 10], 1024, 512, 128
COLUMNS = ("what", "workers", "batches", "wall_seconds", "cpu_seconds", "peak_mb", "nodes", "edges", "threads", "load")


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def pass_of_minibatches(data: NodeData, workers: int) -> Iterator[tuple[int, int]]:
    """The record of a contrastive step."""
    for batch in minibatches(data, Shared.from_graph(data.graph), num_neighbors=FANOUTS, batch_size=BATCH, k=K,
                             stream=Stream(0), num_workers=workers):
        yield batch.num_nodes, batch.edge_index.shape[1]


def pass_of_node_loader(data: NodeData, workers: int) -> Iterator[tuple[int, int]]:
    """PyG's loader with our sampler: PyG slices the features."""
    sampler = NeighborSampler(data.graph, FANOUTS, negatives=Shared.from_graph(data.graph), k=K)
    held = Data(x=data.x, edge_index=data.edge_index)
    for batch in NodeLoader(held, sampler, batch_size=BATCH, shuffle=True, num_workers=workers, **sampler.hooks()):
        yield batch.num_nodes, batch.edge_index.shape[1]


PASSES: dict[str, Callable[[NodeData, int], Iterator[tuple[int, int]]]] = {
    "minibatches": pass_of_minibatches, "NodeLoader": pass_of_node_loader,
}


def parts(data: NodeData, batches: int) -> Iterator[tuple[str, float]]:
    """CPU seconds of each part of `batches` batches, one after another."""
    sampler = Shared.from_graph(data.graph)
    plain, drawing = NeighborSampler(data.graph, FANOUTS), NeighborSampler(data.graph, FANOUTS, negatives=sampler, k=K)
    order = Stream(0).words(torch.arange(data.num_nodes), 1)[:, 0].argsort()
    asked = [NodeSamplerInput(ids, ids) for ids in order.split(BATCH)[:batches]]
    found = [drawing.sample_from_nodes(each) for each in asked]
    for name, work in (
        ("neighbours of the anchors", lambda each, _: plain.sample_from_nodes(each)),
        ("negatives", lambda each, _: sampler(drawing.query(each))),
        ("both", lambda each, _: drawing.sample_from_nodes(each)),
        ("features", lambda _, out: features_of(data.features, out.node)),
        ("features, as PyG slices them", lambda _, out: torch.index_select(data.x, 0, out.node)),
    ):
        start = time.process_time()
        for each, out in zip(asked, found, strict=True):
            work(each, out)
        yield name, time.process_time() - start


def measure(what: str, workers: int, graph: str, batches: int | None) -> dict[str, Any]:
    """One row, in this process."""
    shape = SHAPES[graph]
    x = torch.randn(shape.num_nodes, WIDTH, generator=torch.Generator().manual_seed(0))
    data = NodeData(graph, x, graphs.load(shape), torch.zeros(shape.num_nodes, dtype=torch.int64))
    row = {"what": what, "workers": workers, "threads": torch.get_num_threads()}
    if what == "parts":
        list(parts(data, 2))
        wanted = batches or -(-data.num_nodes // BATCH)
        return row | {"batches": wanted, "parts": dict(parts(data, wanted))}
    every = PASSES[what]
    for _ in itertools.islice(every(data, 0), 3):  # compiled, and tables made that graphs and samplers keep
        pass
    wall, cpu = time.perf_counter(), cpu_seconds()
    sizes = list(itertools.islice(every(data, workers), batches))
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    nodes, edges = (sum(column) / len(sizes) for column in zip(*sizes, strict=True))
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return row | {"batches": len(sizes), "wall_seconds": round(wall, 2), "cpu_seconds": round(cpu, 2),
                  "peak_mb": round(peak / 1024), "nodes": round(nodes), "edges": round(edges)}


def main() -> None:
    """Every row in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--graph", choices=SHAPES, default="arxiv")
    parser.add_argument("--batches", type=int, help="of each pass; default: all")
    parser.add_argument("--row", nargs=2, metavar=("WHAT", "WORKERS"), help="measure this row here, and print it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "minibatch.csv")
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(options.row[0], int(options.row[1]), options.graph, options.batches)))
        return
    rows: list[dict[str, Any]] = []
    for what, workers in (("minibatches", 0), ("minibatches", 1), ("minibatches", 2), ("NodeLoader", 0),
                          ("NodeLoader", 2), ("parts", 0)):
        command = [sys.executable, __file__, "--graph", options.graph, "--row", what, str(workers)]
        command += ["--batches", str(options.batches)] if options.batches else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1]) | {"load": round(os.getloadavg()[0], 1)}
        for name, seconds in row.pop("parts", {}).items():
            rows.append(row | {"what": f"part: {name}", "cpu_seconds": round(seconds, 2)})
        rows += [] if what == "parts" else [row]
        print(rows[-1])
    report.write_rows(options.out, COLUMNS, rows)


if __name__ == "__main__":
    main()
