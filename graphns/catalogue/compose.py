"""Samplers around samplers."""

from __future__ import annotations

from functools import partial

from graphns.catalogue.entry import Entry, sampler

row = partial(sampler, "compose")
ROWS: tuple[Entry, ...] = (
    row("mixture", "Mixture", "each slot from one of several samplers, with one density",
        "Yang et al.: Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations. "
        "WWW Companion 2020"),
    row("filtered", "Filtered", "another sampler's draws, known positives masked", "-", "filter", "exact-filter"),
    row("bloom-filtered", "BloomFiltered", "another sampler's draws, masked by a Bloom filter of known positives",
        "Bloom: Space/Time Trade-offs in Hash Coding with Allowable Errors. Communications of the ACM 1970", "bloom"),
    row("scheduled", "Scheduled", "one sampler until an epoch, another from then on",
        "Chu et al.: CuCo: Graph Representation with Curriculum Contrastive Learning. IJCAI 2021", "curriculum"),
    row("all", "All", "every candidate: no sampling, the reference",
        "Lacroix et al.: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018", "full"),
)
