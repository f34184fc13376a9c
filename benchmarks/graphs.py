"""Seeded power-law graphs for benchmarks, kept on disk: made once in seconds, with little memory."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "graphns-benchmarks"
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Shape:
    """Nodes, generated edges (a few per cent of which turn out to be copies), and the seed."""

    name: str
    num_nodes: int
    num_edges: int
    seed: int = 0


SHAPES = {
    "tiny": Shape("tiny", 2_000, 20_000),
    "small": Shape("small", 100_000, 1_000_000),
    "large": Shape("large", 2_400_000, 62_000_000),
}


def load(shape: Shape, cache: Path = DEFAULT_CACHE) -> Tensor:
    """The distinct edges [2, E] int64 of a graph, in random order; no node is without an edge that leaves it."""
    file = cache / f"power-law-{shape.num_nodes}-{shape.num_edges}-{shape.seed}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.save(stream, _generate(shape))
        part.rename(file)
    return torch.from_numpy(np.load(file, allow_pickle=False)).long()


def _generate(shape: Shape) -> np.ndarray:
    random = np.random.default_rng(shape.seed)
    edges = np.empty((2, shape.num_edges), dtype=np.int32)
    for end in edges:
        # rank N u^2.5 has weight in proportion to rank^-0.6: degrees fall as a power law; ranks are then shuffled
        name = random.permutation(shape.num_nodes).astype(np.int32)
        for low in range(0, shape.num_edges, _CHUNK):
            part = end[low : low + _CHUNK]
            part[:] = name[(shape.num_nodes * random.random(len(part)) ** 2.5).astype(np.int32)]
    edges[0, : shape.num_nodes] = np.arange(shape.num_nodes)  # walks must not end
    graph = Graph.from_edge_index(torch.from_numpy(edges), shape.num_nodes)
    order = random.permutation(graph.num_edges)
    edges[0, : len(order)] = np.repeat(np.arange(shape.num_nodes, dtype=np.int32), graph.degree.numpy())[order]
    edges[1, : len(order)] = graph.indices.numpy()[order]
    return edges[:, : len(order)]
