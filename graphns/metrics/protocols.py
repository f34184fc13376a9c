"""The three protocols of the field by which nodes are split for a probe. Figures of different ones do not compare."""

from __future__ import annotations

import warnings
from typing import Literal, Protocol, get_args

from torch import Tensor

from graphns.streams import Stream

Protocols = Literal["public", "random-10-90", "random-10-10-80"]
PROTOCOLS: tuple[Protocols, ...] = get_args(Protocols)
"""Masks of the data set; 10 % train and 90 % test (GRACE's paper); 10 % train, 10 % validation, 80 % test (GCA, BGRL).
"""


class Labelled(Protocol):
    """What a probe reads of a data set."""

    y: Tensor
    train_mask: Tensor | None
    val_mask: Tensor | None
    test_mask: Tensor | None


def protocol_name(name: str) -> Protocols:
    """The protocol of a name; "random", the old name of "random-10-10-80", is deprecated.

    Raises:
        ValueError: there is none of that name.

    Example:
        >>> protocol_name("Random-10-90")
        'random-10-90'
    """
    plain = name.strip().lower().replace("_", "-").replace("/", "-")
    if plain == "random":
        warnings.warn("the protocol 'random' is now called 'random-10-10-80'", DeprecationWarning, stacklevel=2)
        return "random-10-10-80"
    for known in PROTOCOLS:
        if plain == known:
            return known
    raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {name!r}")


def has_masks(data: Labelled) -> bool:
    """Whether a data set has a split of its own."""
    return all(getattr(data, name, None) is not None for name in ("train_mask", "val_mask", "test_mask"))


def split(data: Labelled, protocol: str, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The ids of train, validation and test nodes under a protocol; nodes of unknown class are in none.

    Args:
        data: y [N], with -1 for unknown classes, and for "public" its three masks [N].
        protocol: one of `PROTOCOLS`. Under "random-10-90" there are no validation nodes, and the train nodes are those
            of "random-10-10-80" under the same seed.
        seed: of the random splits: each node has a random key, and they are cut in the order of their keys, classes
            counting for nothing.

    Raises:
        ValueError: an unknown protocol, "public" for a data set without masks, or a part without nodes.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> data = SimpleNamespace(y=torch.arange(50) % 2, train_mask=None, val_mask=None, test_mask=None)
        >>> [len(part) for part in split(data, "random-10-10-80")], [len(part) for part in split(data, "random-10-90")]
        ([5, 5, 40], [5, 0, 45])
    """
    protocol = protocol_name(protocol)
    known = data.y.cpu() >= 0
    if protocol == "public":
        masks = [getattr(data, name, None) for name in ("train_mask", "val_mask", "test_mask")]
        if not has_masks(data):
            raise ValueError("this data set has no split of its own: use protocol='random-10-10-80' or 'random-10-90'")
        parts = [(mask.cpu() & known).nonzero()[:, 0] for mask in masks if mask is not None]
    else:
        ids = known.nonzero()[:, 0]
        order = ids[Stream(seed).words(ids, 1)[:, 0].argsort()]
        first, second = max(len(order) // 10, 1), max(len(order) // 5, 2)
        second = first if protocol == "random-10-90" else second
        parts = [order[:first], order[first:second], order[second:]]
    train, validation, test = parts
    if not (len(train) and len(test)) or (not len(validation) and protocol != "random-10-90"):
        raise ValueError(f"a probe needs train, validation and test nodes, got {[len(part) for part in parts]}")
    return train, validation, test
