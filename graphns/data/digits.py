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
    from sklearn.neighbors import kneighbors_graph

    from graphns.data.node import NodeData

    bunch = load_digits()
    joined = kneighbors_graph(bunch.data, k, mode="connectivity").tocoo()
    x = torch.from_numpy(bunch.data / 16.0).float()
    num_nodes = len(x)
    order = Stream(0).words(torch.arange(num_nodes), 1)[:, 0].argsort()
    masks = torch.zeros((3, num_nodes), dtype=torch.bool)
    first, second = int(_SHARES[0] * num_nodes), int(sum(_SHARES) * num_nodes)
    for mask, part in zip(masks, (order[:first], order[first:second], order[second:]), strict=True):
        mask[part] = True
    edge_index = torch.stack([torch.from_numpy(joined.row).long(), torch.from_numpy(joined.col).long()])
    return NodeData("digits", x, edge_index, torch.from_numpy(bunch.target).long(), *masks)
