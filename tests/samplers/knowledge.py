"""A small knowledge graph with extreme slots, for tests of the samplers that read triples."""

from __future__ import annotations

import torch

from graphns.base import Query
from graphns.graph.triples import Triples
from graphns.streams import Stream

NUM_ENTITIES = 14


def facts() -> Triples:
    """Relation 0: many tails a head; 1: one tail, of several heads; 2: a chain with a loop; 3: one fact; 4: none."""
    rows = [(h, 0, t) for h in (0, 1) for t in range(4, 12) if (h + t) % 3] + [(0, 0, 4), (2, 0, 5), (1, 0, 12)]
    rows += [(h, 1, 13) for h in (1, 2, 3, 5)]
    rows += [(i, 2, i + 1) for i in range(3, 9)] + [(6, 2, 6), (3, 2, 8)]
    rows += [(0, 3, 7)]
    return Triples.from_tensor(torch.tensor(rows), NUM_ENTITIES, 5)


def question(k: int = 1) -> Query:
    """Every fact from both sides; then anchors that no fact has, and a positive outside every slot."""
    known = facts()
    anchor, positive = known.asked(torch.arange(2 * len(known)))
    further = torch.tensor([[13, 0], [7, 1], [2, 9], [4, 4]])
    anchor, positive = torch.cat([anchor, further]), torch.cat([positive, torch.tensor([5, 13, 0, 2])])
    return Query(anchor, positive, k, stream=Stream(0))
