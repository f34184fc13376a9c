"""Fixtures that every test may use: the research data folder, and small graphs whose shapes are known by heart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from graphns.graph.graph import Graph

# the same examples on every machine, and no clock: a slow machine is no failure
settings.register_profile("graphns", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("graphns")

HOW_TO_GET_DATA = (
    "the research data are not here: torch_geometric.datasets.Planetoid(root, 'Cora') and its like, and OGB's "
    "loaders, fetch them by name; lay them out as PyG does in ~/.cache/graphns/data (or where GRAPHNS_DATA points) "
    "and put an empty file .complete beside them"
)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of research data. Without it a test skips, or fails where GRAPHNS_REQUIRE_DATA=1 says it must be."""
    root = Path(os.environ.get("GRAPHNS_DATA") or Path.home() / ".cache" / "graphns" / "data")
    if not (root / ".complete").exists():
        if os.environ.get("GRAPHNS_REQUIRE_DATA") == "1":
            pytest.fail(f"no data in {root}, and GRAPHNS_REQUIRE_DATA=1: {HOW_TO_GET_DATA}")
        pytest.skip(HOW_TO_GET_DATA)
    return root


@pytest.fixture
def triangle() -> Graph:
    """Nodes 0, 1, 2 all joined, and node 3 alone."""
    return Graph.from_edge_index(torch.tensor([[0, 1, 1, 2, 0, 2], [1, 0, 2, 1, 2, 0]]), num_nodes=4)


@pytest.fixture
def path() -> Graph:
    """0 - 1 - 2 - 3 - 4 - 5: the distance of two nodes is the difference of their ids."""
    left = torch.arange(5)
    return Graph.from_edge_index(torch.cat([torch.stack([left, left + 1]), torch.stack([left + 1, left])], 1))
