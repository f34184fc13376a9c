"""OGB's link prediction: data sets with their official split and negatives, and the official evaluator."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns.adapters.ogb.reading import evaluator, read_ogb

NAMES = ("ogbl-ddi", "ogbl-collab", "ogbl-ppa", "ogbl-citation2", "ogbl-vessel")
"""The data sets that can be read: one kind of node, one kind of edge."""
LEFT_OUT = {
    "ogbl-wikikg2": "it is a knowledge graph, whose edges have relations",
    "ogbl-biokg": "it is a knowledge graph, whose edges have relations",
}
"""OGB's other sets of links, and why each is left out."""
HITS = {"ogbl-ddi": (10, 20, 30), "ogbl-collab": (10, 50, 100), "ogbl-ppa": (10, 50, 100)}
"""The K of Hits@K that OGB's examples print, the official one among them."""
_DIRECTED = ("ogbl-citation2",)
# authors who write together again: a held-out pair may be a training edge of an earlier year
_REPEATS = ("ogbl-collab",)


def read_link(name: str, root: Path, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A data set in OGB's own format, by OGB's own reader; downloaded by OGB where it is missing.

    The files are looked for in root/ogb/ogbl_name and root/ogbl_name. What OGB makes of them is kept there, as OGB
    does: written elsewhere and put in place by one rename. Weights and years of edges are not read.

    Args:
        name: one of `NAMES`; or with `meta` any.
        root: folder of the data sets.
        meta: the description that `ogb.io.DatasetSaver` gives; "dir_path" is then the folder, and root is not looked
            at.

    Returns:
        num_nodes; x [N, F] float32 or None; train [2, n]; valid and test, each (positive [2, P], negative), where
        negatives are [2, n], shared, or [2, P, n], each positive's own (ogbl-citation2); all int64; undirected;
        repeats; metric, the official one.

    Raises:
        FileNotFoundError: the files are not there and cannot be downloaded.
        ValueError: `ogb` is not installed, or the data set is of another kind.
    """
    if meta is None and name not in NAMES:
        raise ValueError(f"{name} cannot be read: {LEFT_OUT.get(name, 'OGB has no such data set')}; of OGB there are: "
                         f"{', '.join(NAMES)}")

    def take(whole: Any) -> dict[str, Any]:
        data, parts = whole[0], whole.get_edge_split()
        held_out = {part: (_positive(name, parts[part]), _negative(name, parts[part])) for part in ("valid", "test")}
        x = getattr(data, "x", None)
        return {"num_nodes": int(data.num_nodes), "x": None if x is None else x.float(),
                "train": _positive(name, parts["train"]), **held_out, "undirected": name not in _DIRECTED,
                "repeats": name in _REPEATS, "metric": {"rocauc": "auc"}.get(whole.eval_metric, whole.eval_metric)}

    return read_ogb("linkproppred", name, root, meta, take)


def official_figures(name: str, positive: Tensor, negative: Tensor) -> dict[str, float]:
    """The official figures of a data set, in [0, 1], by OGB's `Evaluator`.

    Args:
        name: one of `NAMES`.
        positive: [P] scores.
        negative: scores of negatives: [n], shared, or [P, n], each positive's own (ogbl-citation2).

    Returns:
        hits@K for each K of `HITS`, or mrr (ogbl-citation2), or auc (ogbl-vessel).

    Raises:
        ValueError: `ogb` is not installed, there is no such data set, nothing is to be ranked, or a score is NaN, of
            which the evaluator makes a figure.
    """
    if name not in NAMES:
        raise ValueError(f"there are no figures of {name!r}; of OGB there are: {', '.join(NAMES)}")
    own = name == "ogbl-citation2"
    if positive.dim() != 1 or negative.dim() != 1 + own or (own and len(negative) != len(positive)) or not (
            positive.numel() and negative.numel()):
        raise ValueError(f"{name} ranks scores [P] among {'[P, n]' if own else '[n]'}, none empty, got "
                         f"{tuple(positive.shape)} and {tuple(negative.shape)}")
    for kind, scores in (("positive", positive), ("negative", negative)):
        if bool(scores.isnan().any()):
            raise ValueError(f"a {kind} has the score NaN: nothing can be ranked by it; look for a diverged loss")
    judge = copy.copy(evaluator("linkproppred", name))
    asked = {"y_pred_pos": positive, "y_pred_neg": negative}
    if name in HITS:
        found: dict[str, float] = {}
        for judge.K in HITS[name]:  # it remembers which K it counts, so this is a copy
            found |= judge.eval(asked)
        return found
    judged = judge.eval(asked)
    return {"mrr": float(judged["mrr_list"].mean())} if own else {"auc": float(judged["rocauc"])}


def _positive(name: str, part: Mapping[str, Any]) -> Tensor:
    if "edge" in part:
        return torch.as_tensor(part["edge"]).long().T.contiguous()
    if "source_node" in part and "target_node" in part:
        return torch.stack([torch.as_tensor(part[key]).long() for key in ("source_node", "target_node")])
    raise ValueError(f"{name} has {', '.join(part)} and neither 'edge' nor 'source_node' and 'target_node': its edges "
                     "are of several kinds")


def _negative(name: str, part: Mapping[str, Any]) -> Tensor:
    if "edge_neg" in part:
        return torch.as_tensor(part["edge_neg"]).long().T.contiguous()
    if "target_node_neg" in part:
        targets = torch.as_tensor(part["target_node_neg"]).long()
        return torch.stack([torch.as_tensor(part["source_node"]).long()[:, None].expand_as(targets), targets])
    raise ValueError(f"{name} has {', '.join(part)}, and no negatives")
