"""GRACE's loss over every negative, exact, a block of scores at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.objectives.block_pairs import BlockPairs, crossed_pairs
from graphns.objectives.score_tiles import ScoreTiles, Tile

Precision = Literal["full", "bf16"]
"""`"full"`: products in the vectors' own dtype. `"bf16"`: products of bfloat16 numbers, sums in float32."""

_BLOCK = {"cpu": 1024, "cuda": 8192}  # rows and columns held at once: they stay in a cache, or fill a GPU
_BOUND = {torch.float32: 40.0, torch.float64: 300.0}  # logits up to this need no maxima: no sum or weight overflows


def streamed_infonce(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float = 1.0,
    anchors: Tensor | None = None,
    excluded: Graph | None = None,
    block: int | None = None,
    precision: Precision = "full",
) -> Tensor:
    r"""GRACE's loss with all other nodes of both views as negatives, both directions, without an N x N tensor.

    .. math:: L = \frac{1}{2|A|} \sum_{i \in A} \big(\ell(u_i, v_i) + \ell(v_i, u_i)\big), \qquad
              \ell(u_i, v_i) = -\log \frac{e^{\langle u_i, v_i \rangle / \tau}}{e^{\langle u_i, v_i \rangle / \tau}
              + \sum_{j \in \mathcal{N}_i} e^{\langle u_i, v_j \rangle / \tau}
              + \sum_{j \in \mathcal{N}_i} e^{\langle u_i, u_j \rangle / \tau}}

    with :math:`\mathcal{N}_i` every node but i and its row of `excluded`. Equal, to rounding, to the dense loss, and to
    the mean of both directions of `infonce` with the negatives of `All`.

    The views stacked are one table of 2N rows whose matrix of scores is symmetric: of its blocks only the upper
    triangle is made, once for the denominators (the sums of its rows and columns) and once more in the backward pass
    for the weights. That is 8 products of N x N x d where the dense form makes 12. Memory is two gradients [N, d] and
    two blocks. Where the longest vectors bound the logits below what overflows, no maxima are kept; else they are.

    Args:
        first: [N, d] float32 or float64, the vectors u of all nodes: unit vectors for cosines.
        second: [N, d], the vectors v, row by row the same nodes in the other view.
        temperature: divides the scores.
        anchors: [B] int64, the nodes i of a mini-batch, against the negatives among all N. None: every node.
        excluded: row i lists ids that are no negatives of i in either view: `graph` for what
            `All.from_graph(graph, exclude="neighbors")` leaves out. None: i alone is left out.
        block: rows and columns of the scores held at once; any gives the same result, to rounding. None: 1024 on a CPU.
        precision: "bf16" rounds the factors and the results of a block's products to bfloat16; their sums over blocks,
            the exponentials and the loss stay float32. Faster where the processor has such products.

    Returns:
        A scalar, differentiable once in both views. A node without negatives contributes 0, and counts in the mean.

    Raises:
        ValueError: shapes, dtypes, anchors or the graph do not fit; temperature, block or precision is out of range.

    Example:
        >>> views = torch.zeros(3, 2), torch.zeros(3, 2)  # the positive, and 2 other nodes in 2 views
        >>> round(float(streamed_infonce(*views).exp()), 4)
        5.0

    References:
        Zhu, Xu, Yu, Liu, Wu, Wang: Deep Graph Contrastive Representation Learning. ICML Workshop on Graph
        Representation Learning and Beyond 2020.
    """
    _check(first, second, temperature, anchors, excluded, precision)
    if block is not None and block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    rows = (None, None) if excluded is None else (excluded.indptr, excluded.indices)
    loss: Tensor = _forward(first, second, anchors, *rows, float(temperature),
                            block or _BLOCK.get(first.device.type, 2048), precision == "bf16")[0]
    return loss


def _check(first: Tensor, second: Tensor, temperature: float, anchors: Tensor | None, excluded: Graph | None,
           precision: str) -> None:
    if first.dim() != 2 or first.shape != second.shape or len(first) == 0:
        raise ValueError(f"need two views [N, d] with N at least 1, got {tuple(first.shape)} and "
                         f"{tuple(second.shape)}")
    if first.dtype not in _BOUND or second.dtype != first.dtype:
        raise ValueError(f"both views must be float32 or both float64, got {first.dtype} and {second.dtype}; convert "
                         "them with .float()")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if precision not in ("full", "bf16"):
        raise ValueError(f"precision must be 'full' or 'bf16', got {precision!r}")
    if precision == "bf16" and first.dtype != torch.float32:
        raise ValueError(f"precision 'bf16' is for float32 views, got {first.dtype}")
    if anchors is not None:
        if anchors.dim() != 1 or anchors.dtype != torch.int64 or len(anchors) == 0:
            raise ValueError(f"anchors must be [B] int64 with B at least 1, got {anchors.dtype} {tuple(anchors.shape)}")
        least, most = (int(value) for value in anchors.aminmax())
        if least < 0 or most >= len(first):
            raise ValueError(f"anchor {least if least < 0 else most} is outside [0, {len(first)})")
    if excluded is not None and (excluded.bipartite or excluded.num_src != len(first)):
        raise ValueError(f"excluded must be a homogeneous graph of the {len(first)} nodes, got {excluded}")
    if excluded is not None and excluded.device != first.device:
        raise ValueError(f"excluded is on {excluded.device}, the views on {first.device}; use excluded.to("
                         f"{str(first.device)!r})")


