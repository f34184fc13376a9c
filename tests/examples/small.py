"""A small data set in the files of Planetoid."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

NODES, CLASSES, LABELLED, TESTED = 700, 3, 60, 100  # Planetoid validates on the 500 nodes after the labelled ones


def as_planetoid(root: Path, name: str = "Cora") -> None:
    """Three groups that keep to themselves, with features that tell a little of the group."""
    raw = root / "Planetoid" / name / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    group = np.arange(NODES) % CLASSES
    chance = np.where(group[:, None] == group, 0.02, 0.001)
    neighbors: dict[int, list[int]] = defaultdict(list)
    for source, target in np.argwhere(np.triu(rng.random((NODES, NODES)) < chance, 1)).tolist():
        neighbors[source].append(target)
        neighbors[target].append(source)
    words = rng.random((NODES, 30)) < 0.1 + 0.2 * (np.arange(30) % CLASSES == group[:, None])
    x, y, known = csr_matrix(words.astype(np.float32)), np.eye(CLASSES, dtype=np.int32)[group], NODES - TESTED
    parts = {"x": x[:LABELLED], "y": y[:LABELLED], "allx": x[:known], "ally": y[:known], "tx": x[known:],
             "ty": y[known:], "graph": {node: neighbors[node] for node in range(NODES)}}
    for part, value in parts.items():
        (raw / f"ind.{name.lower()}.{part}").write_bytes(pickle.dumps(value, protocol=2))
    (raw / f"ind.{name.lower()}.test.index").write_text("".join(f"{node}\n" for node in range(known, NODES)))
