"""The probe by gradient descent: against scikit-learn, and what may choose."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from graphns.encoders.sparse import Sparse
from graphns.metrics import descent
from graphns.metrics.descent import descend
from graphns.metrics.evaluation import evaluate
from graphns.metrics.probe import fit_probe


def make(nodes: int = 600, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 3, nodes)
    x = np.eye(3)[y] @ draws.normal(size=(3, 6)) + draws.normal(size=(nodes, 6))
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def masks(nodes: int) -> dict[str, torch.Tensor]:
    place = torch.arange(nodes)
    return {"train_mask": place < 200, "val_mask": (place >= 200) & (place < 300), "test_mask": place >= 300}


def test_a_long_descent_is_the_regression_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = make()
    monkeypatch.setattr(descent, "WEIGHT_DECAY", 0.0)
    train = torch.arange(200)
    wanted = LogisticRegression(C=1e6, max_iter=10_000).fit(x[:200].numpy(), y[:200].numpy()).predict(x.numpy())
    # validation nodes whose classes are the optimum's: only the whole descent gets them all right
    labels = torch.from_numpy(wanted.copy())
    labels[:200] = y[:200]
    found, reached, epochs = descend(x, labels, train, torch.arange(200, 600))
    assert reached > 0.98 and epochs > 100
    assert float((found.numpy() == wanted).mean()) > 0.98


def test_first_of_equally_good_epochs() -> None:
    y = torch.arange(40) % 2
    assert descend(torch.eye(2)[y], y, torch.arange(20), torch.arange(20, 40))[1:] == (1.0, 1)


def test_test_nodes_choose_nothing() -> None:
    x, y = make()
    honest = fit_probe(x, SimpleNamespace(y=y, **masks(600)), classifier="descent")
    other = y.clone()
    other[300:] = (y[300:] + 1) % 3
    fooled = fit_probe(x, SimpleNamespace(y=other, **masks(600)), classifier="descent")
    assert torch.equal(fooled.predicted, honest.predicted) and fooled.validation == honest.validation
    assert honest.strength is None and honest.sizes == (200, 100, 300)
    assert honest.accuracy == float((honest.predicted[300:] == y[300:]).double().mean()) > 0.6


def test_classes_need_not_be_consecutive_and_lengths_count() -> None:
    x, y = make()
    data = SimpleNamespace(y=torch.tensor([2, 5, 9])[y], **masks(600))
    found = fit_probe(x, data, classifier="descent")
    assert set(found.predicted.tolist()) <= {2, 5, 9}
    radius = torch.rand(600, generator=torch.Generator().manual_seed(0)) + 0.5
    rings = torch.stack([radius, torch.zeros(600)], 1)  # the rows' lengths alone tell the class
    far = SimpleNamespace(y=(radius > 1).long(), **masks(600))
    assert fit_probe(rings, far, classifier="descent").accuracy > 0.9
    assert fit_probe(rings, far).accuracy < 0.7


def test_sparse_rows() -> None:
    x, y = make()
    x = x * (x > 0)
    data = SimpleNamespace(y=y, **masks(600))
    dense, sparse = (fit_probe(each, data, classifier="descent") for each in (x, Sparse.from_dense(x)))
    assert abs(dense.accuracy - sparse.accuracy) < 0.011 and sparse.accuracy > 0.5


def test_over_splits_and_refusals() -> None:
    x, y = make()
    data = SimpleNamespace(y=y, **masks(600))
    found = evaluate(x, data, splits=2, classifier="descent")
    assert found.probes[1].accuracy == fit_probe(x, data, "random-10-10-80", 1, classifier="descent").accuracy
    with pytest.raises(ValueError, match="random-10-90 has none"):
        fit_probe(x, data, "random-10-90", classifier="descent")
    with pytest.raises(ValueError, match="unknown classifier 'svm': choose one of liblinear, descent"):
        fit_probe(x, data, classifier="svm")
