"""Epochs before a run, in which one side learns on its own: the model, or the adversary as a model of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from graphns.base import Sampler
from graphns.graph.triples import Triples
from graphns.pipelines.adversary import AdversaryModel, learns, own_scorer
from graphns.pipelines.checkpoint import Log
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.pipelines.questions import Questions, Step, one_pass, step
from graphns.scorers.relational import RelationalModel
from graphns.streams import Stream

# the children of a seed's first stream that its epochs leave free
_PURPOSE = {"model": 3, "adversary": 4}


@dataclass(eq=False)
class Phase:
    """The epochs in which one side learns alone; a part of a checkpoint.

    Args:
        side: "model" or "adversary".
        model: what learns.
        sampler: draws the negatives; it sees the steps, and the sampler of the run does not.
        epochs: how many.
        config: objective, k and the rate of Adam.
        rate: what the rate is called.
        log: what has been measured so far.
    """

    side: str
    model: RelationalModel | AdversaryModel
    sampler: Sampler
    epochs: int
    config: KnowledgeGraphConfig
    rate: str
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        """The optimiser is the phase's own: the run starts with a fresh one."""
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.config.learning_rate)

    def train(self, facts: Triples, chance: Tensor) -> Iterator[float]:
        """Train to the end, from where the log is; gives the loss of each epoch once it is done."""
        for epoch in range(len(self.log.losses), self.epochs):
            stream = Stream(self.config.seed).child(_PURPOSE[self.side], epoch)
            cure = f" of the {self.side}'s pre-training: lower {self.rate}={self.config.learning_rate}"
            self.log.add(*one_pass(facts, chance, self.config.batch_size, stream, epoch, self.take, cure))
            yield self.log.losses[-1]

    def take(self, questions: Questions, stream: Stream, epoch: int) -> Step:
        """One step of a batch, with the update."""
        done = step(self.model, self.model, questions, self.sampler, self.config, stream, epoch)
        self.optimizer.zero_grad()
        done.loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.sampler.update(done.query, done.negatives, done.feedback)
        return done

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors; what learns is a part of its own."""
        return {"log": asdict(self.log), "optimizer": self.optimizer.state_dict(), "sampler": self.sampler.state_dict()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.log = Log(**saved["log"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.sampler.load_state_dict(saved["sampler"])


def phases_before(
    config: KnowledgeGraphConfig, model: RelationalModel, sampler: Sampler, build: Callable[[], Sampler]
) -> list[Phase]:
    """The pre-training that the settings ask for: the model's, then the adversary's.

    Args:
        config: of the run.
        model: of the run.
        sampler: of the run, with scores of its own if `adversary_pretraining` is above 0.
        build: makes the sampler of the negatives, a new one for each side.

    Raises:
        ValueError: that sampler would have to learn itself.
    """
    phases = []
    if config.model_pretraining:
        phases.append(Phase("model", model, build(), config.model_pretraining, config, "learning_rate"))
    if config.adversary_pretraining:
        phases.append(Phase("adversary", AdversaryModel(own_scorer(sampler)), build(), config.adversary_pretraining,
                            config.for_adversary(), "adversary_rate"))
    for phase in phases:
        if learns(phase.sampler):
            raise ValueError(f"pretraining_sampler={config.pretraining_sampler!r} would have to learn itself: take one "
                             "that does not, 'uniform' for example")
    return phases
