"""The losses of GRACE and its kin: a drawn id is a negative in both views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.kernels.gather_dot import gather_dot
from graphns.objectives.correction import correction, require_density
from graphns.objectives.dcl import dcl
from graphns.objectives.hcl import hcl
from graphns.objectives.infonce import infonce
from graphns.objectives.row_blocks import row_blocks
from graphns.objectives.shared_infonce import shared_infonce
from graphns.pipelines.grace_config import GraceConfig

Objective = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""positive [B], negative [B, m], mask [B, m], log_prob [B|1, m] or None -> the mean over the rows."""


def direction_loss(
    from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query, negatives: Negatives | None, config: GraceConfig
) -> Tensor:
    r"""The loss in one direction, the mean over the anchors; a drawn id j is a negative in both views.

    With `config.objective` "infonce" it is GRACE's,

    .. math:: -\log \frac{e^{\theta(u_i, v_i)/\tau}}
              {e^{\theta(u_i, v_i)/\tau} + \sum_j e^{\theta(u_i, v_j)/\tau} + \sum_j e^{\theta(u_i, u_j)/\tau}}

    "dcl" and "hcl" put `graphns.objectives.hcl`'s :math:`G_i` in the place of the two sums; the negatives of both views
    are one set there, so that 2k slots stand behind k drawn ids. Both are GRACE's loss again where tau_plus and
    sharpness are 0.

    Args:
        from_view: unit projections u [N, d].
        to_view: unit projections v [N, d].
        sampler: asked for its density where the loss is corrected.
        query: the anchors i.
        negatives: the ids j; None: every candidate of the sampler, which is an `All`.
        config: objective, temperature and correction. Corrected, "infonce" estimates the sums over all candidates, and
            the others what their mean over as many uniform draws gives: see the two objectives.
    """
    if config.objective != "infonce":
        # where every candidate is there, all densities are alike, and the correction is nil
        log_prob = require_density(sampler, negatives) if config.corrected and negatives is not None else None
        return two_view_loss(partial(_debiased, config), from_view, to_view, sampler, query, negatives, log_prob)
    negatives = sampler(query) if negatives is None else negatives
    anchors = query.anchor
    queries = from_view[anchors]
    positive = (queries * to_view[anchors]).sum(1)
    tables = (to_view, from_view)
    if len(negatives.ids) == 1 and not config.corrected:
        shared = negatives.ids[0]
        rows = [table.index_select(0, shared) for table in tables]
        return shared_infonce(positive, queries, rows, negatives.mask, temperature=config.temperature)
    scores = torch.cat([gather_dot(queries, table, negatives.ids) for table in tables], 1)
    mask = negatives.mask.repeat(1, 2)
    if not config.corrected:
        return infonce(positive, scores, mask, temperature=config.temperature)
    parts = correction(sampler, query, negatives)
    # the slots hold two sums over the candidates, one a view, and k draws stand behind each
    return infonce(positive, scores, mask, temperature=config.temperature, num_draws=negatives.mask.sum(1),
                   log_prob=parts["log_prob"].repeat(1, 2), positive_log_prob=parts["positive_log_prob"])


def two_view_loss(
    objective: Objective, from_view: Tensor, to_view: Tensor, sampler: Sampler, query: Query,
    negatives: Negatives | None, log_prob: Tensor | None = None,
) -> Tensor:
    """Any objective in one direction, over the 2k scores of each anchor: first in the other view, then in its own.

    Shared ids are scored a block of anchors at a time, and no [B, 2k] scores are kept; of every candidate, the masks
    too are made for a block.

    Args:
        objective: see `Objective`.
        from_view: unit projections [N, d], the anchors' own view.
        to_view: unit projections [N, d], the other one.
        sampler: asked for the masks of every candidate.
        query: the anchors.
        negatives: the ids; None: every candidate of the sampler, which is an `All`.
        log_prob: [B|1, k], where the objective corrects for the draws.
    """
    queries = from_view[query.anchor]
    positive = (queries * to_view[query.anchor]).sum(1)
    if negatives is not None and len(negatives.ids) > 1:
        scores = torch.cat([gather_dot(queries, table, negatives.ids) for table in (to_view, from_view)], 1)
        return objective(positive, scores, negatives.mask.repeat(1, 2),
                         None if log_prob is None else log_prob.repeat(1, 2))

    def block(where: slice, own: Tensor, query_rows: Tensor, *views: Tensor) -> Tensor:
        mask = usable(sampler, query, negatives, where).repeat(1, 2)
        density = None if log_prob is None else (log_prob if len(log_prob) == 1 else log_prob[where]).repeat(1, 2)
        return objective(own, torch.cat([query_rows @ view.T for view in views], 1), mask, density)

    return row_blocks(block, (positive, queries), shared_rows((to_view, from_view), negatives))


def usable(sampler: Sampler, query: Query, negatives: Negatives | None, where: slice) -> Tensor:
    """The mask [b, k] of some anchors; without negatives, of every candidate of the sampler."""
    if negatives is not None:
        return negatives.mask[where]
    some = replace(query, anchor=query.anchor[where], positive=query.positive[where], row=query.row[where])
    every: Negatives = sampler(some)
    return every.mask


def shared_rows(views: tuple[Tensor, Tensor], negatives: Negatives | None) -> list[Tensor]:
    """The rows [k, d] of both views that shared ids name; without negatives, all."""
    return [view if negatives is None else view.index_select(0, negatives.ids[0]) for view in views]


def _debiased(config: GraceConfig, positive: Tensor, negative: Tensor, mask: Tensor,
              log_prob: Tensor | None) -> Tensor:
    if config.objective == "dcl":
        return dcl(positive, negative, mask, tau_plus=config.tau_plus, temperature=config.temperature,
                   log_prob=log_prob)
    return hcl(positive, negative, mask, sharpness=config.sharpness, tau_plus=config.tau_plus,
               temperature=config.temperature, log_prob=log_prob)
