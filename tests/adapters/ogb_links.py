"""Small data sets of links in OGB's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

NUM_NODES = 30
_SPLITS = {"ogbl-ddi": "target", "ogbl-ppa": "throughput"}


def tiny() -> dict[str, dict[str, Any]]:
    """Distinct pairs (a, b), a < b: training, validation and test edges, and negatives."""
    random = np.random.default_rng(0)
    every = np.stack(np.triu_indices(NUM_NODES, 1), 1)
    train, valid, test, no, never = np.split(random.permutation(every)[:130], [80, 95, 110, 120])
    return {"train": {"edge": train}, "valid": {"edge": valid, "edge_neg": no},
            "test": {"edge": test, "edge_neg": never}}


def with_own() -> dict[str, dict[str, Any]]:
    """As ogbl-citation2 has it: sources, targets, and 4 targets for each source that are none."""
    found: dict[str, dict[str, Any]] = {}
    for name, part in tiny().items():
        found[name] = {"source_node": part["edge"][:, 0], "target_node": part["edge"][:, 1]}
        if name != "train":
            found[name]["target_node_neg"] = np.random.default_rng(1).integers(NUM_NODES, size=(len(part["edge"]), 4))
    return found


def as_downloaded(root: Path, name: str, parts: dict[str, dict[str, Any]], num_nodes: int = NUM_NODES) -> Path:
    """The files of OGB's data sets as their zips have them: splits are old pickles of NumPy."""
    folder = root / "ogb" / name.replace("-", "_")
    split = folder / "split" / _SPLITS.get(name, "time")
    for each in (folder / "raw", split):
        each.mkdir(parents=True)
    (folder / "RELEASE_v1.txt").write_text("")
    train = parts["train"]["edge"] if "edge" in parts["train"] else np.stack(list(parts["train"].values()), 1)
    tables: dict[str, Any] = {"edge": train, "num-node-list": [[num_nodes]], "num-edge-list": [[len(train)]]}
    if name != "ogbl-ddi":
        tables["node-feat"] = np.eye(num_nodes, 6)
    if name == "ogbl-collab":
        tables |= {"edge_weight": np.ones((len(train), 1)), "edge_year": np.full((len(train), 1), 2017)}
    if name == "ogbl-citation2":
        tables["node_year"] = np.full((num_nodes, 1), 2017)
    for table, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / "raw" / f"{table}.csv.gz", header=False, index=False)
    for part, arrays in parts.items():
        path = split / f"{part}.pt"
        torch.save(arrays, path, _use_new_zipfile_serialization=False)
        # before NumPy 2 the function that makes an array stood elsewhere, and OGB's files name that place
        path.write_bytes(path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
        assert b"cnumpy.core.multiarray\n_reconstruct" in path.read_bytes()
    return folder
