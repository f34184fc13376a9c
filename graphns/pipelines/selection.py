"""The best validated epoch of a run: its score, its state, and when to stop waiting for a better one."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass
class Selection:
    """What validation has chosen so far; a part of a checkpoint.

    Args:
        history: (epochs done, score) of every validation.
        epoch: epochs done at the best one; -1 before the first.
        score: its score, higher is better. Of equal scores, the earlier epoch is kept.
        state: the model's state then.

    Example:
        >>> chosen, model = Selection(), nn.Linear(1, 1)
        >>> for epoch, score in ((5, 0.3), (10, 0.4), (15, 0.2)):
        ...     chosen.see(epoch, score, model)
        >>> chosen.epoch, chosen.waited
        (10, 1)
    """

    history: list[tuple[int, float]] = field(default_factory=list)
    epoch: int = -1
    score: float = float("-inf")
    state: dict[str, Any] = field(default_factory=dict)

    def see(self, epoch: int, score: float, model: nn.Module) -> None:
        """Note a validation, and keep the model's state if it is the best."""
        self.history.append((epoch, score))
        if score > self.score:
            self.epoch, self.score, self.state = epoch, score, copy.deepcopy(model.state_dict())

    @property
    def waited(self) -> int:
        """How many validations came after the best."""
        return sum(epoch > self.epoch for epoch, _ in self.history)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"history": [list(each) for each in self.history], "epoch": self.epoch, "score": self.score,
                "state": self.state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self.history = [(int(epoch), float(score)) for epoch, score in saved["history"]]
        self.epoch, self.score, self.state = saved["epoch"], saved["score"], saved["state"]
