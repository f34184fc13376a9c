"""Where the time of a short call goes: 1,024 exact negatives, layer by layer.

    python benchmarks/short_call.py [--graph large]

Each layer is timed alone, as `peers.py` times: the compiled loop on arrays that exist; with its results' memory and the
call into compiled code; with the sampler's answer around it; with the contract's checks; with a new query, as a
training loop makes it. What a layer adds over the one before is the difference. The limit is that of `peers.py`, by one
thread, for so short a loop is not cut into blocks. Results go to results/short-call.csv beside this script.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gather
import graphs
import numpy as np
from peers import measure
from tasks import LINE, Work, row_lines

from graphns.base import Query
from graphns.kernels.edge_filter import filter_words
from graphns.kernels.uniform import _uniform, uniform_negatives
from graphns.samplers.static.uniform import Uniform
from graphns.streams import MASK_64

PAIRS = 1_024


def layers(work: Work) -> list[tuple[str, Callable[[], Any]]]:
    """Each layer around the one before, as a call without arguments."""
    graph = work.graph
    sampler = Uniform(graph, positives="known")
    anchor, positive = (end.contiguous() for end in work.edge_index[:, work.chosen[:PAIRS]])
    size = len(anchor)
    query = Query(anchor, positive, k=1, stream=work.stream)
    words = filter_words(graph.edge_filter)
    known = (graph.indptr.numpy(), graph.indices.numpy(), anchor.numpy(), positive.numpy(), query.row.numpy())
    results = (np.empty((size, 1), np.int64), np.empty(size, np.int64), np.empty(size, np.bool_),
               np.empty(size, np.float32), np.zeros(1, np.bool_))

    def loop() -> None:
        key = np.uint64(work.stream.key & MASK_64)
        _uniform(0, size, *known, key, graph.num_dst, True, True, False, int(not graph.has_self_loops), words, *results)

    def kernel() -> None:
        uniform_negatives(graph.indptr, graph.indices, anchor, positive, query.row, work.stream, graph.num_dst, 1,
                          exclude_row=True, exclude_anchor=True, exclude_positive=False,
                          self_loops=graph.has_self_loops, edge_filter=graph.edge_filter)

    def fresh() -> Query:
        return Query(anchor, positive, k=1, stream=work.stream)

    return [
        ("a stream's key alone", lambda: work.stream.key),
        ("the compiled loop, arguments unpacked", loop),
        ("memory for the results, views of tensors", kernel),
        ("the sampler's answer", lambda: sampler.sample(query)),
        ("the contract's checks", lambda: sampler(query)),
        ("a new query", lambda: sampler(fresh())),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="where the time of a short call goes")
    parser.add_argument("--graph", default="large", choices=sorted(graphs.SHAPES))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--cache", type=Path, default=graphs.DEFAULT_CACHE, help="folder that keeps the graphs")
    parser.add_argument("--quick", action="store_true", help="tiny graph, few repeats, in seconds: means nothing")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.quick:
        options.graph, options.repeats = "tiny", 2
    shape = graphs.SHAPES[options.graph]
    work = Work(graphs.load(shape, options.cache), shape.num_nodes, seed=shape.seed)
    anchor = work.edge_index[0, work.chosen[:PAIRS]]
    lines = len(anchor) + row_lines(work.graph.degree[anchor], 2) + len(anchor) * (3 * 8 + 8 + 12) / LINE
    limit = lines / gather.rate(*((1 << 22, 100_000) if options.quick else (1 << 30, 20_000_000)), 1)
    print(f"{shape.name}: {len(anchor):,} pairs, {round(lines):,} lines, {1e6 * limit:.1f} us by one thread")
    rows, before = [], 0.0
    for name, call in layers(work):
        seconds = measure(call, options.repeats, 30.0)["seconds"]
        rows.append({"graph": shape.name, "layer": name, "microseconds": round(1e6 * seconds, 1),
                     "added": round(1e6 * (seconds - before), 1), "of_limit": round(seconds / limit, 2)})
        print(f"{name}: {1e6 * seconds:.1f} us, {1e6 * (seconds - before):.1f} added")
        before = seconds
    options.out.mkdir(parents=True, exist_ok=True)
    part = options.out / "short-call.part"
    with part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    part.rename(options.out / "short-call.csv")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
