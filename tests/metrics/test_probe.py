"""The probe: what it fits, on which nodes it chooses, and what it refuses."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from graphns.encoders.sparse import Sparse
from graphns.metrics import probe as module
from graphns.metrics.probe import FOLDS, STRENGTHS, fit_probe, linear_probe
from graphns.metrics.protocols import split


def labelled(num_nodes: int = 300, width: int = 6, noise: float = 1.0) -> tuple[torch.Tensor, SimpleNamespace]:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(num_nodes) % 3
    centres = 2 * torch.eye(3, width)
    x = centres[y] + noise * torch.randn(num_nodes, width, generator=generator)
    masks = torch.zeros(3, num_nodes, dtype=torch.bool)
    masks[0, :60], masks[1, 60:140], masks[2, 140:] = True, True, True
    return x, SimpleNamespace(y=y, train_mask=masks[0], val_mask=masks[1], test_mask=masks[2])


def by_hand(x: torch.Tensor, data: SimpleNamespace, strength: float) -> tuple[float, float]:
    z = torch.nn.functional.normalize(x.double(), dim=1).numpy()
    y, train = data.y.numpy(), data.train_mask.numpy()
    model = OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear", tol=1e-8, max_iter=5000))
    model.fit(z[train], y[train])
    right = model.predict(z) == y
    return float(right[data.val_mask.numpy()].mean()), float(right[data.test_mask.numpy()].mean())


@pytest.mark.parametrize("width", [6, 90])  # fewer and more features than train nodes
def test_the_chosen_fit_is_the_textbook_one(width: int) -> None:
    x, data = labelled(width=width)
    found = fit_probe(x, data)
    validation, accuracy = by_hand(x, data, found.strength)
    assert found.validation == pytest.approx(validation, abs=0.0126)  # one node of 80
    assert found.accuracy == pytest.approx(accuracy, abs=0.0126)
    assert found.accuracy > 0.6


def test_chooses_on_validation_nodes_alone() -> None:
    """Test labels turned round change the accuracy and nothing else; validation labels turned round the choice."""
    x, data = labelled()
    honest = fit_probe(x, data)
    turned = SimpleNamespace(**{**vars(data), "y": torch.where(data.test_mask, (data.y + 1) % 3, data.y)})
    fooled = fit_probe(x, turned)
    assert (fooled.strength, fooled.validation) == (honest.strength, honest.validation)
    assert fooled.accuracy < honest.accuracy - 0.3
    validations = [by_hand(x, data, strength)[0] for strength in STRENGTHS]
    assert honest.validation >= max(validations) - 0.0126


def test_smallest_of_equally_good_strengths() -> None:
    x, data = labelled(noise=0.001)
    assert fit_probe(x, data).strength == STRENGTHS[0]


def test_cross_validation_is_the_textbook_one() -> None:
    """Without validation nodes: scikit-learn's own grid search over folds of the train nodes, fitted again on all."""
    from sklearn.model_selection import GridSearchCV, KFold

    x, data = labelled()
    found = fit_probe(x, data, "random-10-90", seed=4)
    train, validation, test = (part.numpy() for part in split(data, "random-10-90", 4))
    z, y = torch.nn.functional.normalize(x.double(), dim=1).numpy(), data.y.numpy()
    grid = GridSearchCV(OneVsRestClassifier(LogisticRegression(solver="liblinear")),
                        {"estimator__C": STRENGTHS}, cv=KFold(FOLDS)).fit(z[train], y[train])
    assert not len(validation) and found.sizes == (30, 0, 270)
    assert found.strength == grid.best_params_["estimator__C"]
    assert found.validation == pytest.approx(grid.best_score_, abs=1e-12)
    assert found.accuracy == pytest.approx(float((grid.predict(z[test]) == y[test]).mean()), abs=1e-12)


def test_cross_validation_with_few_nodes() -> None:
    """Three train nodes in three folds: a fold's rest may be of one class, and then that class is answered."""
    y = torch.arange(30) % 2
    data = SimpleNamespace(y=y)
    seed = next(seed for seed in range(99) if sorted(y[split(data, "random-10-90", seed)[0]].tolist()) == [0, 0, 1])
    found = fit_probe(torch.eye(2)[y], data, "random-10-90", seed)
    assert found.accuracy == 1.0 and found.sizes == (3, 0, 27)


def test_test_labels_choose_nothing_without_validation_nodes() -> None:
    x, data = labelled()
    honest = fit_probe(x, data, "random-10-90")
    test = split(data, "random-10-90", 0)[2]
    data.y = data.y.clone()
    data.y[test] = (data.y[test] + 1) % 3
    fooled = fit_probe(x, data, "random-10-90")
    assert (fooled.strength, fooled.validation) == (honest.strength, honest.validation)
    assert fooled.accuracy < honest.accuracy - 0.3


