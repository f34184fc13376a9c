"""What no sampler draws by default: the anchor, its positive, and the anchor's known neighbours."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphns.base import InfeasibleError, Query
from graphns.graph.graph import Graph
from graphns.kernels.membership import in_rows

Exclude = Literal["neighbors", "self"]
"""`"neighbors"`: the anchor (same node type), `query.positive` and the anchor's row of the graph. `"self"`: the anchor
and `query.positive` only, as GRACE does."""
Infeasible = Literal["mask", "raise"]
"""What happens to a row with fewer candidates than draws without replacement, or none: a mask, or `InfeasibleError`."""


def check_choice(value: str, choices: tuple[str, ...], name: str) -> None:
    """Raise a `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_positives(positives: str, exclude: Exclude) -> None:
    """Raise a `ValueError` unless `positives` is ``"check"``, or ``"known"`` where the anchor's row is excluded."""
    check_choice(positives, ("check", "known"), "positives")
    if positives == "known" and exclude != "neighbors":
        raise ValueError("positives='known' leaves them to the anchor's row: it needs exclude='neighbors'")


def excluded(graph: Graph, query: Query, exclude: Exclude) -> tuple[Tensor, Tensor]:
    """The row of each query [B] (-1: none) and its further exclusions [B, 2] (-1: none): the anchor, the positive."""
    rows = graph.rows(query.anchor)
    anchor = torch.full_like(rows, -1) if graph.bipartite else rows
    if exclude == "self":
        rows = torch.full_like(rows, -1)
    return rows, torch.stack([anchor, query.positive], 1)


def is_candidate(graph: Graph, rows: Tensor, extra: Tensor, ids: Tensor) -> Tensor:
    """Whether each of ids [B|1, m] may be drawn, given what `excluded` gave: [B, m] bool."""
    inside = (ids >= 0) & (ids < graph.num_dst)
    taken = in_rows(graph.indptr, graph.indices, rows, ids)
    for column in extra.T:
        taken = taken | (ids == column[:, None])
    return inside & ~taken


def num_candidates(graph: Graph, rows: Tensor, extra: Tensor) -> Tensor:
    """How many ids may be drawn in each row [B] int64."""
    own = is_candidate(graph, rows, torch.full_like(extra[:, :0], -1), extra)
    own[:, 1] &= extra[:, 0] != extra[:, 1]
    at = rows.clamp(min=0)
    end = graph.indptr[(at + 1).clamp(max=len(graph.indptr) - 1)]  # an EdgeSet may be empty
    degree = torch.where(rows < 0, 0, end - graph.indptr[at])
    return graph.num_dst - degree - own.sum(1)


def raise_if_short(available: Tensor, wanted: int, query: Query, infeasible: Infeasible) -> None:
    """Raise `InfeasibleError` if asked to and some row has fewer candidates than wanted."""
    if infeasible == "raise" and bool((available < wanted).any()):
        at = int((available < wanted).nonzero()[0])
        raise InfeasibleError(
            f"anchor {query.anchor[at].tolist()} has {int(available[at])} candidates, {wanted} are needed; lower k, "
            "or take infeasible='mask' and use Negatives.mask"
        )


def accidental_hits(positive: Tensor, ids: Tensor) -> Tensor:
    r"""Where drawn ids are the pair's own positive, wherever it stands in the batch: [B, m] bool.

    .. math:: \text{hit}_{bs} = [j_{bs} = y^+_b]

    In-batch and other shared negatives hold a popular positive several times, each for another pair; for a pair with
    the same positive all of these slots are no negatives. `InBatch` masks them itself; a loss of your own masks with
    ``scores.masked_fill(accidental_hits(positive, ids), -torch.inf)``.

    Args:
        positive: [B] int64.
        ids: [B|1, m] int64.

    Example:
        >>> positive = torch.tensor([3, 4, 3])
        >>> accidental_hits(positive, positive[None]).int().tolist()
        [[1, 0, 1], [0, 1, 0], [1, 0, 1]]

    References:
        TensorFlow Recommenders, https://github.com/tensorflow/recommenders: `remove_accidental_hits`.
    """
    return ids == positive[:, None]
