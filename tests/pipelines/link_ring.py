"""Links that tests of link prediction train on: small, and easy to learn."""

from __future__ import annotations

from typing import Any

import torch

from graphns.data.link import LinkData, LinkPart

SIZES: dict[str, Any] = dict(hidden_size=8, size=8, epochs=3, batch_size=40, validate_every=1)


def ring(num_nodes: int = 60, undirected: bool = True, features: bool = True) -> LinkData:
    """Each node is tied to the next two; every fifth tie is held out, against far pairs."""
    start = torch.arange(num_nodes)
    ties = torch.cat([torch.stack([start, (start + hop) % num_nodes]) for hop in (1, 2)], 1)
    number = torch.arange(ties.shape[1])
    parts = [ties[:, number % 5 > 1], ties[:, number % 5 == 0], ties[:, number % 5 == 1]]
    far = torch.stack([start, (start + num_nodes // 2) % num_nodes])
    angle = 2 * torch.pi * start / num_nodes
    x = torch.stack([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], 1) if features else None
    return LinkData("ring", num_nodes, parts[0], LinkPart(parts[1], far), LinkPart(parts[2], far.flip(1)), x,
                    undirected=undirected)
