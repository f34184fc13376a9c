"""The one contract of the library: what a negative sampler is asked, what it gives, what it may change.

One training step:  query = Query(anchor, positive, k, model, stream)  →  negatives = sampler(query)  →
loss = objective(...)  →  sampler.update(query, negatives, feedback).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from graphns.streams import Stream

Density = Literal["marginal", "given-pool", "none"]


class InfeasibleError(ValueError):
    """A row has fewer candidates than negatives asked for, and the sampler was told to raise."""


@runtime_checkable
class Model(Protocol):
    """The only door to the model. A higher score means a likelier pair. Called without gradient by samplers."""

    def score(self, anchor: Tensor, ids: Tensor) -> Tensor:
        """Scores [B, m] of candidates `ids` [B|1, m] for anchors [B] or [B, a]."""

    def score_vectors(self, anchor: Tensor, vectors: Tensor) -> Tensor:
        """Scores [B, m] of candidate vectors [B|1, m, d] that are rows of no table."""

    def embed(self, ids: Tensor, layers: bool = False) -> Tensor:
        """Rows [..., d] of the candidate table; with `layers`, [..., L, d], one row per layer (MixGCF)."""


@dataclass(frozen=True, eq=False)
class Query:
    """`k` negatives, please, for each of B (anchor, positive) pairs.

    Args:
        anchor: [B] or [B, a] int64; a node, a user, a (head, relation) row.
        positive: [B] int64, rows of the candidate table; never drawn.
        k: negatives per pair, at least 1.
        model: the model as it stands at this step, for samplers that read its scores.
        stream: where the randomness comes from. None takes one key from torch's default generator when the query is
            made, so that the query gives the same negatives however often it is asked.
        row: [B] int64, global example ids. The draws of a row depend on (stream, row id, slot) alone, so a pair keeps
            its negatives however the data are cut into batches. Default 0 … B-1.
        epoch: for curricula and schedules.
        time: [B], for temporal samplers.

    Raises:
        ValueError: shapes or dtypes do not fit; the message names the value.

    Example:
        >>> query = Query(torch.tensor([0, 1]), torch.tensor([2, 0]), k=3, stream=Stream(0))
        >>> query.batch_size, query.row.tolist()
        (2, [0, 1])
    """

    anchor: Tensor
    positive: Tensor
    k: int
    model: Model | None = None
    stream: Stream = None  # type: ignore[assignment]  # None on the way in; a Stream once __post_init__ has run
    row: Tensor = None  # type: ignore[assignment]  # likewise
    epoch: int = 0
    time: Tensor | None = None

    def __post_init__(self) -> None:
        """Check everything once, where the query is made."""
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.anchor.dim() not in (1, 2) or self.positive.shape != self.anchor.shape[:1]:
            raise ValueError(f"need anchor [B] or [B, a] and one positive per anchor, got anchor "
                             f"{tuple(self.anchor.shape)} and positive {tuple(self.positive.shape)}")
        for name in ("anchor", "positive"):
            object.__setattr__(self, name, _as_ids(getattr(self, name), name))
        if self.stream is None:
            object.__setattr__(self, "stream", Stream.from_torch())
        if self.row is None:
            object.__setattr__(self, "row", torch.from_numpy(np.arange(len(self.anchor))).to(self.anchor.device))
        elif self.row.shape != self.positive.shape:
            raise ValueError(f"need one row id per pair [{len(self.positive)}], got row {tuple(self.row.shape)}")
        else:
            object.__setattr__(self, "row", _as_ids(self.row, "row"))

    @property
    def batch_size(self) -> int:
        """B, the number of (anchor, positive) pairs."""
        return len(self.positive)

    @property
    def device(self) -> torch.device:
        """Where the query lives."""
        return self.positive.device

    def child(self, *path: int, **changes: Any) -> Query:
        """The same question with an independent stream, for a part of a composed sampler."""
        return replace(self, stream=self.stream.child(*path), **changes)

    @torch.no_grad()
    def score(self, ids: Tensor) -> Tensor:
        """The model's scores [B, m] of candidates [B|1, m], without gradient."""
        return self.require_model().score(self.anchor, ids)

    def require_model(self) -> Model:
        """The model, or the one sentence that says it is missing."""
        if self.model is None:
            raise ValueError("this sampler chooses by the model's scores: make the query with Query(..., model=model)")
        return self.model


