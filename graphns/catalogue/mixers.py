"""What bends candidates into negatives that are rows of no table."""

from __future__ import annotations

from graphns.catalogue.entry import Entry, mixer

ROWS: tuple[Entry, ...] = (
    mixer("mixgcf", "MixGCF", "the positive mixed into candidates, the hardest of every layer",
          "Huang et al.: MixGCF: An Improved Training Method for Graph Neural Network-based Recommender Systems. "
          "KDD 2021"),
    mixer("mochi", "MoCHi", "hard negatives mixed with one another and with the anchor, on the sphere",
          "Kalantidis et al.: Hard Negative Mixing for Contrastive Learning. NeurIPS 2020"),
    mixer("mixkg", "MixKG", "pairs of hard negative entities mixed",
          "Che et al.: MixKG: Mixing for Harder Negative Samples in Knowledge Graph. 2022"),
    mixer("dens", "DENS", "gates part relevant from irrelevant factors, and choose by both",
          "Lai et al.: Disentangled Negative Sampling for Collaborative Filtering. WSDM 2023"),
    mixer("progcl-mix", "ProGCLMix", "hard negatives mixed, the likelier true one counting more",
          "Xia et al.: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022"),
)
