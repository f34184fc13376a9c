"""The probe: what it fits, on which nodes it chooses, and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from graphns.metrics import probe as module
from graphns.metrics.probe import STRENGTHS, fit_probe, linear_probe, split


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


def test_random_protocol_splits_by_seed() -> None:
    x, data = labelled()
    train, validation, test = split(data, "random", seed=1)
    assert (len(train), len(validation), len(test)) == (30, 30, 240)
    assert torch.cat([train, validation, test]).sort().values.tolist() == list(range(300))
    assert torch.equal(train, split(data, "random", seed=1)[0])
    assert not torch.equal(train, split(data, "random", seed=2)[0])
    assert linear_probe(x, data, "random", seed=1) == linear_probe(x, data, "random", seed=1)


def test_nodes_of_unknown_class_are_in_no_part() -> None:
    x, data = labelled()
    data.y = data.y.clone()
    data.y[::7] = -1
    for protocol in ("public", "random"):
        parts = torch.cat(split(data, protocol, 0))  # type: ignore[arg-type]
        assert bool((data.y[parts] >= 0).all())
    assert np.isfinite(linear_probe(x, data))


def test_no_warning_on_separable_classes() -> None:
    """Weakly regularised, such fits stop at the limit of steps; warnings are errors here."""
    x, data = labelled(noise=1e-6)
    assert linear_probe(x, data) == 1.0


def test_global_generators_are_left_alone() -> None:
    x, data = labelled()
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    linear_probe(x, data, "random")
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]


def test_refusals() -> None:
    x, data = labelled()
    with pytest.raises(ValueError, match=r"one embedding per node \[300, d\], got \(299, 6\)"):
        linear_probe(x[1:], data)
    with pytest.raises(ValueError, match="training diverged"):
        linear_probe(x * float("nan"), data)
    with pytest.raises(ValueError, match="use protocol='random'"):
        linear_probe(x, SimpleNamespace(y=data.y, train_mask=None, val_mask=None, test_mask=None))
    with pytest.raises(ValueError, match="protocol must be 'public' or 'random', got 'full'"):
        linear_probe(x, data, "full")  # type: ignore[arg-type]
    alone = SimpleNamespace(**{**vars(data), "y": torch.zeros(300, dtype=torch.int64)})
    with pytest.raises(ValueError, match="two classes among the train nodes, and all are of class 0"):
        linear_probe(x, alone)
    data.val_mask = torch.zeros(300, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"train, validation and test nodes, got \[60, 0, 160\]"):
        linear_probe(x, data)


def test_path_of_strengths() -> None:
    assert module.STRENGTHS[0] == 2.0**-10 and module.STRENGTHS[-1] == 2.0**10 and len(module.STRENGTHS) == 21
