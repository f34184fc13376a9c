"""The linear probe: how well classes can be read off frozen embeddings by a linear classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.encoders.sparse import Sparse
from graphns.metrics.descent import descend
from graphns.metrics.protocols import Labelled, protocol_name, split

STRENGTHS = tuple(2.0**power for power in range(-10, 11))
"""The values of C, from strong to weak regularisation, among which validation chooses."""
FOLDS = 5
"""Parts of the train nodes in the cross-validation that chooses C where there are no validation nodes."""
CLASSIFIERS = ("liblinear", "descent")
"""Probes: a logistic regression a class on rows of length 1, or a softmax regression by Adam on rows as they are."""
LARGE = 20_000
"""Train nodes above which only every fourth C is tried: a fit then takes seconds a class instead of milliseconds."""


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Args:
        accuracy: share of the test nodes that are classified rightly, in [0, 1].
        validation: the same of the validation nodes; without them, its mean over the folds of the train nodes.
        strength: the C that was chosen; None where the classifier has none.
        seed: of the split.
        sizes: train, validation and test nodes.
        predicted: [N] the class that the probe gives each node.
    """

    accuracy: float
    validation: float
    strength: float | None
    seed: int = 0
    sizes: tuple[int, int, int] = (0, 0, 0)
    predicted: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long), repr=False, compare=False)


def linear_probe(embeddings: Tensor | Sparse, data: Labelled, protocol: str = "public", seed: int = 0) -> float:
    """Test accuracy, in [0, 1], of a logistic regression on L2-normalised embeddings; see `fit_probe`.

    Example:
        >>> from types import SimpleNamespace
        >>> y = torch.arange(40) % 2
        >>> linear_probe(torch.eye(2)[y], SimpleNamespace(y=y), protocol="random-10-10-80")
        1.0
    """
    return fit_probe(embeddings, data, protocol, seed).accuracy


def fit_probe(embeddings: Tensor | Sparse, data: Labelled, protocol: str = "public", seed: int = 0, *,
              classifier: str = "liblinear", strengths: Sequence[float] | None = None,
              threads: int | None = None) -> Probe:
    """Fit a logistic regression on the train nodes, choose C on the validation nodes, and test once.

    "liblinear" is the classifier of GRACE's evaluation: L2-normalised embeddings, one L2-regularised logistic
    regression a class. Without validation nodes (random-10-90) the C of the best mean accuracy over 5 folds of the
    train nodes is taken, and fitted again on all of them. Of equally good C the smallest is taken. "descent" is one
    softmax regression on embeddings as they are, trained by Adam and stopped at the epoch of the best validation
    accuracy (`graphns.metrics.descent`); it reads the lengths of embeddings too, and depends on their scale. Test nodes
    choose nothing in either.

    Args:
        embeddings: [N, d] floating point, finite; sparse ones stay sparse.
        data: y [N], with -1 for unknown classes, and for "public" its three masks [N].
        protocol: one of `graphns.metrics.protocols.PROTOCOLS`.
        seed: of the random split. Nothing else is random.
        classifier: "liblinear" or "descent"; figures of one do not compare with figures of the other.
        strengths: the values of C, in rising order, for liblinear. None: `STRENGTHS`, and every fourth of them above
            `LARGE` train nodes.
        threads: how many fits run side by side; the result is the same. None: torch's number.

    Raises:
        ValueError: no masks, an unknown protocol or classifier, embeddings that do not fit or are not finite, one class
            only, or descent without validation nodes.
    """
    from sklearn.exceptions import ConvergenceWarning

    protocol = protocol_name(protocol)
    if classifier not in CLASSIFIERS:
        raise ValueError(f"unknown classifier {classifier!r}: choose one of {', '.join(CLASSIFIERS)}")
    y = data.y.cpu().numpy()
    if len(embeddings.shape) != 2 or embeddings.shape[0] != len(y):
        raise ValueError(f"need one embedding per node [{len(y)}, d], got {tuple(embeddings.shape)}")
    if not bool(torch.isfinite(embeddings.values if isinstance(embeddings, Sparse) else embeddings).all()):
        raise ValueError("embeddings hold NaN or infinity: the training diverged; lower its learning rate")
    parts = split(data, protocol, seed)
    train, validation, test = (part.numpy() for part in parts)
    if (y[train] == y[train[0]]).all():
        raise ValueError(f"a probe needs two classes among the train nodes, and all are of class {y[train[0]]}")
    sizes = (len(train), len(validation), len(test))
    if classifier == "descent":
        if not len(validation):
            raise ValueError(f"classifier 'descent' needs validation nodes, and {protocol} has none: take 'liblinear'")
        labels, reached, _ = descend(embeddings, data.y.cpu(), parts[0], parts[1])
        return Probe(float((labels[parts[2]] == data.y.cpu()[parts[2]]).double().mean()), reached, None, seed, sizes,
                     labels)
    x = _normalised(embeddings, train)
    if strengths is None:
        strengths = STRENGTHS if len(train) <= LARGE else STRENGTHS[::4]
    if len(validation):
        trials = [(train, validation)]
    else:
        folds = np.array_split(train, min(FOLDS, len(train)))
        trials = [(np.concatenate(folds[:i] + folds[i + 1 :]), fold) for i, fold in enumerate(folds)]

    def accuracy(trial: tuple[float, tuple[Any, Any]]) -> float:
        strength, (fitted, judged) = trial
        return float((_fit(x[fitted], y[fitted], strength)(x[judged]) == y[judged]).mean())

    with warnings.catch_warnings():
        # weakly regularised, separable classes have no finite optimum to converge to; validation judges such fits
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(threads or torch.get_num_threads()) as pool:
            found = list(pool.map(accuracy, product(strengths, trials)))
        means = np.reshape(found, (len(strengths), len(trials))).mean(1)
        best = int(means.argmax())  # the first of equal ones
        predicted = _fit(x[train], y[train], strengths[best])(x)
    return Probe(float((predicted[test] == y[test]).mean()), float(means[best]), strengths[best], seed, sizes,
                 torch.from_numpy(predicted))


