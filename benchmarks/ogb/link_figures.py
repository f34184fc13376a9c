"""What a run of links reaches: train, validation and test figures by OGB's evaluator, every few epochs."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from graphns.adapters.ogb.link import official_figures
from graphns.data.link import LinkData
from graphns.metrics.links import score_pairs
from graphns.pipelines.link_model import LinkModel
from graphns.streams import Stream

_CHOSEN = 7  # beside the streams of the first epoch, which has the same seed and step
Shares = tuple[float, float, float]


class LinkFigures:
    """A validation of `graphns.pipelines.link_prediction.fit`, and a part of its checkpoint.

    Train figures are, as in OGB's example for ddi, of as many training edges as there are validation edges, among the
    validation's negatives; each source of ogbl-citation2 among the targets drawn for a validation edge. Test figures
    choose nothing.

    Args:
        data: of OGB.
        seed: chooses the training edges that are scored.
        use_valid_edges: embed over training and validation edges where test edges are scored.
    """

    def __init__(self, data: LinkData, seed: int, use_valid_edges: bool = False) -> None:
        every = torch.arange(data.train.shape[1], device=data.device)
        order = Stream(seed).child(_CHOSEN).words(every, 1)[:, 0].argsort(stable=True)
        self.rows = order[: data.valid.positive.shape[1]]
        self.use_valid_edges = use_valid_edges
        self.history: list[tuple[int, dict[str, Shares]]] = []
        self.seconds = 0.0

    def __call__(self, epoch: int, model: LinkModel, data: LinkData) -> float:
        """The official metric on the validation edges; all figures are kept in `history`."""
        start = time.perf_counter()
        seen = model.scorer(data)
        valid = score_pairs(seen, data.valid.positive)
        among = score_pairs(seen, data.valid.negative)
        train = score_pairs(seen, data.train[:, self.rows])
        train_among = score_pairs(seen, self._targets(data)) if data.valid.own else among
        if self.use_valid_edges:
            seen = model.scorer(data, data.joined("train", "valid"))
        test, test_among = (score_pairs(seen, pairs) for pairs in data.test)
        train_figures, valid_figures, test_figures = (
            official_figures(data.name, *scores)
            for scores in ((train, train_among), (valid, among), (test, test_among)))
        self.history.append((epoch, {metric: (train_figures[metric], share, test_figures[metric])
                                     for metric, share in valid_figures.items()}))
        self.seconds += time.perf_counter() - start
        return valid_figures[data.metric]

    def _targets(self, data: LinkData) -> Tensor:
        """The training edges' sources before the targets [2, rows, n] of as many validation edges."""
        targets = data.valid.negative[1, : len(self.rows)]
        return torch.stack([data.train[0, self.rows, None].expand_as(targets), targets])

    def state_dict(self) -> dict[str, Any]:
        """What was measured, as plain values."""
        return {"history": [[epoch, {metric: list(shares) for metric, shares in figures.items()}]
                            for epoch, figures in self.history], "seconds": self.seconds}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.history = [(epoch, {metric: (shares[0], shares[1], shares[2]) for metric, shares in figures.items()})
                        for epoch, figures in saved["history"]]
        self.seconds = saved["seconds"]
