"""Skip-gram on graphs: a node's vector scores its contexts above negatives; each step reads the rows it needs alone."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.kernels.gather_dot import gather_dot
from graphns.kernels.renumber import Renumbering
from graphns.pipelines.method import DRAWS, VIEWS, NodeMethod, Step, reads_feedback
from graphns.pipelines.node_config import NodeConfig
from graphns.pipelines.pair_objective import pair_loss
from graphns.pipelines.skipgram_config import SkipGramConfig
from graphns.pipelines.table_optimizer import TableOptimizer, take_rows
from graphns.samplers.static.degree import Degree
from graphns.scorers.table import TableModel
from graphns.streams import Stream

_LEAST_RATE = 1e-3  # share of the learning rate at which a decay ends


class Pairs(NamedTuple):
    """The pairs of one step: C anchors with up to S contexts each.

    Attributes:
        anchor: [C] int64.
        context: [C, S] int64.
        inside: [C, S] bool, which contexts count; None: all.
        row: [C] int64, the anchors' names in their epoch.
        order: of LINE's proximity that they are for.
    """

    anchor: Tensor
    context: Tensor
    inside: Tensor | None
    row: Tensor
    order: str = "second"


class SkipGram(NodeMethod):
    r"""A table of node vectors :math:`u` and one of context vectors :math:`c`; pair (i, j) scores :math:`u_i^\top c_j`.

    A step gathers the rows that its pairs and negatives name, scores them and gives the tables sparse gradients; no
    part of it is as long as a table. Only `data.graph` is read, never features.

    Args:
        data: its number of nodes is read.
        config: sizes, and all that a step needs.
    """

    config_class = SkipGramConfig
    config: SkipGramConfig

    def __init__(self, data: NodeData, config: SkipGramConfig) -> None:
        super().__init__(data, config)
        self._renumber = Renumbering(data.num_nodes)
        self._rates: list[dict[str, Any]] = []

    @classmethod
    def default_sampler(cls, data: NodeData, config: NodeConfig) -> Sampler:
        """Degree^0.75, as word2vec draws words."""
        assert isinstance(config, SkipGramConfig)
        return Degree(data.graph, 0.75, exclude=config.exclude)

    def table(self, num_nodes: int, size: int, zero: bool = False) -> nn.Parameter:
        """A table as word2vec begins it: uniform within 1 / (2 size) of 0, or, for contexts, 0."""
        table = torch.zeros(num_nodes, size)
        return nn.Parameter(table if zero else table.uniform_(-0.5 / size, 0.5 / size))

    @abstractmethod
    def tables(self, order: str) -> tuple[nn.Parameter, nn.Parameter]:
        """The tables [N, d] of anchors and of candidates; one table twice where contexts are nodes' own vectors."""

    @abstractmethod
    def pairs(self, data: NodeData, stream: Stream) -> Iterator[Pairs]:
        """The pairs of one epoch, a step's at a time, made when they are asked for."""

    @abstractmethod
    def num_steps(self, data: NodeData) -> int:
        """How many steps an epoch has."""

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The rule of the config for the tables; Adam for what else learns, an adversary."""
        own = {id(parameter) for parameter in self.parameters()}
        tables: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            (tables if id(parameter) in own else others).append(parameter)
        groups = [{"params": tables, "rule": self.config.optimizer}] + ([{"params": others}] if others else [])
        return TableOptimizer(groups, self.config.learning_rate)

    def begin_epoch(self, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        """Keeps hold of the rates, which change from step to step."""
        self._rates = optimizer.param_groups

    def steps(self, data: NodeData, sampler: Sampler | None, stream: Stream, epoch: int) -> Iterator[Step]:
        """A step for each batch of walks or edges; none where the graph has no edge."""
        total = self.num_steps(data)
        for number, pairs in enumerate(self.pairs(data, stream.child(VIEWS))):
            done = self.step(data, pairs, sampler, stream.child(DRAWS, number), epoch)
            assert done.query is not None
            self._set_rates((epoch + number / total) / self.config.epochs, done.query.batch_size)
            yield done
        self._rates = []

    def _set_rates(self, progress: float, num_pairs: int) -> None:
        rate = self.config.learning_rate * (max(1 - progress, _LEAST_RATE) if self.config.decay else 1)
        for group in self._rates:
            # a loss is a mean over the pairs, which Adam does not notice; word2vec adds them up
            group["lr"] = rate * num_pairs if group["rule"] == "sgd" else rate

    def views(self, data: NodeData, stream: Stream) -> Pairs:
        """The pairs of an epoch's first step.

        Raises:
            ValueError: the graph has no edges.
        """
        for pairs in self.pairs(data, stream):
            return pairs
        raise ValueError(f"{data.name} has no edges: there is no pair to learn from")

    def step(self, data: NodeData, views: Pairs, sampler: Sampler | None, stream: Stream, epoch: int = 0) -> Step:
        """Negatives drawn for every pair, and the loss."""
        assert sampler is not None
        config, slots = self.config, views.context.shape[1]
        if views.inside is None:
            which = torch.arange(views.context.numel(), device=views.anchor.device)
        else:
            which = views.inside.flatten().nonzero()[:, 0]
        at = which // slots
        anchors, candidates = self.tables(views.order)
        query = Query(views.anchor[at], views.context.flatten()[which], config.k,
                      TableModel(anchors.detach(), candidates.detach()), stream,
                      row=views.row[at] * slots + which % slots, epoch=epoch)
        start = time.perf_counter()
        negatives = sampler(query)
        sample_seconds = time.perf_counter() - start
        if negatives.vectors is not None or negatives.anchor is not None:
            raise ValueError(f"{type(sampler).__name__} gives negatives that are no nodes of their anchor; "
                             f"{config.title} needs ids of nodes")
        positive, negative = self._scores(views, which, at, negatives)
        loss = pair_loss(config.objective, positive, negative, sampler, query, negatives, config.corrected)
        feedback = Feedback(loss=loss)
        if reads_feedback(sampler):
            feedback = Feedback(positive, negative, loss, anchors[query.anchor], candidates[query.positive])
        return Step(loss, query, negatives, feedback, sample_seconds)

    def _scores(self, views: Pairs, which: Tensor, at: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor]:
        """Scores of the pairs [P] and of their negatives [P, k], from the rows that these name."""
        anchors, candidates = self.tables(views.order)
        num_anchors, slots = views.context.shape
        if anchors is candidates:
            rows, (anchor, context, ids) = self._renumber(views.anchor, views.context, negatives.ids)
            source = target = take_rows(anchors, rows)
        else:
            rows, (anchor,) = self._renumber(views.anchor)
            source = take_rows(anchors, rows)
            rows, (context, ids) = self._renumber(views.context, negatives.ids)
            target = take_rows(candidates, rows)
        # an anchor's vector is read once for all its contexts and their negatives
        queries = source.index_select(0, anchor)
        if len(ids) == 1 != len(which):
            positive = gather_dot(queries, target, context).view(-1)
            return positive.index_select(0, which), gather_dot(queries, target, ids).index_select(0, at)
        grid = context.new_zeros(num_anchors * slots, 1 + ids.shape[1])
        grid[:, 0] = context.flatten()
        grid[which, 1:] = ids
        scores = gather_dot(queries, target, grid.view(num_anchors, -1)).view(grid.shape)
        if len(which) < len(grid):
            scores = scores.index_select(0, which)
        return scores[:, 0], scores[:, 1:]
