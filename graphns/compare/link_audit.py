"""What one sampler draws on links at a frozen model: how much of it is held out, how hard, how fast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from graphns.base import Negatives, Query, Sampler
from graphns.compare.draws import some_rows, speed
from graphns.data.link import LinkData
from graphns.metrics.negatives import hardness
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, message_edges
from graphns.pipelines.link_step import step
from graphns.streams import Stream

_DRAWS, _ORDER = 102, 104  # streams of the audit, apart from those of training
LEAST_DRAWS = 100_000  # usable ones, for a share of few in a thousand
_MOST_ROUNDS = 64  # over the positives, of a sampler that finds little to draw
_SCORES = 1 << 20  # scores that hardness sorts in all, over so many batches at most:
_BATCHES = 16
_LEAST_ROWS = 4  # of each


@torch.no_grad()
def audit_links(model: LinkModel, data: LinkData, sampler: Sampler, config: LinkConfig, *,
                epoch: int) -> dict[str, Any]:
    """What is measured at the frozen model, in plain values.

    Batches of training positives, as training asks for them, until `LEAST_DRAWS` negatives were drawn.

    Args:
        model: frozen; the same for every sampler.
        data: of the run.
        sampler: as its training left it; not changed here.
        config: of the run.
        epoch: what samplers with a curriculum are told.

    Returns:
        `false_negatives`: the share of draws that are validation or test positives; of an undirected graph in either
        direction. `draws`: how many. `hardness`: see `metrics.negatives.hardness`, over some anchors of each batch;
        None where the sampler replaces both ends. `negatives_per_second`: None where all candidates are taken. Of
        vectors, which are no nodes, the speed alone.
    """
    model.eval()
    held_out = data.joined("valid", "test")
    size = min(config.batch_size or data.train.shape[1], data.train.shape[1])
    batches = min(_BATCHES, 1 + LEAST_DRAWS // (size * config.k))
    most = max(_LEAST_ROWS, _SCORES // data.num_nodes // batches)
    drawn = hit = 0
    shares: list[float] = []
    for query, negatives in _asked(model, data, sampler, config.replace(corrected=False), epoch):
        if negatives.vectors is not None:
            return {"false_negatives": None, "draws": None, "hardness": None,
                    "negatives_per_second": speed(sampler, query)}
        source, target = negatives.pairs(query)
        drawn, hit = drawn + len(source), hit + int(held_out.has_edge(source, target).sum())
        if negatives.anchor is None and len(shares) < batches:
            # of every batch, for its draws may have much in common
            shares.append(hardness(*some_rows(query, negatives, most), data.num_nodes, _SCORES))
        if drawn >= LEAST_DRAWS:
            break
    usable = [share for share in shares if not math.isnan(share)]
    every = len(negatives.ids) == 1 and negatives.ids.shape[1] >= data.num_nodes
    return {"false_negatives": hit / drawn if drawn else None, "draws": drawn,
            "hardness": math.fsum(usable) / len(usable) if usable else None,
            "negatives_per_second": None if every else speed(sampler, query)}


def _asked(model: LinkModel, data: LinkData, sampler: Sampler, config: LinkConfig,
           epoch: int) -> Iterator[tuple[Query, Negatives]]:
    """Queries and their answers, over the training positives in the order of a key, again and again."""
    adjacency = model.encoder.adjacency(message_edges(data, data.graph))
    num_edges = data.train.shape[1]
    for number in range(_MOST_ROUNDS):
        stream = Stream(0).child(_DRAWS, number)  # the same draws whatever the seeds of training
        order = stream.child(_ORDER).words(torch.arange(num_edges), 1)[:, 0].argsort()
        for rows in torch.split(order, config.batch_size or num_edges):
            done = step(model, model, data, adjacency, rows, sampler, config, stream, epoch)
            assert done.query is not None and done.negatives is not None
            yield done.query, done.negatives
