"""What the shared loop asks of a method that learns embeddings of nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.pipelines.node_config import NodeConfig
from graphns.streams import Stream

VIEWS, ANCHORS, DRAWS = range(3)
"""The independent streams of one step: `stream.child(VIEWS)` and so on."""


class Step(NamedTuple):
    """What one step computed, before any update.

    Attributes:
        loss: scalar; carries the gradient of the model.
        query: what the sampler was asked; None where nothing was drawn.
        negatives: what it answered.
        feedback: what the step teaches it.
        sample_seconds: of the step, drawing.
        num_drawn: usable negatives, where a loss over all of them lists none; None: those of `negatives`.
    """

    loss: Tensor
    query: Query | None = None
    negatives: Negatives | None = None
    feedback: Feedback | None = None
    sample_seconds: float = 0.0
    num_drawn: int | None = None


class NodeMethod(nn.Module, ABC):
    """A method that learns embeddings of nodes: its model, and what one step of it computes.

    The loop (`graphns.pipelines.node.fit`) seeds it, asks for steps, updates weights and sampler, stops, writes
    checkpoints and embeds. All state that a resumed run needs lives in parameters and buffers.

    Args:
        data: sizes are read from it, nothing is kept.
        config: the settings; of the class `config_class`.
    """

    config_class: ClassVar[type[NodeConfig]] = NodeConfig
    takes_sampler: ClassVar[bool] = True  # False: negative-free
    # whether its own loss is over all candidates, so that the gradient under a sampler can be held against it
    over_all: ClassVar[bool] = False
    # how products are made in low precision; the loop sets it for its run
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __init__(self, data: NodeData, config: NodeConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def seeded(cls, data: NodeData, config: NodeConfig) -> Self:
        """The untrained model of a run: weights drawn by `config.seed`, torch's generator left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return cls(data, config).to(data.device)

    @classmethod
    def default_sampler(cls, data: NodeData, config: NodeConfig) -> Sampler | None:
        """The sampler of the published method; None where it has none."""
        return None

    def check_sampler(self, sampler: Sampler | None) -> None:  # most take any
        """Refuse, before the first step, a sampler that cannot serve.

        Raises:
            ValueError: it cannot; the message says why.
        """

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of all parameters that learn, the sampler's included."""
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def begin_epoch(self, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        """Called before each epoch: where a schedule sets rates. Reads nothing but its arguments."""

    def views(self, data: NodeData, stream: Stream) -> Any:
        """What is drawn of the data for one step, apart from negatives; None where nothing is."""
        return None

    @abstractmethod
    def step(self, data: NodeData, views: Any, sampler: Sampler | None, stream: Stream, epoch: int = 0) -> Step:
        """One step without the update.

        With model and views fixed, its gradients under different samplers and streams estimate one another.
        """

    def steps(self, data: NodeData, sampler: Sampler | None, stream: Stream, epoch: int) -> Iterator[Step]:
        """The steps of one epoch; the loop updates after each, before it asks for the next. Here: one."""
        yield self.step(data, self.views(data, stream.child(VIEWS)), sampler, stream, epoch)

    def after_update(self, epoch: int) -> None:
        """Called after each update: where a target network follows."""

    @abstractmethod
    def embed(self, data: NodeData) -> Tensor:
        """Embeddings [N, d] of all nodes, without gradient, nothing dropped: what a probe reads."""


def reads_feedback(sampler: Sampler) -> bool:
    """Whether a sampler reads the scores of a finished step: it has buffers that `update` writes, or parameters."""
    return sampler.stateful or any(True for _ in sampler.parameters())
