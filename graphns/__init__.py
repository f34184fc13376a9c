"""graphns: negative sampling for graph representation learning.

Names are imported when first used, so `import graphns` costs little beside what a user has imported already.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "Feedback": "base", "InfeasibleError": "base", "Model": "base", "Negatives": "base", "Query": "base",
    "Sampler": "base", "Stream": "streams", "Graph": "graph.graph", "EdgeSet": "graph.known",
    "Triples": "graph.triples", "BloomFilter": "graph.bloom", "Uniform": "samplers.static.uniform",
    "Degree": "samplers.static.degree", "Shuffle": "samplers.static.shuffle", "HopRing": "samplers.static.hop_ring",
    "GlobalEdges": "samplers.static.global_edges", "TypeConstrained": "samplers.static.type_constrained",
    "PseudoTyped": "samplers.static.pseudo_typed", "Positional": "samplers.static.positional",
    "Popularity": "samplers.static.popularity", "CandidateLists": "samplers.static.candidate_lists",
    "SansWalks": "samplers.static.sans_walks", "Temporal": "samplers.static.temporal",
    "Hardest": "samplers.dynamic.hardest", "Tempered": "samplers.dynamic.tempered",
    "RandomWalk": "samplers.dynamic.random_walk", "SimANS": "samplers.dynamic.simans", "WARP": "samplers.dynamic.warp",
    "Window": "samplers.dynamic.window", "SoftmaxRho": "samplers.dynamic.softmax_rho",
    "GlobalPerm": "samplers.dynamic.global_perm", "AOBPR": "samplers.dynamic.aobpr",
    "AdaptiveHinge": "samplers.dynamic.adaptive_hinge", "SemiHard": "samplers.dynamic.semi_hard",
    "DistanceWeighted": "samplers.dynamic.distance_weighted", "Ring": "samplers.dynamic.ring",
    "AHNS": "samplers.dynamic.ahns", "AdaSIR": "samplers.dynamic.adasir", "BNS": "samplers.dynamic.bns",
    "Nearest": "samplers.dynamic.nearest", "MCNS": "samplers.dynamic.mcns", "SRNS": "samplers.dynamic.srns",
    "WalkCurriculum": "samplers.dynamic.walk_curriculum", "CuCo": "samplers.dynamic.cuco",
    "ANCE": "samplers.dynamic.ance", "GDCL": "samplers.dynamic.gdcl", "Adversarial": "samplers.adversarial.adversarial",
    "KBGAN": "samplers.adversarial.kbgan", "IRGAN": "samplers.adversarial.irgan", "AdCo": "samplers.adversarial.adco",
    "ACE": "samplers.adversarial.ace", "GraphGAN": "samplers.adversarial.graphgan",
    "KGPolicy": "samplers.adversarial.kg_policy", "InBatch": "samplers.efficient.in_batch",
    "Clustered": "samplers.efficient.clustered", "Shared": "samplers.efficient.shared",
    "ChunkShared": "samplers.efficient.chunk_shared", "Mixed": "samplers.efficient.mixed",
    "Frequency": "samplers.efficient.frequency", "MoCo": "samplers.efficient.moco",
    "MemoryBank": "samplers.efficient.memory_bank", "XBM": "samplers.efficient.xbm", "CBNS": "samplers.efficient.cbns",
    "NSCaching": "samplers.efficient.nscaching", "PreBatch": "samplers.efficient.prebatch",
    "SelfNegative": "samplers.efficient.self_negative", "Mixture": "samplers.compose.mixture",
    "Filtered": "samplers.compose.filtered", "BloomFiltered": "samplers.compose.bloom_filtered",
    "Scheduled": "samplers.compose.scheduled", "All": "samplers.compose.all",
}
_MODULES = (
    "pyg", "dgl", "networkx", "sklearn", "adapters", "graph", "kernels", "objectives", "pipelines", "registry",
    "samplers", "streams",
)

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"graphns.{_PLACES[name]}"), name)
    if name in _MODULES:
        return import_module(f"graphns.{name}")
    raise AttributeError(f"module 'graphns' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES, *_MODULES])
