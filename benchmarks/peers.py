r"""Speed of graphns beside PyG, DGL, torch-cluster and GRAPE, in one run on one machine.

The peers want a virtual environment of their own (DGL has no wheel above Python 3.11):

    python3.11 -m venv peersvenv && . peersvenv/bin/activate
    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu     # or any torch of the constraints
    pip install -c constraints.txt . "torch-geometric==2.8.1"
    pip install "dgl==1.1.3" pandas packaging psutil setuptools                    # the last four undeclared by DGL
    pip install --no-build-isolation "torch-cluster==1.6.3"                        # compiles: some minutes
    pip install grape                                                              # brings ensmallen
    python benchmarks/peers.py

Peers that are not installed leave rows that say so. `--quick` is a run of seconds on a tiny graph, to see that
everything works; its numbers mean nothing. The full run takes about half an hour and 16 GB, and wants a quiet machine.

First the machine's random-gather rate is measured: independent reads of cache lines from an array much larger than the
cache, by one thread and by all. A kernel's limit is the number of lines it has to touch over the rate of all threads;
a graph that fits in the cache can beat it. Each time is the median of the repeats, with the fastest and the slowest; a
repeat makes a short call over and over for 0.05 s and takes the mean.
Results go to results/peers.json and results/peers.md beside this script.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LEAST = 0.05  # seconds of a repeat: shorter calls are made several times over


def measure(call: Callable[[], Any], repeats: int, budget: float) -> dict[str, Any]:
    """Seconds of a call: one to warm up, then up to `repeats`, fewer if they would take longer than `budget`.

    A repeat makes a short call over and over, as a training loop does, and takes the mean; garbage is collected before
    it and not meanwhile.
    """
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    seconds: list[float] = []
    number = 1
    while len(seconds) < repeats and (not seconds or sum(seconds) + seconds[-1] < budget):
        if first > budget and not seconds:
            seconds.append(first)  # so slow that the first call, warm or not, has to do
            break
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        for _ in range(number):
            call()
        each = (time.perf_counter() - start) / number
        gc.enable()
        if not seconds and number == 1 and each < LEAST / 2:
            number = int(LEAST / each) + 1  # this one told how many
            continue
        seconds.append(each)
    return {"seconds": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds),
            "repeats": len(seconds)}


def run_graph(
    name: str, peers: list[str], options: argparse.Namespace, gather: float, keep: Callable[[dict[str, Any]], None]
) -> None:
    """All tasks on one graph: ours first, then library by library, each library's data freed after it.

    What is known is handed to `keep` after each library, for the slowest of them take a quarter of an hour.
    """
    import graphs
    from libraries import PEERS, available
    from tasks import TASKS, Work, ours

    shape = graphs.SHAPES[name]
    say(f"{name}: generating or loading {shape.num_nodes:,} nodes, {shape.num_edges:,} edges")
    work = Work(graphs.load(shape, options.cache), shape.num_nodes, seed=shape.seed)
    own: dict[str, dict[str, Any]] = {}
    for key, call, lines in ours(work):
        lines = round(lines)
        own[key] = {**measure(call, options.repeats, options.budget), "lines": lines, "limit": lines / gather}
        del call  # and with it the tables that only this call needed
        say(f"{name}: {key}: {own[key]['seconds']:.4g} s, {own[key]['seconds'] / own[key]['limit']:.2f} of the limit")
    rows: list[dict[str, Any]] = []
    alone = [{"task": key, "title": work.title(TASKS[key]), "limit": TASKS[key].limit, "ours": own[key]} for key in own]
    known_so_far = {
        "name": name, "num_nodes": work.num_nodes, "num_edges": work.graph.num_edges, "seed": shape.seed,
        "largest_degree": int(work.graph.degree.max()), "rows": rows, "kernels": alone,
    }
    keep(known_so_far)
    for peer in peers:
        why = available(peer)
        found: dict[tuple[str, str], dict[str, Any]] = {}
        if not why:
            try:
                for key, call_name, call in PEERS[peer].run(work):
                    known = next((timing for (_, other), timing in found.items() if other == call_name), None)
                    found[key, call_name] = known or measure(call, options.repeats, options.budget)
                    del call
                    say(f"{name}: {peer} {call_name}: {found[key, call_name]['seconds']:.4g} s")
            except Exception as error:  # a peer that fails must not take the other rows with it
                why = f"failed: {type(error).__name__}: {error}"
                say(f"{name}: {peer} {why}")
            gc.collect()
        rows += [{"task": key, "title": work.title(TASKS[key]), "peer": peer, "call": call_name, "ours": own[key],
                  "theirs": found.get((key, call_name)), "note": "" if (key, call_name) in found else why or "not run"}
                 for key, call_name in PEERS[peer].tasks]
        keep(known_so_far)


def say(line: str) -> None:
    """Progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="speed beside PyG, DGL, torch-cluster and GRAPE")
    parser.add_argument("--graphs", default="small,large", help="of: tiny, small, large (default small,large)")
    parser.add_argument("--peers", default="PyG,DGL,torch-cluster,GRAPE", help="which peers, by name; may be empty")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for all libraries (default: all cores)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds for the repeats of one call")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the generated graphs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="tiny graph, few repeats, in seconds")
    options = parser.parse_args(arguments)
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"):  # read when a library is loaded
        os.environ[name] = str(options.threads)

    import gather
    import graphs
    import report
    import torch
    from libraries import PEERS

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    options.cache = options.cache or graphs.DEFAULT_CACHE
    if options.quick:
        options.graphs, options.repeats, options.budget = "tiny", 2, 5.0
    names, peers = options.graphs.split(","), [peer for peer in options.peers.split(",") if peer]
    for wrong in (set(names) - set(graphs.SHAPES)) | (set(peers) - set(PEERS)):
        parser.error(f"{wrong!r} is no graph ({', '.join(graphs.SHAPES)}) and no peer ({', '.join(PEERS)})")
    size, reads = (1 << 22, 100_000) if options.quick else (1 << 30, 20_000_000)
    rates = {threads: gather.rate(size, reads, threads) for threads in sorted({1, options.threads})}
    say(f"random gather: {', '.join(f'{rate / 1e6:.0f} M lines/s by {t} threads' for t, rate in rates.items())}")
    result = {"machine": report.machine(options.threads), "versions": report.versions(), "commit": report.commit(),
              "gather": {"array_bytes": size, "lines_per_second": rates}, "quick": options.quick, "graphs": []}
    for name in names:
        done = list(result["graphs"])

        def keep(graph: dict[str, Any], done: list[dict[str, Any]] = done) -> None:
            result["graphs"] = [*done, graph]
            report.write(result, options.out)

        run_graph(name, peers, options, rates[options.threads], keep)
    print(report.markdown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
