"""What samplers must be to draw in a loader's workers, whichever library the loader is of."""

from __future__ import annotations

from torch import Tensor

from graphns.base import Sampler


def check_static(sampler: Sampler, where: str = "batch.negative_id", owner: str = "negatives", *,
                 reads_model: bool = False) -> None:
    """Refuse a sampler that a loader's workers cannot hold.

    Args:
        sampler: what was given.
        where: what the training step finds the drawn pool under.
        owner: the argument that it was given as.
        reads_model: whether it may read the model, since what draws in the workers does not.

    Raises:
        ValueError: it is none, or it reads the model, keeps state or learns.
    """
    if not isinstance(sampler, Sampler):
        raise ValueError(f"{owner} must be a sampler, such as Uniform(graph), got {type(sampler).__name__}")
    reasons = {"reads the model": sampler.model_aware and not reads_model, "keeps state": sampler.stateful,
               "learns": sampler.trainable}
    for why in (reason for reason, holds in reasons.items() if holds):
        raise ValueError(f"{type(sampler).__name__} {why}, and a loader draws before the training step, its workers "
                         f"with copies. Split it: let the loader draw a pool ({owner}=Uniform(graph), k=pool), and "
                         f"choose among {where} in the training step")


def shared(tensor: Tensor) -> Tensor:
    """The tensor in shared memory, where persistent workers, which live from pass to pass, see a new value too."""
    moved: Tensor = tensor.share_memory_()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return moved