class Negatives(NamedTuple):
    """What was drawn. A leading 1 means that the whole batch shares it, so scoring is one matrix product.

    Attributes:
        ids: [B|1, k] int64, rows of the candidate table. At a masked slot still a valid row, of no meaning.
        log_prob: [B|1, k] natural log of the proposal at `ids`; [B, k] beside shared ids where it depends on the
            anchor; None where the sampler has no density; 0 where masked because there was no candidate.
        mask: [B, k] bool, True = use; False at a known positive or an empty slot.
        anchor: [B, k] int64, only where the source is replaced too (two-ended edges).
        vectors: [B|1, k, d], only where negatives are no rows of a table (a queue of embeddings, a trained bank).
    """

    ids: Tensor
    log_prob: Tensor | None
    mask: Tensor
    anchor: Tensor | None = None
    vectors: Tensor | None = None

    def pairs(self, query: Query) -> Tensor:
        """The usable negatives as edges [2, n] int64: row-major, each anchor repeated for its slots."""
        anchor = query.anchor if self.anchor is None else self.anchor
        if anchor.dim() == 1:
            anchor = anchor[:, None]
        if self.anchor is None and query.anchor.dim() > 1:
            raise ValueError(f"pairs() needs one id per anchor, got anchors of width {query.anchor.shape[1]}")
        source = anchor.expand(self.mask.shape)[self.mask]
        return torch.stack([source, self.ids.expand(self.mask.shape)[self.mask]])


@dataclass(frozen=True, eq=False)
class Feedback:
    """What a finished step knows; every field optional. Scores and vectors arrive detached.

    Args:
        positive_score: [B].
        negative_score: [B, k].
        loss: [B] or a scalar.
        anchor_vectors: [B, d].
        positive_vectors: [B, d].
    """

    positive_score: Tensor | None = None
    negative_score: Tensor | None = None
    loss: Tensor | None = None
    anchor_vectors: Tensor | None = None
    positive_vectors: Tensor | None = None

    def __post_init__(self) -> None:
        """Cut every tensor from the graph: what a sampler observes carries no gradient."""
        for name in ("positive_score", "negative_score", "loss", "anchor_vectors", "positive_vectors"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, value.detach())


class TensorData(ABC):
    """Data made of tensors (a graph, an edge set) that follow their sampler from device to device."""

    @abstractmethod
    def map(self, function: Callable[[Tensor], Tensor]) -> TensorData:
        """The same data with `function` applied to every tensor."""


