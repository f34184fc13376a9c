"""The linear probe: how well classes can be read off frozen embeddings by a linear classifier."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from graphns.streams import Stream

Protocols = Literal["public", "random"]
STRENGTHS = tuple(2.0**power for power in range(-10, 11))
"""The values of C, from strong to weak regularisation, among which the validation nodes choose."""


class Labelled(Protocol):
    """What a probe reads of a data set."""

    y: Tensor
    train_mask: Tensor | None
    val_mask: Tensor | None
    test_mask: Tensor | None


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Args:
        accuracy: share of the test nodes that are classified rightly, in [0, 1].
        validation: the same of the validation nodes.
        strength: the C that was chosen.
    """

    accuracy: float
    validation: float
    strength: float


def linear_probe(embeddings: Tensor, data: Labelled, protocol: Protocols = "public", seed: int = 0) -> float:
    """Test accuracy, in [0, 1], of a logistic regression on L2-normalised embeddings; see `fit_probe`.

    Example:
        >>> from types import SimpleNamespace
        >>> y = torch.arange(40) % 2
        >>> linear_probe(torch.eye(2)[y], SimpleNamespace(y=y), protocol="random")
        1.0
    """
    return fit_probe(embeddings, data, protocol, seed).accuracy


def fit_probe(embeddings: Tensor, data: Labelled, protocol: Protocols = "public", seed: int = 0) -> Probe:
    """Fit a logistic regression on the train nodes, choose C on the validation nodes, and test once.

    The classifier is that of GRACE's evaluation: L2-normalised embeddings, one L2-regularised logistic regression a
    class (liblinear). Of equally good C the smallest is taken. Test nodes choose nothing.

    Args:
        embeddings: [N, d] floating point, finite.
        data: y [N], with -1 for unknown classes, and for "public" its three masks [N].
        protocol: "public", the masks of the data set; "random", 10 % train, 10 % validation and 80 % test, drawn by
            the seed (the GCA and BGRL protocol).
        seed: of the random split. Nothing else is random.

    Raises:
        ValueError: no masks, an unknown protocol, embeddings that do not fit or are not finite, or one class only.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    y = data.y.cpu()
    if embeddings.dim() != 2 or len(embeddings) != len(y):
        raise ValueError(f"need one embedding per node [{len(y)}, d], got {tuple(embeddings.shape)}")
    if not bool(torch.isfinite(embeddings).all()):
        raise ValueError("embeddings hold NaN or infinity: the training diverged; lower its learning rate")
    train, validation, test = split(data, protocol, seed)
    x = torch.nn.functional.normalize(embeddings.detach().cpu().double(), dim=1)
    if bool((y[train] == y[train][0]).all()):
        raise ValueError(f"a probe needs two classes among the train nodes, and all are of class {int(y[train][0])}")
    if x.shape[1] > len(train):
        # an L2-regularised optimum lies in the span of the train rows: the same classifier in fewer dimensions
        x = x @ torch.linalg.svd(x[train], full_matrices=False)[2].T
    best, chosen, best_strength = -1.0, None, STRENGTHS[0]
    for strength in STRENGTHS:
        model = OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear"))
        with warnings.catch_warnings():
            # weakly regularised, separable classes have no finite optimum to converge to; validation judges such fits
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x[train].numpy(), y[train].numpy())
        reached = float(model.score(x[validation].numpy(), y[validation].numpy()))
        if reached > best:
            best, chosen, best_strength = reached, model, strength
    assert chosen is not None
    return Probe(float(chosen.score(x[test].numpy(), y[test].numpy())), best, best_strength)


def split(data: Labelled, protocol: Protocols, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The ids of train, validation and test nodes under a protocol; nodes of unknown class are in none.

    Raises:
        ValueError: an unknown protocol, or "public" for a data set without masks.
    """
    if protocol == "public":
        masks = [getattr(data, name, None) for name in ("train_mask", "val_mask", "test_mask")]
        if any(mask is None for mask in masks):
            raise ValueError("this data set has no split of its own: use protocol='random'")
        parts = [(mask.cpu() & (data.y.cpu() >= 0)).nonzero()[:, 0] for mask in masks if mask is not None]
    elif protocol == "random":
        known = (data.y.cpu() >= 0).nonzero()[:, 0]
        order = known[Stream(seed).words(known, 1)[:, 0].argsort()]
        first, second = max(len(order) // 10, 1), max(len(order) // 5, 2)
        parts = [order[:first], order[first:second], order[second:]]
    else:
        raise ValueError(f"protocol must be 'public' or 'random', got {protocol!r}")
    train, validation, test = parts
    if not (len(train) and len(validation) and len(test)):
        raise ValueError(f"a probe needs train, validation and test nodes, got {[len(part) for part in parts]}")
    return train, validation, test
