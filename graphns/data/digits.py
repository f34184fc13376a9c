"""Built-in real data: scikit-learn's handwritten digits as a k-NN graph. No download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from graphns.streams import Stream

if TYPE_CHECKING:
    from graphns.data.node import NodeData

_SHARES = (0.1, 0.1)  # of the nodes, to train and to validate a probe; the rest tests it


def digits(k: int = 8) -> NodeData:
    """1,797 images of 8 x 8 pixels in 10 classes; each is joined to its k nearest by Euclidean distance (exact).

    The features are pixels in [0, 1]. Graph, features and the split (10 % train, 10 % validation, 80 % test) are the
    same at every call; labels play no part in the edges.

    Example:
        >>> data = digits()
        >>> data.num_nodes, data.num_features, data.num_classes
        (1797, 64, 10)
    """
    from sklearn.datasets import load_digits

    from graphns.data.node import NodeData

    bunch = load_digits()
    pixels = torch.from_numpy(bunch.data)  # whole numbers up to 16, so squared distances are exact in float64
    num_nodes = len(pixels)
    norms = (pixels**2).sum(1)
    distance = norms[:, None] + norms - 2 * pixels @ pixels.T
    # many distances are equal: the id decides, so that every machine has the same graph
    nearest = (distance * num_nodes + torch.arange(num_nodes)).fill_diagonal_(torch.inf).topk(k, largest=False).indices
    edge_index = torch.stack([torch.arange(num_nodes).repeat_interleave(k), nearest.flatten()])
    order = Stream(0).words(torch.arange(num_nodes), 1)[:, 0].argsort()
    masks = torch.zeros((3, num_nodes), dtype=torch.bool)
    first, second = int(_SHARES[0] * num_nodes), int(sum(_SHARES) * num_nodes)
    for mask, part in zip(masks, (order[:first], order[first:second], order[second:]), strict=True):
        mask[part] = True
    x = (pixels / 16).float()
    return NodeData("digits", x, edge_index, torch.from_numpy(bunch.target).long(), *masks)