class Sampler(nn.Module, ABC):
    """Chooses negatives. Drawing reads the sampler; `update` alone writes it.

    An author writes `sample`, and `log_prob` where the density is "marginal", and `observe` where a step teaches
    something. State lives in buffers and parameters only, so `state_dict` restores a sampler bit for bit. Classes are
    abstract or final: to change a sampler, put it inside another.
    """

    density: Density = "none"
    """"marginal": `log_prob` is exact and normalised given the anchor, after exclusion; "given-pool": exact given the
    pool that was drawn first; "none": the class docstring says why."""
    needs_model: ClassVar[bool] = False
    """Whether drawing reads the scores of `query.model`."""
    _version = 1  # format of the state; torch stores it beside every state_dict

    @classmethod
    def from_graph(cls, graph: Any, **options: Any) -> Self:
        """The sampler in its usual form over a `Graph`: what the command line builds from a name and options."""
        return cls(graph, **options)

    @abstractmethod
    def sample(self, query: Query) -> Negatives:
        """Draw. Leaves every parameter and buffer as it is."""

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        """Log q(ids | anchor) [B, m] of any candidates `ids` [B|1, m]; -inf outside the support."""
        raise TypeError(
            f"{type(self).__name__} has density '{self.density}': it has no log_prob at arbitrary ids. "
            "Correct with, or mix, samplers whose density is 'marginal'"
        )

    def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
        """See a finished step and write what it teaches: a queue, a cache, a baseline. Nothing by default."""

    def forward(self, query: Query) -> Negatives:
        """Draw, and hold the answer to the contract. Not to be overridden."""
        if get_worker_info() is not None:
            self._refuse_worker()
        negatives = self.sample(query)
        _check(self, query, negatives)
        return negatives

    @final
    @torch.no_grad()
    def update(self, query: Query, negatives: Negatives, feedback: Feedback | None = None) -> None:
        """Let this sampler and every sampler inside it observe a finished step."""
        feedback = Feedback() if feedback is None else feedback
        for module in self.modules():
            if isinstance(module, Sampler):
                module.observe(query, negatives, feedback)

    @final
    @property
    def stateful(self) -> bool:
        """Whether this sampler, or one inside it, writes state when it observes a step."""
        return any(type(m).observe is not Sampler.observe for m in self.modules() if isinstance(m, Sampler))

    @final
    @property
    def model_aware(self) -> bool:
        """Whether this sampler, or one inside it, reads the model."""
        return any(m.needs_model for m in self.modules() if isinstance(m, Sampler))

    @final
    @property
    def trainable(self) -> bool:
        """Whether this sampler, or one inside it, has parameters that learn."""
        return any(parameter.requires_grad for parameter in self.parameters())

    def _refuse_worker(self) -> None:
        reasons = {"reads the model": self.model_aware, "keeps state": self.stateful, "learns": self.trainable}
        for why in (reason for reason, holds in reasons.items() if holds):
            raise RuntimeError(f"{type(self).__name__} {why}, and a loader worker holds only a copy. Split it: let the "
                               "loader draw the pool with a static sampler, and call this sampler in the training step")

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Sampler:
        # graphs are data, not state: no buffers, not in state_dict, but they move with their sampler
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for name, value in list(vars(self).items()):
            if isinstance(value, TensorData):
                setattr(self, name, value.map(fn))
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        saved = local_metadata.get("version", 1)
        if saved > self._version:
            raise ValueError(
                f"this state of {type(self).__name__} has format {saved}, this graphns reads up to {self._version}: "
                "update graphns"
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def _as_ids(ids: Tensor, name: str) -> Tensor:
    if ids.dtype == torch.int64:
        return ids
    if ids.dtype in (torch.int32, torch.int16, torch.uint8, torch.int8):
        return ids.long()
    raise ValueError(f"{name} must hold integer ids, got dtype {ids.dtype}; convert it with .long()")


def _check(sampler: Sampler, query: Query, negatives: Negatives) -> None:
    name, shape = type(sampler).__name__, tuple(negatives.ids.shape)
    if len(shape) != 2 or shape[0] not in (1, query.batch_size):
        raise TypeError(f"{name}.sample gave ids {shape}; the contract is [B|1, k] with B={query.batch_size}")
    if negatives.ids.dtype != torch.int64 or negatives.mask.dtype != torch.bool:
        raise TypeError(f"{name}.sample gave ids {negatives.ids.dtype} and mask {negatives.mask.dtype}; "
                        "the contract is int64 and bool")
    if tuple(negatives.mask.shape) != (query.batch_size, shape[1]):
        raise TypeError(f"{name}.sample gave mask {tuple(negatives.mask.shape)}; "
                        f"the contract is [B, k] = {(query.batch_size, shape[1])}")
    if negatives.log_prob is not None and negatives.log_prob.shape not in (negatives.ids.shape, negatives.mask.shape):
        raise TypeError(f"{name}.sample gave log_prob {tuple(negatives.log_prob.shape)} for ids {shape}")
