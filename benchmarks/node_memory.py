"""Memory of GRACE where the dense loss does not fit: Coauthor-Physics, and a graph of ogbn-arxiv's size.

    python benchmarks/node_memory.py                    # minutes; Physics is read from GRAPHNS_DATA, or downloaded
    python benchmarks/node_memory.py --only arxiv-minibatches

Each row is a training in a process of its own, whose peak is the largest resident size of the whole process, its code
included; "loaded" is the size when the data are read and training begins. The generated graph has 169,343 nodes, 1.17
million power-law edges and their reverses, and 128 random features. "all" compares each anchor with every other node of
what a step embeds. The four N x N float32 matrices of the dense loss stand beside them. Results go to
results/node-memory.csv beside this script.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import graphs
import report
import torch

from graphns.commands.node_run import NodeRun
from graphns.compare.memory import now_mb, peak_mb, reset_peak
from graphns.compare.specs import parse
from graphns.compare.surroundings import machine, versions
from graphns.data import load
from graphns.data.node import NodeData
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.node import fit

ARXIV, WIDTH = graphs.Shape("arxiv", 169_343, 1_170_000), 128
MINIBATCHES = {"num_neighbors": (10, 10), "batch_size": 1024, "k": 512}
ROWS: dict[str, tuple[str, str | None, dict[str, Any], int]] = {
    # name: (data, sampler, settings, epochs)
    "physics-shared": ("Physics", "shared", {"k": 512}, 5),
    "physics-uniform": ("Physics", "uniform", {"k": 64}, 3),
    "physics-all": ("Physics", None, {}, 1),
    "arxiv-shared": ("arxiv", "shared", {"k": 512}, 2),
    "arxiv-minibatches": ("arxiv", "shared", MINIBATCHES, 1),
    "arxiv-minibatches-all": ("arxiv", "all", MINIBATCHES, 1),
}
COLUMNS = ("row", "negatives", "nodes", "edges", "features", "epochs", "seconds_an_epoch", "loaded_mb", "peak_mb",
           "above_loaded_mb", "dense_loss_mb", "loss", "threads", "load")


def read(name: str) -> NodeData:
    """A real data set by name, or the generated graph."""
    if name != "arxiv":
        return load(name)
    x = torch.randn(ARXIV.num_nodes, WIDTH, generator=torch.Generator().manual_seed(0))
    return NodeData("arxiv", x, graphs.load(ARXIV), torch.zeros(ARXIV.num_nodes, dtype=torch.int64))


def measure(row: str, threads: int) -> dict[str, Any]:
    """One row, in this process."""
    torch.set_num_threads(threads)
    name, sampler, settings, epochs = ROWS[row]
    data = read(name)
    config = GraceConfig.preset(data.name, epochs=epochs, **settings)
    run = NodeRun(data.name, "grace", config, None if sampler is None else parse(sampler))
    reset_peak()  # reading the files is not training
    loaded, start = now_mb(), time.perf_counter()
    result = fit(run.method_class, data, run.sampler(data), config)
    seconds, peak = time.perf_counter() - start, peak_mb()
    return {"row": row, "negatives": sampler or "all", "nodes": data.num_nodes, "edges": data.edge_index.shape[1],
            "features": data.num_features, "epochs": epochs, "seconds_an_epoch": round(seconds / epochs, 1),
            "loaded_mb": round(loaded), "peak_mb": round(peak), "above_loaded_mb": round(peak - loaded),
            "dense_loss_mb": round(4 * 4 * data.num_nodes**2 / 1e6), "loss": round(result.losses[-1], 4),
            "threads": threads, "load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Every row in a process of its own; rows of an earlier run that are not measured again are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join(ROWS), help="rows, separated by commas")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--here", choices=ROWS, help="measure this row in this process, and print it")
    parser.add_argument("--out", default=Path(__file__).parent / "results" / "node-memory.csv", type=Path)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.here, options.threads)))
        return
    unknown = set(options.only.split(",")) - set(ROWS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}: choose among {', '.join(ROWS)}")
    found: dict[str, dict[str, Any]] = {}
    if options.out.exists():
        found = {row["row"]: row for row in csv.DictReader(io.StringIO(options.out.read_text()))}
    for row in options.only.split(","):
        command = [sys.executable, __file__, "--here", row, "--threads", str(options.threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[row] = json.loads(done.stdout.splitlines()[-1])
        print(found[row], flush=True)
        report.write_rows(options.out, COLUMNS, [found[each] for each in ROWS if each in found])
    print(versions(), machine()["processor"])


if __name__ == "__main__":
    main()
