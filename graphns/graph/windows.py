"""Which nodes of a walk stand near which: the pairs that skip-gram learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.streams import Stream, bounded


def window_contexts(
    walks: Tensor, window: int, *, shrink: Stream | None = None, row: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""The contexts of every place of every walk: the nodes at most `window` places before or after it.

    Context slot s of place t is the node at place :math:`t + o_s`, with offsets :math:`o = -w, \dots, -1, 1, \dots, w`,
    and counts where that place is in the walk. A node that a walk visits twice within a window is its own context
    there, as in word2vec.

    Args:
        walks: [B, T] int64.
        window: w, at least 1.
        shrink: each place draws a narrower window of its own, uniform in 1 … w, as word2vec does: near contexts then
            count more. None: all of w.
        row: [B] int64, names of the walks' random sequences; default 0 … B-1.

    Returns:
        contexts [B, T, 2w] int64, a node of the walk also where it does not count; inside [B, T, 2w] bool.

    Raises:
        ValueError: the window is below 1, or walks are not [B, T].

    Example:
        >>> contexts, inside = window_contexts(torch.tensor([[4, 5, 6]]), 1)
        >>> [contexts[0, place][inside[0, place]].tolist() for place in range(3)]
        [[5], [4, 6], [5]]

    References:
        Mikolov, Sutskever, Chen, Corrado, Dean: Distributed Representations of Words and Phrases and their
        Compositionality. NIPS 2013.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    if walks.dim() != 2:
        raise ValueError(f"need walks [B, T], got {tuple(walks.shape)}")
    num_walks, length = walks.shape
    offset = torch.cat([torch.arange(-window, 0), torch.arange(1, window + 1)]).to(walks.device)
    place = torch.arange(length, device=walks.device)[:, None] + offset
    inside = ((place >= 0) & (place < length)).expand(num_walks, length, 2 * window)
    contexts = walks[:, place.clamp(0, length - 1)]
    if shrink is not None:
        row = torch.arange(num_walks, device=walks.device) if row is None else row
        width = bounded(shrink.words(row, length), window) + 1
        inside = inside & (offset.abs() <= width[:, :, None])
    return contexts, inside
