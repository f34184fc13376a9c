"""A graph of four nodes in the forms in which users hand it over."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from graphns.data.node import NodeData


def arrays() -> dict[str, Any]:
    return {"x": np.eye(4, 3, dtype=np.float32), "edge_index": np.array([[0, 0, 2, 1], [1, 1, 2, 3]]),
            "y": np.array([0, 1, 1, 0])}


def tensors() -> dict[str, Any]:
    return {key: torch.from_numpy(value) for key, value in arrays().items()}


def check_tiny(data: NodeData) -> None:
    assert data.name == "tiny"
    assert data.edge_index.tolist() == [[0, 1, 1, 3], [1, 0, 3, 1]]  # both directions, once, no self-loop
    assert (data.num_nodes, data.num_features, data.num_classes) == (4, 3, 2)
