"""A linear classifier by gradient descent, stopped where validation accuracy is best."""

from __future__ import annotations

import torch
from torch import Tensor

from graphns.encoders.sparse import Sparse

EPOCHS, LEARNING_RATE, WEIGHT_DECAY = 2000, 1e-2, 1e-4


def descend(x: Tensor | Sparse, y: Tensor, train: Tensor, validation: Tensor) -> tuple[Tensor, float, int]:
    r"""Train a softmax regression with Adam on embeddings as they are, and take the epoch of best validation accuracy.

    .. math:: \min_{W, b} \; -\frac{1}{|T|} \sum_{i \in T} \log \operatorname{softmax}(W x_i + b)_{y_i}

    Weights begin at 0, so nothing is random. Of equally good epochs the first is taken: how far the descent went is
    what regularises it, beside the weight decay.

    Args:
        x: [N, d] floating point; sparse rows stay sparse.
        y: [N] int64 classes; -1 for unknown ones.
        train: [n] int64 ids of the nodes fitted.
        validation: [m] int64 ids of the nodes that choose the epoch, at least one.

    Returns:
        [N] int64 predicted classes; validation accuracy in [0, 1]; epochs of descent taken, 1 at least.

    Example:
        >>> y = torch.arange(8) % 2
        >>> descend(torch.eye(2)[y], y, torch.arange(4), torch.arange(4, 6))
        (tensor([0, 1, 0, 1, 0, 1, 0, 1]), 1.0, 1)
    """
    x = x.to("cpu") if isinstance(x, Sparse) else x.detach().cpu().float()
    classes, targets = torch.unique(y[train], return_inverse=True)
    known, judged = (x.rows(part) if isinstance(x, Sparse) else x[part] for part in (train, validation))
    wanted = y[validation]
    weights = torch.zeros(x.shape[1], len(classes), requires_grad=True)
    biases = torch.zeros(len(classes), requires_grad=True)
    optimizer = torch.optim.Adam([weights, biases], lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, taken, kept = -1, 0, (weights.detach(), biases.detach())
    for epoch in range(1, EPOCHS + 1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(known @ weights + biases, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            right = int((classes[(judged @ weights + biases).argmax(1)] == wanted).sum())
        if right > best:
            best, taken, kept = right, epoch, (weights.detach().clone(), biases.detach().clone())
    return classes[(x @ kept[0] + kept[1]).argmax(1)], best / len(validation), taken
