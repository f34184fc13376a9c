"""GRACE's loss and its gradient: memory and time of the dense form and of what stands in for it.

    python benchmarks/grace_loss.py [--threads 1 2]

PubMed's size: 19,717 nodes, unit vectors of width 256, temperature 0.7. Every variant is measured in a process of its
own. A step is the draw of the negatives, where there is one, the loss of both directions, and the gradient in both
views' vectors. Peak memory is the largest resident size during a step above the resident size before it, when the
vectors exist and a small step has loaded all code. Results go to results/grace-loss.csv and grace-loss.md beside this
script.

- dense: every other node as a negative, as the official code computes it, in four N x N matrices
- streamed, streamed-bf16: the same loss by `streamed_infonce`
- shared-512: 512 negatives that all nodes share, by `Shared` and `shared_infonce`
- own-64: 64 negatives for each node, by `Uniform`, `gather_dot` and `infonce`
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from report import commit, machine
from torch import Tensor

from graphns.base import Query
from graphns.compare.files import write_text
from graphns.compare.memory import now_mb, peak_mb, reset_peak
from graphns.compare.surroundings import versions
from graphns.graph.graph import Graph
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.infonce import infonce
from graphns.objectives.shared_infonce import shared_infonce
from graphns.objectives.streamed_infonce import streamed_infonce
from graphns.samplers.efficient.shared import Shared
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

TEMPERATURE = 0.7  # the authors' for PubMed
DENSE_MATRICES = 8  # N x N float32 that the dense form holds at its peak, with a little room
Loss = Callable[[Tensor, Tensor, int], Tensor]

# at most this share of dense's memory, and at least so many times as fast
TARGETS = {"streamed": (1 / 30, 1.5), "shared-512": (1 / 15, 20.0), "own-64": (1 / 20, 8.0)}


def dense(first: Tensor, second: Tensor, step: int) -> Tensor:
    """As the official `semi_loss` computes it; the vectors have unit length already."""
    def semi_loss(u: Tensor, v: Tensor) -> Tensor:
        within = torch.exp(torch.mm(u, u.t()) / TEMPERATURE)
        between = torch.exp(torch.mm(u, v.t()) / TEMPERATURE)
        return -torch.log(between.diag() / (within.sum(1) + between.sum(1) - within.diag()))

    return ((semi_loss(first, second) + semi_loss(second, first)) * 0.5).mean()


def streamed(first: Tensor, second: Tensor, step: int) -> Tensor:
    return streamed_infonce(first, second, temperature=TEMPERATURE)


def streamed_bf16(first: Tensor, second: Tensor, step: int) -> Tensor:
    return streamed_infonce(first, second, temperature=TEMPERATURE, precision="bf16")


def both_directions(loss: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    return (loss(first, second) + loss(second, first)) / 2


def shared(first: Tensor, second: Tensor, step: int) -> Tensor:
    nodes = torch.arange(len(first))
    sampler = Shared.from_graph(Graph.empty(len(first)), exclude="self")
    negatives = sampler(Query(nodes, nodes, k=512, stream=Stream(0, step)))
    ids = negatives.ids[0]

    def direction(u: Tensor, v: Tensor) -> Tensor:
        return shared_infonce((u * v).sum(1), u, [v[ids], u[ids]], negatives.mask, temperature=TEMPERATURE)

    return both_directions(direction, first, second)


def own(first: Tensor, second: Tensor, step: int) -> Tensor:
    nodes = torch.arange(len(first))
    sampler = Uniform(Graph.empty(len(first)), exclude="self")
    negatives = sampler(Query(nodes, nodes, k=64, stream=Stream(0, step)))
    mask = negatives.mask.repeat(1, 2)

    def direction(u: Tensor, v: Tensor) -> Tensor:
        scores = torch.cat([gather_dot(u, table, negatives.ids) for table in (v, u)], 1)
        return infonce((u * v).sum(1), scores, mask, temperature=TEMPERATURE)

    return both_directions(direction, first, second)


VARIANTS: dict[str, Loss] = {"dense": dense, "streamed": streamed, "streamed-bf16": streamed_bf16, "shared-512": shared,
                             "own-64": own}


def views(num_nodes: int, dim: int) -> tuple[Tensor, Tensor]:
    """Unit vectors, each pair of a node's two about as alike as in training."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(num_nodes, dim, generator=generator)
    second = first + torch.randn(num_nodes, dim, generator=generator)
    return F.normalize(first, dim=1).requires_grad_(), F.normalize(second, dim=1).requires_grad_()


def measure(name: str, num_nodes: int, dim: int, threads: int, repeats: int) -> dict[str, Any]:
    """One variant in this process."""
    torch.set_num_threads(threads)
    loss = VARIANTS[name]
    loss(*views(600, dim), 0).backward()  # compiles, and loads what is loaded once
    first, second = views(num_nodes, dim)
    reset_peak()
    before = now_mb()
    wall, cpu, peak, value, norm = [], [], 0.0, 0.0, 0.0
    for step in range(repeats):
        first.grad = second.grad = None
        start, start_cpu = time.perf_counter(), time.process_time()
        result = loss(first, second, step)
        result.backward()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
        if step == 0:
            peak = peak_mb() - before
            assert first.grad is not None and second.grad is not None
            value, norm = result.item(), torch.cat([first.grad, second.grad]).norm().item()
        del result
    return {"variant": name, "num_nodes": num_nodes, "dim": dim, "threads": threads, "repeats": repeats,
            "seconds": statistics.median(wall), "fastest": min(wall), "slowest": max(wall),
            "cpu_seconds": statistics.median(cpu), "peak_mb": peak, "loss": value, "gradient_norm": norm}


