"""OGB's node classification: data sets with their official split, and the official evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns.adapters.ogb.reading import evaluator, read_ogb

NAMES = ("ogbn-arxiv", "ogbn-products")
"""The data sets that can be read: one kind of node, features, one class a node, and small enough for one machine."""
LEFT_OUT = {
    "ogbn-mag": "it has several kinds of nodes and edges",
    "ogbn-proteins": "its nodes have no features, and 112 yes/no labels each instead of one class",
    "ogbn-papers100M": "a graph of 111 million nodes is not trained on whole",
}
"""OGB's other sets of nodes, and why each is left out."""


def read_node(name: str, root: Path, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A data set in OGB's own format, by OGB's own reader; downloaded by OGB where it is missing.

    The files are looked for in root/ogb/ogbn_name and root/ogbn_name. What OGB makes of them (minutes for
    ogbn-products) is kept there, as OGB does: written elsewhere and put in place by one rename.

    Args:
        name: one of `NAMES`; or with `meta` any.
        root: folder of the data sets.
        meta: the description that `ogb.io.DatasetSaver` gives; "dir_path" is then the folder, and root is not looked
            at.

    Returns:
        x [N, F] float32, as OGB has it; edge_index [2, E] int64; y [N] int64, -1 where the class is unknown;
        train_mask, val_mask and test_mask [N] bool, the official split.

    Raises:
        FileNotFoundError: the files are not there and cannot be downloaded.
        ValueError: `ogb` is not installed, or the data set is of another kind.
    """
    if meta is None and name not in NAMES:
        raise ValueError(f"{name} cannot be read: {LEFT_OUT.get(name, 'OGB has no such data set')}; of OGB there are: "
                         f"{', '.join(NAMES)}")

    def take(whole: Any) -> dict[str, Any]:
        found = _checked(name, whole[0], whole.get_idx_split())
        if whole.meta_info["add_inverse_edge"] == "True":
            # half of the edges are the other half turned round, and whoever takes them makes them undirected again
            found["edge_index"] = found["edge_index"][:, found["edge_index"][0] < found["edge_index"][1]]
        return found

    return read_ogb("nodeproppred", name, root, meta, take)


def accuracy(name: str, y_true: Tensor, y_pred: Tensor) -> float:
    """The official figure of a data set, in [0, 1], by OGB's `Evaluator`.

    Args:
        name: one of `NAMES`.
        y_true: [n] classes.
        y_pred: [n] predicted classes.

    Raises:
        ValueError: `ogb` is not installed.
    """
    judged = evaluator("nodeproppred", name).eval({"y_true": y_true[:, None], "y_pred": y_pred[:, None]})
    return float(judged["acc"])


def _checked(name: str, data: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    if data.x is None or data.y.dim() != 2 or data.y.shape[1] != 1:
        raise ValueError(f"{name} has no features, or not one class a node; a probe needs both")
    y = data.y[:, 0]
    y = torch.where(y.isnan(), -1, y).long() if y.is_floating_point() else y
    found = {"x": data.x.float(), "edge_index": data.edge_index, "y": y}
    for mask, part in (("train_mask", "train"), ("val_mask", "valid"), ("test_mask", "test")):
        found[mask] = torch.zeros(len(y), dtype=torch.bool)
        found[mask][torch.as_tensor(parts[part])] = True
    return found
