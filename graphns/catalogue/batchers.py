"""What chooses the anchors of a batch."""

from __future__ import annotations

from graphns.catalogue.entry import Entry, batcher

ROWS: tuple[Entry, ...] = (
    batcher("bern", "Bern", "each fact asked for its head or its tail, by how many tails a head has and heads a tail",
            "Wang et al.: Knowledge Graph Embedding by Translating on Hyperplanes. AAAI 2014", "bernoulli"),
    batcher("dfs", "DFS", "anchors in depth-first order, for chains that go on from one to the next",
            "Yang et al.: Understanding Negative Sampling in Graph Representation Learning. KDD 2020", "depth-first"),
    batcher("proximity", "Proximity", "a random walk on the proximity graph: examples that are near each other",
            "Yang et al.: BatchSampler: Sampling Mini-Batches for Contrastive Learning in Vision, Language, and "
            "Graphs. KDD 2023", "batchsampler"),
)
