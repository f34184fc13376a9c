"""Nearest neighbours: seconds, peak memory and recall of graphns, scikit-learn and hnswlib in one run.

    python benchmarks/knn.py [--quick]

"exact" is 60,000 x 784 pixels-like rows (k = 10, l2), all searched; "clustered" is 1,000,000 x 64 in 1,000 clusters
(k = 10, l2). scikit-learn's NearestNeighbors (brute force) searches all rows of the first, a sample of the second, from
which its seconds are scaled up. hnswlib takes part where it is installed (M=16, ef_construction=100, ef=100). Each row
is a process of its own, so that its peak memory is its own. Recall is measured here, on 1,000 rows, against an exact
search that is the same for all. "ratio" is the wall seconds over those of graphns on the same data. What is compiled is
compiled on a few rows before the clock starts. Results go to results/knn.csv beside this script.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import report
import torch

from graphns.graph.knn import knn, search

K, SAMPLE = 10, 1000
COLUMNS = ("data", "rows", "columns", "k", "what", "wall_seconds", "cpu_seconds", "scaled", "peak_mb", "data_mb",
           "recall", "ratio", "threads", "load")
SIZES = {"exact": (60_000, 784), "clustered": (1_000_000, 64)}
QUICK = {"exact": (1500, 100), "clustered": (3000, 16)}
WHATS = {"exact": ("graphns exact", "scikit-learn"), "clustered": ("graphns nn-descent", "scikit-learn", "hnswlib")}


def table(name: str, quick: bool) -> np.ndarray[Any, Any]:
    """The rows: pixels-like, non-negative and often 0; or clusters with a spread of half their distance."""
    rng = np.random.default_rng(0)
    number, width = (QUICK if quick else SIZES)[name]
    if name == "exact":
        return np.maximum(rng.standard_normal((number, width), np.float32), 0)
    middle = rng.standard_normal((max(number // 1000, 10), width), np.float32)
    return middle[rng.integers(0, len(middle), number)] + np.float32(0.5) * rng.standard_normal((number, width),
                                                                                               np.float32)


def neighbours(what: str, x: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The ids [n, K] of the rows that were searched: all, or of scikit-learn on many rows a sample."""
    if what.startswith("graphns"):
        backend: Any = what.removeprefix("graphns ")
        return knn(x, K, "l2", backend, sample=0).ids.numpy()
    if what == "scikit-learn":
        from sklearn.neighbors import NearestNeighbors

        asked = x if len(x) <= 100_000 else x[rows]
        own = np.arange(len(x)) if len(x) <= 100_000 else rows
        made = NearestNeighbors(n_neighbors=K + 1, algorithm="brute", n_jobs=-1).fit(x)
        return without_self(made.kneighbors(asked, return_distance=False), own)
    import hnswlib

    index = hnswlib.Index(space="l2", dim=x.shape[1])
    index.init_index(max_elements=len(x), ef_construction=100, M=16, random_seed=0)
    index.set_num_threads(torch.get_num_threads())
    index.add_items(x)
    index.set_ef(100)
    return without_self(index.knn_query(x, k=K + 1)[0].astype(np.int64), np.arange(len(x)))


def without_self(found: np.ndarray[Any, Any], own: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """K + 1 ids without the row itself, or without the last where it is not among them."""
    drop = found == own[:, None]
    drop[~drop.any(1), -1] = True
    return found[~drop].reshape(len(found), K)


def measure(name: str, what: str, quick: bool) -> dict[str, Any]:
    """One row, in this process."""
    x = table(name, quick)
    rows = np.sort(np.random.default_rng(1).choice(len(x), min(SAMPLE, len(x)), replace=False))
    neighbours(what, x[:500], rows[:1] * 0)  # compiled, and imported
    wall, cpu = time.perf_counter(), time.process_time()
    ids = neighbours(what, x, rows)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    scale = len(x) / len(ids)
    found = ids if len(ids) == len(rows) < len(x) else ids[rows]
    true = search(x[rows], x, K, "l2", skip=torch.from_numpy(rows))[1][:, -1].numpy()
    distance = np.linalg.norm(x[rows][:, None].astype(np.float64) - x[found], axis=2)
    recall = float((distance <= -true[:, None] * (1 + 1e-6)).mean())
    return {"data": name, "rows": len(x), "columns": x.shape[1], "k": K, "what": what,
            "wall_seconds": round(wall * scale, 3), "cpu_seconds": round(cpu * scale, 3), "scaled": round(scale, 1),
            "peak_mb": round(peak), "data_mb": round(x.nbytes / 2**20), "recall": round(recall, 4),
            "threads": torch.get_num_threads()}


def main() -> None:
    """Every row in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small tables, to see that it runs")
    parser.add_argument("--only", choices=SIZES, help="one of the two")
    parser.add_argument("--row", nargs=2, metavar=("DATA", "WHAT"), help="measure this row here, and print it")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "knn.csv")
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(*options.row, options.quick)))
        return
    rows: list[dict[str, Any]] = []
    for name in [options.only] if options.only else SIZES:
        first = len(rows)
        for what in WHATS[name]:
            if what == "hnswlib" and find_spec("hnswlib") is None:
                print("hnswlib is not installed: left out")
                continue
            command = [sys.executable, __file__, "--row", name, what, *(["--quick"] * options.quick)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout.splitlines()[-1]) | {"load": round(os.getloadavg()[0], 1)}
            rows.append(row)
            row["ratio"] = round(row["wall_seconds"] / rows[first]["wall_seconds"], 2)
            print(row)
    report.write_rows(options.out, COLUMNS, rows)


if __name__ == "__main__":
    main()