@pytest.mark.parametrize("protocol", ["public", "random-10-90"])
def test_predictions_of_every_node(protocol: str) -> None:
    x, data = labelled()
    found = fit_probe(x, data, protocol, seed=2)
    test = split(data, protocol, 2)[2]
    assert found.predicted.shape == (300,) and found.seed == 2
    assert float((found.predicted[test] == data.y[test]).double().mean()) == found.accuracy


@pytest.mark.parametrize("protocol", ["public", "random-10-90", "random-10-10-80"])
@pytest.mark.parametrize("width", [6, 90])
def test_sparse_rows_give_the_figures_of_dense_ones(protocol: str, width: int) -> None:
    x, data = labelled(width=width)
    x = x * (x > 0.5)
    x[7] = 0
    found, wanted = fit_probe(Sparse.from_dense(x), data, protocol), fit_probe(x, data, protocol)
    assert (found.strength, found.sizes) == (wanted.strength, wanted.sizes)
    assert found.accuracy == pytest.approx(wanted.accuracy, abs=0.01)
    with pytest.raises(ValueError, match="training diverged"):
        fit_probe(Sparse.from_dense(x * torch.tensor(float("inf"))), data, protocol)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_one_against_the_rest_is_scikit_learns(num_classes: int) -> None:
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0)).double().numpy()
    y = np.arange(90) % num_classes + 3
    for strength in (2.0**-10, 1.0, 2.0**10):
        wanted = OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear")).fit(x, y).predict(x)
        assert (module._fit(x, y, strength)(x) == wanted).all()


def test_any_number_of_threads_gives_the_same() -> None:
    x, data = labelled()
    filters = list(warnings.filters)
    found = [fit_probe(x, data, "random-10-90", threads=threads) for threads in (1, 5, 5)]
    assert found[0] == found[1] == found[2] and torch.equal(found[0].predicted, found[1].predicted)
    assert list(warnings.filters) == filters


def test_strengths_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    x, data = labelled()
    assert fit_probe(x, data, strengths=(0.5,)).strength == 0.5
    tried: list[float] = []
    fit = module._fit
    monkeypatch.setattr(module, "_fit", lambda x, y, strength: (tried.append(strength), fit(x, y, strength))[1])
    monkeypatch.setattr(module, "LARGE", 59)
    chosen = fit_probe(x, data).strength  # of 60 train nodes
    assert sorted({*tried}) == [2.0**power for power in (-10, -6, -2, 2, 6, 10)] and chosen in tried


def test_no_warning_on_separable_classes() -> None:
    """Weakly regularised, such fits stop at the limit of steps; warnings are errors here."""
    x, data = labelled(noise=1e-6)
    assert linear_probe(x, data) == 1.0


def test_global_generators_are_left_alone() -> None:
    x, data = labelled()
    state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)
    linear_probe(x, data, "random-10-10-80")
    linear_probe(x, data, "random-10-90")
    assert torch.equal(torch.get_rng_state(), state)
    now = np.random.get_state(legacy=False)
    assert (now["state"]["key"] == numpy_state["state"]["key"]).all()
    assert now["state"]["pos"] == numpy_state["state"]["pos"]


def test_refusals() -> None:
    x, data = labelled()
    with pytest.raises(ValueError, match=r"one embedding per node \[300, d\], got \(299, 6\)"):
        linear_probe(x[1:], data)
    with pytest.raises(ValueError, match="training diverged"):
        linear_probe(x * float("nan"), data)
    with pytest.raises(ValueError, match="use protocol='random-10-10-80' or"):
        linear_probe(x, SimpleNamespace(y=data.y, train_mask=None, val_mask=None, test_mask=None))
    with pytest.raises(ValueError, match="protocol must be one of public, random-10-90, random-10-10-80, got 'full'"):
        linear_probe(x, data, "full")
    alone = SimpleNamespace(**{**vars(data), "y": torch.zeros(300, dtype=torch.int64)})
    with pytest.raises(ValueError, match="two classes among the train nodes, and all are of class 0"):
        linear_probe(x, alone)
    data.val_mask = torch.zeros(300, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"train, validation and test nodes, got \[60, 0, 160\]"):
        linear_probe(x, data)


def test_path_of_strengths() -> None:
    assert module.STRENGTHS[0] == 2.0**-10 and module.STRENGTHS[-1] == 2.0**10 and len(module.STRENGTHS) == 21


@pytest.mark.data
def test_figures_of_the_public_splits_stay_what_they_were(data_root: Path) -> None:
    """Raw features, written down when the probe knew one random protocol; sparse ones too."""
    from graphns.data import load

    for name, protocol, accuracy, strength in (
        ("Cora", "public", 0.602, 4.0), ("CiteSeer", "public", 0.624, 0.015625),
        ("Cora_ML", "random-10-10-80", 0.7161936560934892, 512.0),
    ):
        found = fit_probe(load(name, data_root).x, load(name, data_root), protocol)
        assert (found.accuracy, found.strength) == (pytest.approx(accuracy, abs=0.0011), strength)  # one node of 1,000
