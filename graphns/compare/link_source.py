"""Links and samplers over them as a user names them: what training and comparing on links share."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from graphns.base import Sampler
from graphns.compare.specs import POOL_FACTOR, Spec, needs
from graphns.data.link import LinkData
from graphns.data.link_loading import load_links

GIVEN: dict[str, str | None] = {"model": None, "features": "features", "pairs": None, "vectors": None}
"""What training on links can give to samplers that need it, and the option that takes it."""


@dataclass(frozen=True)
class LinkSource:
    """Which data, and how they are split; the arguments of `load_links`.

    Args:
        data: name, file or folder.
        root: folder of the data sets; None: the usual one.
        setting: "heart" or "existing", where a set has both.
        val: share of the edges for validation, where the split is drawn.
        test: share for the test.
        split_seed: of that split.
        normalize: whether features are divided by the sum of their row; None: as usual for the data.
        features: whether features are read.
    """

    data: str
    root: str | None = None
    setting: str | None = None
    val: float = 0.05
    test: float = 0.1
    split_seed: int = 0
    normalize: bool | None = None
    features: bool = True

    def load(self) -> LinkData:
        """The data.

        Raises:
            ValueError: they cannot be had; see `load_links`.
        """
        return load_links(self.data, self.root, setting=self.setting, val=self.val, test=self.test,
                          seed=self.split_seed, normalize=self.normalize, features=self.features)


def link_sampler(spec: Spec, data: LinkData, k: int, size: int) -> Sampler:
    """A sampler over the training graph: known neighbours left out, pools of `POOL_FACTOR` k, unless named otherwise.

    One that draws vectors draws them as wide as the embeddings, `size`.

    Raises:
        ValueError: it refuses its options, or needs features that the data do not have.

    Example:
        >>> from graphns.compare.specs import parse
        >>> link_sampler(parse("hardest"), load_links("digits"), k=3, size=8).pool
        12
    """
    def features() -> torch.Tensor:
        if data.x is None:
            raise ValueError(f"{spec.text} needs features, and {data.name} has none")
        return data.x if isinstance(data.x, torch.Tensor) else data.x.to_dense()

    width = {"dim": size} if "vectors" in needs(spec) else {}
    return spec.build(data.graph, exclude="neighbors", popularity="edges", features=features, pool=POOL_FACTOR * k,
                      **width)