def streamed_forward(
    first: Tensor, second: Tensor, anchors: Tensor | None, indptr: Tensor | None, indices: Tensor | None,
    temperature: float, block: int, half: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, a scalar; log of the whole denominators [2, B]; and what pulls each node's two vectors [B]."""
    scores = ScoreTiles(temperature, block, half, anchors)
    views = (first, second)
    left, right = scores.asking(views)
    positive = (left * right).sum(1) / temperature
    crossed = crossed_pairs(_graph(indptr, indices), first, anchors, block)
    if _is_plain(views, temperature, crossed):
        rest = _log_sums(scores, views, crossed[0], len(positive))
    else:
        rest = _log_sums_by_maxima(scores, views, crossed, positive)
    losses = F.softplus(rest - positive)  # log(1 + rest / positive), exact where the rest is nothing too
    return losses.mean(), losses + positive, torch.sigmoid(rest - positive).sum(0)


def streamed_backward(
    grad: Tensor, first: Tensor, second: Tensor, anchors: Tensor | None, indptr: Tensor | None, indices: Tensor | None,
    log_denominator: Tensor, pull: Tensor, temperature: float, block: int, half: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients [N, d] of both views, from what `streamed_forward` gave."""
    scores = ScoreTiles(temperature, block, half, anchors)
    views = (first, second)
    crossed = crossed_pairs(_graph(indptr, indices), first, anchors, block)
    if _is_plain(views, temperature, crossed):
        weighted = _weights(scores, views, crossed[0], log_denominator)
    else:
        weighted = _weights_by_logs(scores, views, crossed, log_denominator)
    to_tables = (torch.zeros_like(first), torch.zeros_like(second))
    left, right = scores.asking(views)
    to_rows = to_tables if anchors is None else (torch.zeros_like(left), torch.zeros_like(right))
    to_rows[0].addcmul_(pull[:, None], right, value=-1)
    to_rows[1].addcmul_(pull[:, None], left, value=-1)
    for tile, weights in weighted:
        _add_product(to_rows[tile.left][tile.rows], weights, tile.keys)
        _add_product(to_tables[tile.right][tile.columns], weights.T, tile.queries)
    if anchors is not None:
        for to_table, to_row in zip(to_tables, to_rows, strict=True):
            to_table.index_add_(0, anchors, to_row)
    scale = grad / (2 * len(pull) * temperature)
    return to_tables[0].mul_(scale), to_tables[1].mul_(scale)


def _graph(indptr: Tensor | None, indices: Tensor | None) -> Graph | None:
    return None if indptr is None or indices is None else Graph(indptr, indices)


def _is_plain(views: Sequence[Tensor], temperature: float, crossed: tuple[BlockPairs, BlockPairs]) -> bool:
    """Whether one exponential serves a row's sum and a column's: no logit overflows, and both leave out the same."""
    longest = max(float(torch.linalg.vector_norm(view, dim=1).max()) for view in views)
    return longest**2 / temperature <= _BOUND[views[0].dtype] and crossed[0] is crossed[1]


# operators, so that torch.compile takes them whole instead of unrolling thousands of tiles
_forward = torch.library.custom_op(
    "graphns::streamed_infonce", streamed_forward, mutates_args=(),
    schema="(Tensor first, Tensor second, Tensor? anchors, Tensor? indptr, Tensor? indices, float temperature, "
           "SymInt block, bool half) -> (Tensor, Tensor, Tensor)")
_backward = torch.library.custom_op(
    "graphns::streamed_infonce_backward", streamed_backward, mutates_args=(),
    schema="(Tensor grad, Tensor first, Tensor second, Tensor? anchors, Tensor? indptr, Tensor? indices, "
           "Tensor log_denominator, Tensor pull, float temperature, SymInt block, bool half) -> (Tensor, Tensor)")


@_forward.register_fake
def _(first: Tensor, second: Tensor, anchors: Tensor | None, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
    batch = len(first if anchors is None else anchors)
    return first.new_empty(()), first.new_empty((2, batch)), first.new_empty(batch)


@_backward.register_fake
def _(grad: Tensor, first: Tensor, second: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(first), torch.empty_like(second)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:5], *output[1:])
    ctx.options = inputs[5:]


def _differentiate(ctx: Any, grad: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
    to_first, to_second = _backward(grad, *ctx.saved_tensors, *ctx.options)
    wants_first, wants_second = ctx.needs_input_grad[:2]
    return to_first if wants_first else None, to_second if wants_second else None, *(None,) * 6


_forward.register_autograd(_differentiate, setup_context=_save)


def _log_sums(scores: ScoreTiles, views: Sequence[Tensor], pairs: BlockPairs, batch: int) -> Tensor:
    """Log of the negatives' sum of exponentials [2, B], where no exponential can overflow."""
    total = views[0].new_zeros((2, batch))
    for tile in scores.tiles(views):
        weights = _crossed_out(tile.logits.exp_(), pairs.at(*tile.place), 0.0)
        total[tile.left, tile.rows] += weights.sum(1)
        if tile.both:
            total[tile.right, tile.columns] += weights.sum(0)
    return total.log_()


def _log_sums_by_maxima(scores: ScoreTiles, views: Sequence[Tensor], crossed: tuple[BlockPairs, BlockPairs],
                        positive: Tensor) -> Tensor:
    """The same at any logits: sums relative to the largest one so far; the positive's is where they start."""
    top = positive.expand(2, -1).clone()
    total = torch.zeros_like(top)
    work = torch.empty(scores.block**2, dtype=top.dtype, device=top.device)
    for tile in scores.tiles(views):
        for side, (view, at, pairs) in enumerate(_sides(tile, crossed)):
            logits = work[: tile.logits.numel()].view(tile.logits.shape).copy_(tile.logits)
            _crossed_out(logits, pairs.at(*tile.place), -torch.inf)
            higher = torch.maximum(top[view, at], logits.amax(1 - side))
            total[view, at] *= (top[view, at] - higher).exp_()
            total[view, at] += logits.sub_(higher.unsqueeze(1 - side)).exp_().sum(1 - side)
            top[view, at] = higher
    return total.log_().add_(top)


def _weights(scores: ScoreTiles, views: Sequence[Tensor], pairs: BlockPairs,
             log_denominator: Tensor) -> Iterator[tuple[Tile, Tensor]]:
    """The gradient of the summed losses in a block's logits; one exponential serves a row and a column."""
    inverse = (-log_denominator).exp_()
    work = torch.empty(scores.block**2, dtype=inverse.dtype, device=inverse.device)
    for tile in scores.tiles(views):
        weights = _crossed_out(tile.logits.exp_(), pairs.at(*tile.place), 0.0)
        of_rows = inverse[tile.left, tile.rows][:, None]
        if tile.both:
            both = work[: weights.numel()].view(weights.shape)
            weights *= torch.add(of_rows, inverse[tile.right, tile.columns], out=both)
        else:
            weights *= of_rows
        yield tile, weights.to(tile.keys.dtype)


def _weights_by_logs(scores: ScoreTiles, views: Sequence[Tensor], crossed: tuple[BlockPairs, BlockPairs],
                     log_denominator: Tensor) -> Iterator[tuple[Tile, Tensor]]:
    """The same at any logits: those of rows and of columns apart, both below 1."""
    for tile in scores.tiles(views):
        weights: Tensor | None = None
        for side, (view, at, pairs) in enumerate(_sides(tile, crossed)):
            each = (tile.logits - log_denominator[view, at].unsqueeze(1 - side)).exp_()
            _crossed_out(each, pairs.at(*tile.place), 0.0)
            weights = each if weights is None else weights.add_(each)
        assert weights is not None
        yield tile, weights.to(tile.keys.dtype)


def _sides(tile: Tile, crossed: tuple[BlockPairs, BlockPairs]) -> list[tuple[int, slice, BlockPairs]]:
    """Whose denominators a tile is part of: its rows', and its columns' too."""
    sides = [(tile.left, tile.rows, crossed[0]), (tile.right, tile.columns, crossed[1])]
    return sides if tile.both else sides[:1]


def _crossed_out(values: Tensor, pairs: tuple[Tensor, Tensor] | None, value: float) -> Tensor:
    if pairs is not None:
        values[pairs] = value
    return values


def _add_product(total: Tensor, weights: Tensor, vectors: Tensor) -> None:
    if weights.dtype == total.dtype:
        total.addmm_(weights, vectors)
    else:
        total += weights @ vectors
