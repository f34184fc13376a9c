"""Link prediction in mini-batches: a step embeds the ends of its edges and what is drawn, over sampled neighbours."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler, TensorData
from graphns.data.link import LinkData
from graphns.graph.graph import Graph
from graphns.graph.neighbors import sample_neighbors
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, LinkView, Table
from graphns.pipelines.link_step import ask, both_ways, scored
from graphns.pipelines.method import Step
from graphns.pipelines.minibatch import features_of
from graphns.samplers.compose.all import All
from graphns.scorers.ncn import CommonNeighborMLP
from graphns.streams import Stream

_NEIGHBORS = 4  # the stream of one epoch, beside those of `graphns.pipelines.link_step`


def batch_step(
    module: Any, model: LinkModel, data: LinkData, graph: Graph, rows: Tensor, sampler: Sampler, config: LinkConfig,
    stream: Stream, epoch: int = 0,
) -> Step:
    """One step without the update that embeds the nodes of its batch alone.

    Seeds are the ends of the positives and the negatives, for "ncn" the common neighbours of all these pairs too. Their
    neighbours are drawn hop by hop (`graphns.graph.neighbors.sample_neighbors`), keyed by (stream, hop, node): in one
    epoch a node has the same ones in every batch. With every neighbour of as many hops as the encoder has layers, the
    loss and its gradient are those of `graphns.pipelines.link_step.step`.

    A sampler that reads the model goes in two stages, as in a loader: its pool is drawn and embedded with the batch,
    then it selects from the pool. With `config.mask_targets`, sampled edges that are positives of the batch are left
    out; their nodes then have fewer neighbours than `config.num_neighbors` says.

    Args:
        module: see `graphns.pipelines.link_step.step`, as for what is not named here.
        model: the model itself.
        data: of the run.
        graph: what messages pass along, `message_graph`.
        rows: [B] int64, which training positives.
        sampler: draws the negatives; one that `check_sampler` lets pass.
        config: of the run, with `num_neighbors`.
        stream: of the epoch.
        epoch: for curricula.

    Raises:
        ValueError: the sampler asks for a node that is not of the batch.

    References:
        Hamilton, Ying, Leskovec: Inductive Representation Learning on Large Graphs. NeurIPS 2017.
    """
    question = ask(data, rows, config, stream, epoch)
    start = time.perf_counter()
    pool = _drawn(sampler, question)
    sample_seconds = time.perf_counter() - start
    seeds = _seeds(model, question, pool)
    gone = both_ways(data, rows) if config.mask_targets else None
    table = _embedded(module, model, data, graph, seeds, gone, config, stream.child(_NEIGHBORS))
    view = LinkView(model, table.detach())
    start = time.perf_counter()
    negatives = _selected(sampler, question, pool, view)
    sample_seconds += time.perf_counter() - start
    return scored(model, table, replace(question, model=view), negatives, sampler, config, sample_seconds)


def check_sampler(sampler: Sampler, model: LinkModel, data: LinkData, config: LinkConfig) -> None:
    """Refuse, before the first step, a sampler that asks for more than a mini-batch embeds.

    It may keep state or learn, for it draws in the training step itself. One that reads the model needs a pool of its
    inner sampler to choose from. What else it may ask shows in a step that is tried with a copy of it.

    Raises:
        ValueError: it is refused; the message says why.
    """
    base = getattr(sampler, "base", None)
    cure = "take another, or leave num_neighbors at None"
    name = type(sampler).__name__
    if isinstance(sampler, All) or isinstance(base, All):
        raise ValueError(f"{name} takes every node, and a mini-batch embeds few: {cure}")
    if any(hasattr(each, "refresh") and getattr(each, "every", 1) for each in sampler.modules()):
        raise ValueError(f"{name} embeds every node anew from time to time, and a mini-batch embeds few: {cure}")
    if sampler.model_aware and (not isinstance(base, Sampler) or base.model_aware):
        raise ValueError(f"{name} reads the model and has no inner sampler that draws a pool without it, which a "
                         f"mini-batch could embed: {cure}")
    try:
        _rehearse(_copied(sampler), model, data, config)
    except ValueError as error:
        raise ValueError(f"{name} cannot serve mini-batches ({error}): {cure}") from error


def _rehearse(sampler: Sampler, model: LinkModel, data: LinkData, config: LinkConfig) -> None:
    """A step of two positives without neighbours, and what the sampler learns of it."""
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's generator
        torch.manual_seed(config.seed)
        rows = torch.arange(min(2, data.num_positives), device=data.device)
        plain = config.replace(mask_targets=False, objective="bce", corrected=False)
        done = batch_step(model, model, data, Graph.empty(data.num_nodes, data.device), rows, sampler, plain,
                          Stream(config.seed))
        assert done.query is not None and done.negatives is not None
        adversary: Any = getattr(sampler, "loss", None)
        if adversary is not None:
            adversary(done.negatives, done.feedback, done.query)
        sampler.update(done.query, done.negatives, done.feedback)


def _copied(sampler: Sampler) -> Sampler:
    """A copy with a state of its own; graphs are read alone, and shared."""
    shared = {id(value): value for part in sampler.modules() for value in vars(part).values()
              if isinstance(value, TensorData)}
    return copy.deepcopy(sampler, shared)


def _drawn(sampler: Sampler, question: Query) -> Negatives:
    """The negatives, or the pool that they are selected from."""
    if not sampler.model_aware:
        negatives: Negatives = sampler(question)
        return negatives
    from graphns.adapters.pyg.two_stages import pool_of

    return pool_of(sampler, question)


def _selected(sampler: Sampler, question: Query, pool: Negatives, view: LinkView) -> Negatives:
    """The negatives, by ids of the data, which is also how the view asks for vectors of the batch."""
    if not sampler.model_aware:
        return pool
    from graphns.adapters.pyg.two_stages import Places, select

    return select(sampler, question, pool, Places(question.anchor, question.positive, pool.ids), view)


def _seeds(model: LinkModel, question: Query, drawn: Negatives) -> Tensor:
    """The nodes [s] that the loss reads, rising."""
    anchor, positive = question.anchor, question.positive
    seeds = [anchor, positive]
    if drawn.vectors is None:
        seeds += [drawn.ids.flatten(), *([] if drawn.anchor is None else [drawn.anchor.flatten()])]
    if isinstance(model.decoder, CommonNeighborMLP):
        seeds.append(model.decoder.common(anchor, positive)[1])
        if drawn.vectors is None:
            source = anchor[:, None].expand_as(drawn.mask) if drawn.anchor is None else drawn.anchor
            seeds.append(model.decoder.common(source.flatten(), drawn.ids.expand_as(source).flatten())[1])
    distinct: Tensor = torch.unique(torch.cat(seeds))
    return distinct


def _embedded(module: Any, model: LinkModel, data: LinkData, graph: Graph, seeds: Tensor, gone: Tensor | None,
              config: LinkConfig, stream: Stream) -> Table:
    """The seeds' vectors, with gradient, over sampled neighbourhoods without the edges `gone`."""
    fanouts = config.num_neighbors if config.passes_messages else ()
    assert fanouts is not None
    found = sample_neighbors(graph, seeds, fanouts, stream)
    edge_index, degree = torch.stack([found.row, found.col]), graph.degree[found.node]
    num_nodes, num_edges = (list(accumulate(each)) for each in (found.num_sampled_nodes, found.num_sampled_edges))
    if gone is not None:
        source, target = found.node[edge_index]
        kept = ~torch.isin(source * data.num_nodes + target, gone)
        edge_index, num_edges = edge_index[:, kept], [int(kept[:end].sum()) for end in num_edges]
        ends = torch.searchsorted(seeds, gone % data.num_nodes)  # of positives, which are seeds, and stand first
        degree = degree - torch.bincount(ends, minlength=len(degree))
    features = None if data.features is None else features_of(data.features, found.node)
    adjacency = model.encoder.part_adjacency(edge_index, degree, num_nodes, num_edges)
    return Table(module(features, adjacency, found.node)[: len(seeds)], seeds)
