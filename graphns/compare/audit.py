"""One sampler looked at closely, at a frozen model: its gradient, its negatives, its speed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.compare.draws import some_rows, speed
from graphns.compare.statistics import Estimate, estimate
from graphns.data.node import NodeData
from graphns.metrics.negatives import false_negatives, hardness
from graphns.pipelines.grace import Grace, View, every_node, make_views
from graphns.pipelines.grace_config import GraceConfig
from graphns.streams import Stream

_VIEWS, _DRAWS = 101, 102  # streams of the audit, apart from those of training
_MOST_ROWS = 2048  # anchors whose hardness is measured: each needs the scores of every candidate


def audit(model: Grace, data: NodeData, sampler: Sampler, config: GraceConfig, *, epoch: int,
          streams: int) -> dict[str, Any]:
    """Everything that is measured at the frozen model, in plain values.

    Args:
        model: frozen; the same for every sampler.
        data: the data set.
        sampler: as its training left it; not changed here.
        config: temperature, k and exclusion; every node is an anchor whatever its batch size.
        epoch: what samplers with a curriculum are told.
        streams: independent draws behind bias and variance.
    """
    config = config.replace(batch_size=None, corrected=False)
    stream = Stream(0)  # the same views and draws whatever the seeds of training
    views = make_views(data, config, stream.child(_VIEWS))
    true = gradient(model, data, views, every_node(data, config), config, stream.child(_DRAWS), epoch)
    model.config = config  # the frozen weights, asked under these settings
    done = model.step(data, views, sampler, stream.child(_DRAWS, 0), epoch)
    query = done.query
    assert query is not None
    negatives = sampler(query) if done.negatives is None else done.negatives
    every = len(negatives.ids) == 1 and negatives.ids.shape[1] >= data.num_nodes
    found: dict[str, Any] = {"uncorrected": None, "corrected": None}
    if every:  # nothing is drawn: two streams show as well as many that they agree
        streams = 2
    forms = {"uncorrected": config}
    if sampler.density == "marginal":
        forms["corrected"] = config.replace(corrected=True)
    for form, each in forms.items():
        found[form] = of_gradient(model, data, views, sampler, each, stream, epoch, streams, true).as_dict()
    with torch.no_grad():
        found["false_negatives"] = false_negatives(query, negatives, data.y)
        found["hardness"] = hardness(*some_rows(query, negatives, _MOST_ROWS), data.num_nodes)
        found["negatives_per_second"] = None if every else speed(sampler, query)
    return found


def gradient(model: Grace, data: NodeData, views: tuple[View, View], sampler: Sampler, config: GraceConfig,
             stream: Stream, epoch: int) -> Tensor:
    """The gradient [p] of one step's loss in all parameters of the model, flat."""
    model.config = config
    loss = model.step(data, views, sampler, stream, epoch).loss
    parts = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([part.flatten() for part in parts])


def of_gradient(model: Grace, data: NodeData, views: tuple[View, View], sampler: Sampler, config: GraceConfig,
                stream: Stream, epoch: int, streams: int, true: Tensor) -> Estimate:
    """How the sampler's gradient relates to the `true` one, over so many streams."""
    drawn = torch.stack([gradient(model, data, views, sampler, config, stream.child(_DRAWS, number), epoch)
                         for number in range(streams)])
    return estimate(drawn, true)
