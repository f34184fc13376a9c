"""Distance-weighted sampling: negatives at all distances alike, though most of the sphere lies far away."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from graphns.base import Density, Negatives, Query, Sampler
from graphns.graph.graph import Graph
from graphns.samplers.centers import Center, center_vectors, check_center
from graphns.samplers.exclusion import Exclude
from graphns.samplers.pool import check_pool, draw, draw_pool
from graphns.samplers.static.uniform import Uniform


def log_sphere_density(distance: Tensor, dim: int) -> Tensor:
    r"""Log-density, up to a constant, of the distance of two random points on the unit sphere of `dim` dimensions.

    .. math:: \log q(D) = (d - 2) \log D + \frac{d - 3}{2} \log(1 - D^2 / 4)

    Example:
        >>> log_sphere_density(torch.tensor([1.0, 2**0.5]), dim=4).exp()  # most points are nearly orthogonal
        tensor([0.8660, 1.4142])
    """
    return (dim - 2) * distance.log() + (dim - 3) / 2 * torch.log1p(-distance.square() / 4)


class DistanceWeighted(Sampler):
    r"""Draw from a pool against the density of distances on a sphere, so that near and far negatives are as frequent.

    .. math:: p(y_i \mid \text{pool}) \propto \min\{\lambda,\ q(D_i)^{-1}\}, \quad
        q(D) \propto D^{d - 2} (1 - D^2 / 4)^{(d - 3) / 2}, \quad D_i = \|\hat c - \hat e_i\|

    :math:`\hat e_i` are the candidates' vectors from ``model.embed``, of unit length, and :math:`\hat c` that of the
    anchor, or of the positive. Random points of a sphere lie nearly all at :math:`\sqrt 2`: uniform draws are too easy,
    and the nearest are noise. Below the distance `cutoff` the weight is :math:`\lambda = 1 / q(cutoff)`, and on the far
    side, where q falls again, it grows no higher.
    Candidates farther than `farthest` have no loss under the usual margins and are not drawn; a pair with no other is
    masked. In the log throughout, since q(D) underflows where d is large.

    The density is "given-pool": log_prob is exact given the pool, an id with several slots in it having their summed
    probability. All k slots of a pair draw from one pool, with replacement.

    Args:
        base: draws the pool; put exclusions there.
        pool: candidates per pair.
        cutoff: distance below which all have one weight; above 0.
        farthest: distance from which on none is drawn; above the cutoff, below 2.
        center: ``"anchor"``, where anchors are rows of the candidate table, or ``"positive"``.

    Returns:
        On call, ids, log_prob and mask, all [B, k].

    Raises:
        ValueError: the query has no model; an argument is out of range; vectors have fewer than 2 dimensions, are not
            finite, or are of wrong shape; anchors of several columns with ``center="anchor"``.

    Example:
        >>> from graphns import Query, Stream
        >>> class Circle:  # candidates on a circle, one a degree
        ...     def embed(self, ids, layers=False):
        ...         return torch.stack([(ids * torch.pi / 180).cos(), (ids * torch.pi / 180).sin()], -1)
        >>> sampler = DistanceWeighted(Uniform(Graph.empty(360)), pool=200)
        >>> query = Query(torch.tensor([90]), torch.tensor([91]), k=5, model=Circle(), stream=Stream(0))
        >>> bool(((sampler(query).ids - 90).abs() < 89).all())  # 89 degrees: a distance of 1.4
        True

    References:
        Wu, Manmatha, Smola, Krähenbühl: Sampling Matters in Deep Embedding Learning. ICCV 2017.
    """

    needs_model = True
    density: Density = "given-pool"

    def __init__(
        self, base: Sampler, *, pool: int = 64, cutoff: float = 0.5, farthest: float = 1.4,
        center: Literal["anchor", "positive"] = "anchor",
    ) -> None:
        super().__init__()
        if not 0 < cutoff < farthest < 2:
            raise ValueError(f"need 0 < cutoff < farthest < 2, the sphere's diameter, got {cutoff} and {farthest}")
        self.base = base
        self.pool = check_pool(pool)
        self.cutoff, self.farthest = cutoff, farthest
        self.center: Center = check_center(center)

    @classmethod
    def from_graph(
        cls, graph: Graph, *, exclude: Exclude = "neighbors", pool: int = 64, cutoff: float = 0.5,
        farthest: float = 1.4, center: Literal["anchor", "positive"] | None = None, **options: Any,
    ) -> Self:
        """Over uniform candidates, around the anchor; around the positive where sources are no candidates.

        Further options are those of `Uniform`.
        """
        if center is None:
            center = "positive" if graph.bipartite else "anchor"
        return cls(Uniform(graph, exclude=exclude, **options), pool=pool, cutoff=cutoff, farthest=farthest,
                   center=center)

    def sample(self, query: Query) -> Negatives:
        """Draw the pool, measure it, draw from it."""
        pool = draw_pool(self.base, query, self.pool)
        middle, vectors = center_vectors(query, self.center, pool.ids)
        dim = middle.shape[1]
        if dim < 2:
            raise ValueError(f"distances on a sphere need vectors of at least 2 dimensions, got {dim}")
        cosine = (normalize(middle, dim=-1)[:, None] * normalize(vectors, dim=-1)).sum(-1)
        distance = (2 - 2 * cosine).clamp(min=0).sqrt()
        inside = pool.mask & (distance < self.farthest)
        # beyond the farthest is masked; bounded, so that the logarithm exists there too
        bound = log_sphere_density(distance.new_tensor(self.cutoff), dim)
        logits = -log_sphere_density(distance.clamp(self.cutoff, self.farthest), dim).maximum(bound)
        return draw(pool._replace(mask=inside), logits, query)
