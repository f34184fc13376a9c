"""ProGCL: GRACE whose negatives count by hardness and by the chance that they are true, which a mixture tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.node import NodeData
from graphns.kernels.gather_dot import gather_dot
from graphns.mixers.progcl_mix import ProGCLMix
from graphns.objectives.beta_mixture import BetaMixture, fit_beta_mixture
from graphns.objectives.infonce import infonce
from graphns.objectives.progcl import progcl
from graphns.objectives.row_blocks import row_blocks
from graphns.pipelines.grace import make_views
from graphns.pipelines.grace_config import PRESETS, GraceConfig
from graphns.pipelines.method import VIEWS, Step
from graphns.pipelines.minibatch import Minibatch
from graphns.pipelines.node import NodeResult, fit
from graphns.pipelines.two_views import TwoViews, View
from graphns.pipelines.two_views_loss import direction_loss, shared_rows, two_view_loss, usable
from graphns.streams import Stream

VARIANTS = ("weight", "mix")
_FIT = 4  # the stream of the nodes that the mixture is fitted on, beside those of a step
_MIXED = 1 << 22  # numbers of mixed vectors held at once


@dataclass(frozen=True)
class ProGCLConfig(GraceConfig):
    """Everything that decides a ProGCL run besides the data and the sampler.

    Epoch, columns and start of the fit are the authors' (their repository); the number of epochs is this module's, and
    so is the rest, which is GRACE's.

    Args:
        variant: "weight" gives each negative a weight, "mix" adds mixed negatives.
        start_epoch: epochs of plain GRACE before the mixture is fitted, once. Similarities should have settled by then:
            where they fall below the lowest of the fit, the least of them get next to no weight. A run of no more
            epochs is GRACE, and its model's `mixture` is None.
        columns: nodes of the second view whose similarities with all of the first are fitted.
        share: of false negatives, where the fit starts; the authors have 0.05 or 0.15, by data set.
        iterations: EM steps.
        mixed: for "mix", mixed negatives of an anchor.
        hardest: for "mix", how many of its hardest negatives they are mixed from.

    The other settings are those of `GraceConfig`; objective, corrected and patience must stay as they are there: the
    weights take the place of the first two, and a loss that changes at `start_epoch` cannot tell when to stop.

    Raises:
        ValueError: a value out of range; the message names it.

    Example:
        >>> ProGCLConfig(variant="mix", epochs=20, start_epoch=10).mixed
        1000
    """

    epochs: int = 800
    variant: str = "weight"
    start_epoch: int = 400
    columns: int = 100
    share: float = 0.05
    iterations: int = 10
    mixed: int = 1000
    hardest: int = 1000

    title: ClassVar[str] = "ProGCL"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **PRESETS, "digits": {**PRESETS["digits"], "epochs": 60, "start_epoch": 30, "mixed": 64},
    }

    def __post_init__(self) -> None:
        """Check the values once, where they come in."""
        super().__post_init__()
        self.check_choice("variant", "variant of ProGCL", VARIANTS)
        self.check_least(start_epoch=0, columns=1, iterations=1, mixed=1, hardest=1)
        if not 0 < self.share < 1:
            raise ValueError(f"share must be in (0, 1), got {self.share}")
        if self.objective != "infonce" or self.corrected:
            raise ValueError(f"ProGCL weighs negatives its own way, got objective={self.objective!r} and corrected="
                             f"{self.corrected}: leave them at 'infonce' and False")
        if self.num_neighbors is not None:
            raise ValueError("ProGCL's mixture is fitted to the whole graph: leave num_neighbors at None")
        if self.patience is not None:
            raise ValueError(f"patience={self.patience}: the loss changes at start_epoch, so losses before and after "
                             "cannot be compared; leave it at None")


class ProGCL(TwoViews):
    r"""ProGCL: after `start_epoch` epochs of GRACE, two Beta distributions are fitted to similarities, and weigh.

    The similarities :math:`\langle u_i, v_j \rangle` of all nodes i with some nodes j, i other than j, are fitted by
    `fit_beta_mixture`; the mixture is kept to the end. From then on the loss in one direction is that of
    `graphns.objectives.progcl` over the negatives of both views ("weight"; the weights of all 2k slots of an anchor
    have mean 1), or InfoNCE over these and the vectors that `ProGCLMix` makes of those in the other view ("mix").

    Args:
        data: its number of features is read.
        config: variant, fit, and all that GRACE needs.
    """

    config_class = ProGCLConfig
    config: ProGCLConfig
    numbers: Tensor

    def __init__(self, data: NodeData, config: ProGCLConfig) -> None:
        super().__init__(data, config)
        # low, high, alpha, beta, weight of the mixture; a buffer, so that a resumed run has it
        self.register_buffer("numbers", torch.full((8,), torch.nan, dtype=torch.float64))

    @property
    def mixture(self) -> BetaMixture | None:
        """The fitted mixture; None before the fit."""
        low, high, *pairs = self.numbers.tolist()
        if low != low:  # NaN
            return None
        return BetaMixture(low, high, (pairs[0], pairs[1]), (pairs[2], pairs[3]), (pairs[4], pairs[5]))

    @property
    def plain(self) -> bool:
        """Before the fit it is GRACE."""
        return self.mixture is None

    def views(self, data: NodeData | Minibatch, stream: Stream) -> tuple[View, View]:
        """Two views, as GRACE's."""
        return make_views(data, self.config, stream)

    def steps(self, data: NodeData, sampler: Sampler | None, stream: Stream, epoch: int) -> Iterator[Step]:
        """The one step of an epoch, and before the first that weighs, the fit."""
        views = self.views(data, stream.child(VIEWS))
        if epoch >= self.config.start_epoch and self.mixture is None:
            self.fit_mixture(data, views, stream.child(_FIT))
        yield self.step(data, views, sampler, stream, epoch)

    @torch.no_grad()
    def fit_mixture(self, data: NodeData, views: tuple[View, View], stream: Stream) -> None:
        """Fit the mixture to similarities between the two views; the nodes of the second are drawn from `stream`."""
        first, second = (self(data.features, view.adjacency, view.keep) for view in views)
        nodes = torch.arange(data.num_nodes, device=data.device)
        columns = stream.words(nodes, 1)[:, 0].argsort()[: self.config.columns]
        similarity = (first @ second[columns].T)[nodes[:, None] != columns]
        found = fit_beta_mixture(similarity, share=self.config.share, iterations=self.config.iterations)
        self.numbers.copy_(torch.tensor([found.low, found.high, *found.alpha, *found.beta, *found.weight],
                                        dtype=torch.float64))

    def direction(self, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
                  negatives: Negatives | None, stream: Stream) -> Tensor:
        """The loss in one direction; see the class. Random, from `stream`, is what is mixed."""
        config, mixture = self.config, self.mixture
        if mixture is None:
            return direction_loss(from_view, to_view, sampler, query, negatives, config)
        if config.variant == "weight":
            def weighted(positive: Tensor, negative: Tensor, mask: Tensor, _: Tensor | None) -> Tensor:
                return progcl(positive, negative, mask, mixture=mixture, temperature=config.temperature)

            return two_view_loss(weighted, from_view, to_view, sampler, query, negatives)
        mixer = ProGCLMix(mixture, config.mixed, config.hardest)
        return mixed_loss(mixer, from_view, to_view, sampler, query, negatives, stream,
                          temperature=config.temperature)