def available_bytes() -> int:
    """Memory that new processes may take."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo does not tell the available memory")


def dense_bytes(num_nodes: int) -> int:
    return DENSE_MATRICES * 4 * num_nodes**2


def sizes(num_nodes: int, available: int) -> list[int]:
    """The number of nodes asked for; and where the dense form does not fit, the largest round number where it does."""
    if dense_bytes(num_nodes) <= available:
        return [num_nodes]
    fitting = int((available / (4 * DENSE_MATRICES)) ** 0.5) // 500 * 500
    return [num_nodes, fitting] if fitting else [num_nodes]


def in_own_process(name: str, num_nodes: int, dim: int, threads: int, repeats: int) -> dict[str, Any]:
    words = [sys.executable, __file__, "--measure", name, "--num-nodes", str(num_nodes), "--dim", str(dim),
             "--threads", str(threads), "--repeats", str(repeats)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode} (-9: no memory left):\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def compared(rows: list[dict[str, Any]]) -> None:
    """Beside the dense form of as many nodes and threads: how often each row's memory and time go into its."""
    of_dense = {(row["num_nodes"], row["threads"]): row for row in rows if row["variant"] == "dense"}
    for row in rows:
        base = of_dense.get((row["num_nodes"], row["threads"]))
        row["memory_ratio"] = base["peak_mb"] / max(row["peak_mb"], 1e-3) if base else None
        row["speed_ratio"] = base["seconds"] / row["seconds"] if base else None
        row["processor_ratio"] = base["cpu_seconds"] / row["cpu_seconds"] if base else None


def verdict(row: dict[str, Any]) -> str:
    if row["variant"] not in TARGETS or row["memory_ratio"] is None:
        return ""
    share, speed = TARGETS[row["variant"]]
    met = row["memory_ratio"] >= 1 / share and min(row["speed_ratio"], row["processor_ratio"]) >= speed
    return f"1/{1 / share:.0f}, {speed:g} times: {'met' if met else 'missed'}"


def markdown(rows: list[dict[str, Any]], quick: bool, skipped: list[int]) -> str:
    facts = machine(max(row["threads"] for row in rows))
    out = ["# GRACE's loss and gradient: memory and time", ""]
    if quick:
        out += ["A quick run on few nodes: it shows that everything works, and no speeds.", ""]
    out += [f"`python benchmarks/grace_loss.py`: {facts['cpu']}, last-level cache "
            f"{facts.get('last_level_cache', '?')}, memory {facts.get('memory', '?')}; {facts['time']}; commit "
            f"{commit()}. "
            + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".", "",
            f"Unit vectors of width {rows[0]['dim']}, temperature {TEMPERATURE}. A step draws the negatives, where "
            "there is a draw, and makes the loss and its gradient. Seconds are medians, with the fastest and the "
            "slowest of the repeats; processor seconds, all threads together, tell whether a run shared its core. "
            "Memory is the peak above the vectors themselves, each variant in its own process. A target, of dense's "
            "memory and times as fast, is met if both speeds meet it. Values differ where the negatives do.", ""]
    for size in skipped:
        out += [f"The dense form of {size:,} nodes needs about {dense_bytes(size) / 1e9:.1f} GB, more than this "
                "machine had free: it was measured at the largest number of nodes that fits.", ""]
    for size, threads in dict.fromkeys((row["num_nodes"], row["threads"]) for row in rows):
        out += [f"## {size:,} nodes, {threads} thread{'s' if threads > 1 else ''}", "",
                "| loss | s a step | processor s | peak MB | of dense's memory | times as fast | by processor s | "
                "target | value | gradient norm |", f"|{'---|' * 10}"]
        for row in rows:
            if (row["num_nodes"], row["threads"]) != (size, threads):
                continue
            ratios = ["–"] * 3 if row["memory_ratio"] is None else [
                f"1/{row['memory_ratio']:.3g}", f"{row['speed_ratio']:.3g}", f"{row['processor_ratio']:.3g}"]
            out.append(f"| {row['variant']} | {row['seconds']:.3g} ({row['fastest']:.3g} to {row['slowest']:.3g}, "
                       f"{row['repeats']}) | {row['cpu_seconds']:.3g} | {row['peak_mb']:,.0f} | {' | '.join(ratios)} | "
                       f"{'' if quick else verdict(row)} | {row['loss']:.6f} | {row['gradient_norm']:.5e} |")
        out.append("")
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(description="memory and time of GRACE's loss and its gradient")
    parser.add_argument("--num-nodes", type=int, default=19_717)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--quick", action="store_true", help="few nodes, in seconds: means nothing")
    parser.add_argument("--measure", choices=list(VARIANTS), help="one variant in this process, as JSON")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.num_nodes, options.dim, options.threads[0],
                                 options.repeats)))
        return 0
    if options.quick:
        options.num_nodes, options.dim, options.threads, options.repeats = 700, 16, [1], 2
    rows: list[dict[str, Any]] = []
    skipped = []
    for size in sizes(options.num_nodes, available_bytes()):
        fits = dense_bytes(size) <= available_bytes()
        if not fits:
            skipped.append(size)
        for threads in options.threads:
            for name in options.variants:
                if name == "dense" and not fits:
                    print(f"dense, {size:,} nodes: not enough memory", file=sys.stderr)
                    continue
                row = in_own_process(name, size, options.dim, threads, options.repeats)
                print(f"{name}, {size:,} nodes, {threads} thread(s): {row['seconds']:.3g} s, of the processor "
                      f"{row['cpu_seconds']:.3g} s, {row['peak_mb']:,.0f} MB", file=sys.stderr, flush=True)
                rows.append(row)
    compared(rows)
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()}
                     for row in rows)
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "grace-loss.csv", table.getvalue())
    write_text(options.out / "grace-loss.md", markdown(rows, options.quick, skipped))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
