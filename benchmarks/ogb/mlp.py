"""The classifier of a leaderboard script: a perceptron on fixed vectors of nodes, tested after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphns.streams import Stream

BATCH = 1 << 16  # nodes classified at once: the hidden layers of 2.4 million would need gigabytes
_LEVELS = 1 << 16
Accuracy = Callable[[Tensor, Tensor], float]


class MLP(nn.Module):
    """Linear layers with batch normalisation, ReLU and dropout between them; with one layer a linear classifier.

    Args:
        in_channels: length of a node's vector.
        hidden_channels: width of the hidden layers.
        out_channels: number of classes.
        num_layers: linear layers, at least 1.
        dropout: share of the hidden values dropped in training, in [0, 1).

    Shape:
        x [n, in_channels] -> scores of the classes [n, out_channels].
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, num_layers: int,
                 dropout: float) -> None:
        super().__init__()
        widths = [in_channels, *[hidden_channels] * (num_layers - 1)]
        self.lins = nn.ModuleList(nn.Linear(*pair) for pair in zip(widths, [*widths[1:], out_channels], strict=True))
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])
        self.dropout = dropout

    def forward(self, x: Tensor, stream: Stream | None = None) -> Tensor:
        """Scores; `stream` decides what is dropped, None drops nothing."""
        for number, (lin, bn) in enumerate(zip(self.lins[:-1], self.bns, strict=True)):
            x = F.relu(bn(lin(x)))
            if stream is not None and self.dropout:
                x = dropped(x, self.dropout, stream.child(number))
        scores: Tensor = self.lins[-1](x)
        return scores


def dropped(x: Tensor, rate: float, stream: Stream) -> Tensor:
    """Dropout keyed by (row, column), so that it is the same on every device.

    A random word serves four columns: the rate is rounded to a multiple of 2^-16, and what is kept is divided by the
    share that is kept after rounding, so the mean stays.
    """
    out_of = min(round(rate * _LEVELS), _LEVELS - 1)
    words = stream.words(torch.arange(len(x), device=x.device), -(-x.shape[1] // 4))
    keep = words.view(torch.int16)[:, : x.shape[1]] >= out_of - _LEVELS // 2
    return x * keep * (_LEVELS / (_LEVELS - out_of))


def train_epochs(model: MLP, x: Tensor, y: Tensor, split: dict[str, Tensor], accuracy: Accuracy, *, lr: float,
                 epochs: int, seed: int) -> Iterator[tuple[float, tuple[float, float, float]]]:
    """Train on the train nodes, all in one step an epoch, and test after each.

    Args:
        model: not yet trained.
        x: [N, in_channels].
        y: [N] classes.
        split: ids of "train", "valid" and "test" nodes.
        accuracy: of true and predicted classes, [n] each, by OGB's evaluator.
        lr: of Adam.
        epochs: how many.
        seed: of the dropout.

    Yields:
        After each epoch the loss, and the shares right of train, valid and test nodes.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    inputs, targets = x[split["train"]], y[split["train"]]
    for epoch in range(epochs):
        model.train()
        loss = F.cross_entropy(model(inputs, Stream(seed, epoch)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield float(loss.detach()), test(model, x, y, split, accuracy)


@torch.no_grad()
def test(model: MLP, x: Tensor, y: Tensor, split: dict[str, Tensor], accuracy: Accuracy) -> tuple[float, float, float]:
    """The accuracy of train, valid and test nodes."""
    model.eval()
    y_pred = torch.cat([model(part).argmax(1) for part in x.split(BATCH)])
    train, valid, held = (accuracy(y[split[part]], y_pred[split[part]]) for part in ("train", "valid", "test"))
    return train, valid, held