def mixed_loss(mixer: ProGCLMix, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
               negatives: Negatives | None, stream: Stream, *, temperature: float) -> Tensor:
    """InfoNCE in one direction over the negatives in both views and vectors mixed from those in the other view.

    Mixed vectors are made for a few anchors at a time, so that memory is that of `_MIXED` numbers and their gradient.

    Args:
        mixer: makes the vectors.
        from_view: unit projections [N, d], the anchors' own view.
        to_view: unit projections [N, d], the other one.
        sampler: asked for the masks of every candidate.
        query: the anchors.
        negatives: ids, shared or each anchor's own; None: every candidate of the sampler, which is an `All`.
        stream: what is mixed; keyed by the query's row ids.
        temperature: divides the cosines.
    """
    own_ids = negatives.ids if negatives is not None and len(negatives.ids) > 1 else None
    tables = [to_view, from_view] if own_ids is not None else shared_rows((to_view, from_view), negatives)
    width = mixer.k if own_ids is None else max(mixer.k, own_ids.shape[1])

    def block(where: slice, own: Tensor, other: Tensor, theirs: Tensor, ours: Tensor) -> Tensor:
        mask = usable(sampler, query, negatives, where)
        if own_ids is None:
            scores, candidates = [own @ theirs.T, own @ ours.T], theirs[None]
        else:
            ids = own_ids[where]
            scores = [gather_dot(own, table, ids) for table in (theirs, ours)]
            candidates = theirs.index_select(0, ids.flatten()).view(*ids.shape, own.shape[1])
        vectors = mixer(own, other, candidates, mask=mask, stream=stream, row=query.row[where])
        mixed = (vectors @ own[:, :, None])[:, :, 0]
        masks = torch.cat([mask, mask, mask.any(1, keepdim=True).expand_as(mixed)], 1)
        return infonce((own * other).sum(1), torch.cat([*scores, mixed], 1), masks, temperature=temperature)

    return row_blocks(block, (from_view[query.anchor], to_view[query.anchor]), tables,
                      block=max(1, _MIXED // (width * from_view.shape[1])))


def train(data: NodeData, sampler: Sampler | None = None, config: ProGCLConfig | None = None,
          **options: Any) -> NodeResult:
    """Train ProGCL with the negatives of `sampler`.

    Args:
        data: see `graphns.data.load`.
        sampler: over `data.graph`. None: every other node (`All`), as in GRACE.
        config: None: `ProGCLConfig.preset(data.name)`.
        options: folder, progress, loggers, accelerator, precision, …: see `graphns.pipelines.node.fit`.

    What is random: weights, views, anchors, draws, the nodes of the fit and what is mixed, all keyed by `config.seed`;
    torch's generator is left alone.

    Raises:
        ValueError: the folder holds another run; the sampler cannot serve; the loss is no longer finite; an unknown
            precision; all similarities are alike at the fit.

    Example:
        >>> from graphns.data import load
        >>> config = ProGCLConfig(hidden_size=8, projection_size=8, epochs=3, start_epoch=1)
        >>> result = train(load("digits"), config=config)
        >>> result.embeddings.shape, result.model.mixture is None
        (torch.Size([1797, 8]), False)

    References:
        Xia, Wu, Wang, Chen, Li: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022.
    """
    return fit(ProGCL, data, sampler, config, **options)
