"""An encoder that follows another as a moving average: the target of BGRL, the key encoder of MoCo."""

from __future__ import annotations

import math

import torch
from torch import nn


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, momentum: float) -> None:
    r"""Move each parameter of `target` towards that of `online`.

    .. math:: \theta_t \leftarrow m\, \theta_t + (1 - m)\, \theta_o

    Call it after each optimiser step; begin with `target = copy.deepcopy(online)`. Buffers stay as they are: a batch
    norm of the target keeps statistics of its own.

    Raises:
        ValueError: momentum is outside [0, 1], or the two have not the same parameters.

    Example:
        >>> target, online = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(target.weight, 1.0), nn.init.constant_(online.weight, 2.0)
        >>> follow(target, online, 0.75)
        >>> target.weight.item()
        1.25

    References:
        He, Fan, Wu, Xie, Girshick: Momentum Contrast for Unsupervised Visual Representation Learning. CVPR 2020.
        Thakoor et al.: Large-Scale Representation Learning on Graphs via Bootstrapping. ICLR 2022.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must be in [0, 1], got {momentum}")
    ours, theirs = dict(target.named_parameters()), dict(online.named_parameters())
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        raise ValueError("target and online must have the same parameters: begin with target = copy.deepcopy(online)")
    for name, value in ours.items():
        value.lerp_(theirs[name].to(value), 1 - momentum)


def annealed_momentum(step: int, num_steps: int, start: float = 0.99) -> float:
    r"""BGRL's momentum at a step: from `start` to 1 along half a cosine.

    .. math:: m = 1 - (1 - m_0) \, \frac{1 + \cos(\pi \cdot \text{step} / \text{num\_steps})}{2}

    Raises:
        ValueError: the step is outside [0, num_steps], or start outside [0, 1].

    Example:
        >>> [annealed_momentum(step, 2, 0.5) for step in range(3)]
        [0.5, 0.75, 1.0]
    """
    if not 0 <= step <= num_steps or num_steps < 1:
        raise ValueError(f"step must be in [0, num_steps] with num_steps at least 1, got {step} of {num_steps}")
    if not 0 <= start <= 1:
        raise ValueError(f"start must be in [0, 1], got {start}")
    return 1 - (1 - start) * (1 + math.cos(math.pi * step / num_steps)) / 2
