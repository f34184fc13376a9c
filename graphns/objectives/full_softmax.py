"""Full softmax (1-vs-all): every candidate scored, a block at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

_HELD = 1 << 22  # scores held at once


def full_softmax(
    score: Callable[[Tensor], Tensor],
    positive: Tensor,
    num_candidates: int,
    *,
    temperature: float = 1.0,
    usable: Callable[[Tensor], Tensor] | None = None,
    block: int | None = None,
    reduction: Literal["mean", "none"] = "mean",
) -> Tensor:
    r"""The softmax of the positive over all candidates: what sampled objectives stand in for. Nothing is sampled.

    .. math:: L_b = -\frac{s_{b y_b}}{\tau} + \log\Big(e^{s_{b y_b}/\tau} + \sum_{i \ne y_b,\ \text{usable}}
              e^{s_{bi}/\tau}\Big)

    Candidates are scored a block at a time and once more in the backward pass, so that memory is that of one block,
    however many candidates there are; time is that of N scores a row. The scores may come from any model.

    Args:
        score: takes ids [1, m] and gives scores [B, m], with gradient: `lambda ids: model.score(anchor, ids)`. It is
            called again in the backward pass and must then give the same scores (no dropout inside).
        positive: [B] int64, the ids y.
        num_candidates: N; ids are 0 to N - 1.
        temperature: divides the scores.
        usable: takes ids [1, m] and gives a bool mask [B, m], True = use: other known positives left out. The positive
            itself always counts. None: every candidate.
        block: candidates scored at once. Default: so many that 4 million scores are held.
        reduction: "mean" over the B rows, or "none" for [B].

    Returns:
        A scalar, or [B].

    Raises:
        ValueError: shapes do not fit, a positive is no candidate, or temperature, block or reduction is out of range.

    Example:
        >>> scores = torch.tensor([[2.0, 0.0, 1.0]])
        >>> loss = full_softmax(lambda ids: scores[:, ids[0]], torch.tensor([0]), 3)
        >>> torch.isclose(loss, -scores.log_softmax(1)[0, 0])
        tensor(True)

    References:
        Lacroix, Usunier, Obozinski: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018.
    """
    if positive.dim() != 1 or positive.dtype != torch.int64:
        raise ValueError(f"need positive [B] int64, got {positive.dtype} {tuple(positive.shape)}")
    if len(positive) and not 0 <= int(positive.min()) <= int(positive.max()) < num_candidates:
        raise ValueError(f"positives are {int(positive.min())} to {int(positive.max())}, candidates 0 to "
                         f"{num_candidates - 1}")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if block is not None and block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    size = block or max(1, _HELD // max(len(positive), 1))

    def block_parts(begin: int) -> tuple[Tensor, Tensor]:
        """Log of the block's sum [B] without the positive; and the positive's logit [B], 0 where it lies elsewhere."""
        ids = torch.arange(begin, min(begin + size, num_candidates), device=positive.device)[None]
        logits = _scores(score, ids, len(positive)) / temperature
        counts = ids != positive[:, None]
        at = (positive - begin).clamp(0, ids.shape[1] - 1)[:, None]
        own = torch.where(counts.all(1), 0.0, logits.gather(1, at)[:, 0])
        if usable is not None:
            counts = counts & _mask(usable, ids, len(positive))
        # the lowest finite number, not -inf: a row of -inf only would have the gradient 0 * NaN
        return torch.logsumexp(torch.where(counts, logits, torch.finfo(logits.dtype).min), 1), own

    # recomputed in the backward pass; no random numbers are used inside, so torch's generator is left alone
    parts = [checkpoint(block_parts, begin, use_reentrant=False, preserve_rng_state=False)
             for begin in range(0, num_candidates, size)]
    own = torch.stack([each for _, each in parts]).sum(0)
    rows = torch.nn.functional.softplus(torch.stack([each for each, _ in parts]).logsumexp(0) - own)
    return rows.mean() if reduction == "mean" else rows


def _scores(score: Callable[[Tensor], Tensor], ids: Tensor, batch: int) -> Tensor:
    scores = score(ids)
    if scores.shape != (batch, ids.shape[1]):
        raise ValueError(f"score gave {tuple(scores.shape)} for ids {tuple(ids.shape)}; it must give [B, m] = "
                         f"{(batch, ids.shape[1])}")
    return scores


def _mask(usable: Callable[[Tensor], Tensor], ids: Tensor, batch: int) -> Tensor:
    mask = usable(ids)
    if mask.shape != (batch, ids.shape[1]) or mask.dtype != torch.bool:
        raise ValueError(f"usable gave {mask.dtype} {tuple(mask.shape)} for ids {tuple(ids.shape)}; it must give bool "
                         f"[B, m] = {(batch, ids.shape[1])}")
    return mask