def _normalised(embeddings: Tensor | Sparse, train: Any) -> Any:
    """Rows of length 1, as NumPy or SciPy has them."""
    if isinstance(embeddings, Sparse):
        x = embeddings.to_scipy().astype(np.float64)
        lengths = np.sqrt(x.multiply(x).sum(1)).clip(1e-12)
        x.data /= lengths.repeat(np.diff(x.indptr))
        x.indices, x.indptr = x.indices.astype(np.int32), x.indptr.astype(np.int32)  # what liblinear takes
        return x
    dense = torch.nn.functional.normalize(embeddings.detach().cpu().double(), dim=1)
    if dense.shape[1] > len(train):
        # an L2-regularised optimum lies in the span of the train rows: the same classifier in fewer dimensions
        dense = dense @ torch.linalg.svd(dense[train], full_matrices=False)[2].T
    return dense.numpy()


def _fit(x: Any, y: Any, strength: float) -> Callable[[Any], Any]:
    """A fitted classifier: rows in, classes out.

    It is scikit-learn's `OneVsRestClassifier` written out, which changes Python's warning filters while it runs: in
    threads that is a race.
    """
    from sklearn.linear_model import LogisticRegression

    classes = np.unique(y)
    if len(classes) == 1:  # a fold of few nodes
        return lambda rows: np.full(rows.shape[0], classes[0])
    positives = classes if len(classes) > 2 else classes[1:]
    weights, biases = np.empty((x.shape[1], len(positives))), np.empty(len(positives))
    for place, positive in enumerate(positives):
        # the seed changes nothing of this solver, but without one scikit-learn draws one from NumPy's global generator
        model = LogisticRegression(C=strength, solver="liblinear", random_state=0).fit(x, y == positive)
        weights[:, place], biases[place] = model.coef_[0], model.intercept_[0]

    def predict(rows: Any) -> Any:
        scores = rows @ weights + biases
        return classes[scores.argmax(1) if len(positives) > 1 else (scores[:, 0] > 0).astype(int)]

    return predict
