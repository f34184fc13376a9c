"""What chooses the anchors of a batch."""

from __future__ import annotations

from graphns.catalogue.entry import Entry, batcher

ROWS: tuple[Entry, ...] = (
    batcher("proximity", "Proximity", "a random walk on the proximity graph: examples that are near each other",
            "Yang et al.: BatchSampler: Sampling Mini-Batches for Contrastive Learning in Vision, Language, and "
            "Graphs. KDD 2023", "batchsampler"),
)
