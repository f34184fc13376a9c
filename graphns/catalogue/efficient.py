"""Reuses what is at hand: the batch, a queue, a cache, a cluster."""

from __future__ import annotations

from functools import partial

from graphns.catalogue.entry import Entry, sampler

row = partial(sampler, "efficient")
ROWS: tuple[Entry, ...] = (
    row("in-batch", "InBatch", "the other positives of the batch, accidental hits masked",
        "Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations. RecSys 2019",
        "batch", "in-batch-joint"),
    row("clustered", "Clustered", "from the anchor's cluster, or the loaded clusters",
        "Chiang et al.: Cluster-GCN. KDD 2019", "cluster", "partition", "local-joint",
        "graphvite"),
    row("shared", "Shared", "one set of draws for the whole batch",
        "Zheng et al.: DGL-KE: Training Knowledge Graph Embeddings at Scale. SIGIR 2020", "joint"),
    row("chunk-shared", "ChunkShared", "chunks of the batch share their own positives and uniform ids",
        "Lerer et al.: PyTorch-BigGraph: A Large-scale Graph Embedding System. MLSys 2019", "pbg"),
    row("mixed", "Mixed", "the batch's positives and uniform ids, shared, with one density",
        "Yang et al.: Mixed Negative Sampling for Learning Two-tower Neural Networks in Recommendations. "
        "WWW Companion 2020",
        "mns", "mixed-negatives"),
    row("frequency", "Frequency", "in-batch, with a streaming estimate of each candidate's frequency (logQ)",
        "Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations. RecSys 2019",
        "streaming-logq"),
    row("moco", "MoCo", "a queue of keys from a slowly moving encoder",
        "He et al.: Momentum Contrast for Unsupervised Visual Representation Learning. CVPR 2020", "queue",
        "momentum-contrast", needs=("vectors",)),
    row("memory-bank", "MemoryBank", "a vector for every candidate, from when it was last seen",
        "Wu et al.: Unsupervised Feature Learning via Non-Parametric Instance Discrimination. CVPR 2018", "instdisc",
        needs=("vectors",)),
    row("xbm", "XBM", "the embeddings of past batches, in a ring buffer",
        "Wang et al.: Cross-Batch Memory for Embedding Learning. CVPR 2020", "cross-batch-memory",
        needs=("vectors",)),
    row("cbns", "CBNS", "vectors of past batches' positives, corrected by their popularity",
        "Wang et al.: Cross-Batch Negative Sampling for Training Two-Tower Recommenders. SIGIR 2021", "cross-batch",
        needs=("vectors",)),
    row("nscaching", "NSCaching", "uniformly from a small cache per anchor that drifts to high scores",
        "Zhang et al.: NSCaching: Simple and Efficient Negative Sampling for Knowledge Graph Embedding. ICDE 2019",
        "cache", needs=("model",)),
    row("prebatch", "PreBatch", "the positives of the batches just before, with less weight",
        "Wang et al.: SimKGC: Simple Contrastive Knowledge Graph Completion with Pre-trained Language Models. ACL 2022",
        "pre-batch", "simkgc-pre-batch", needs=("vectors",)),
    row("self-negative", "SelfNegative", "the anchor's own entity beside another sampler's draws",
        "Wang et al.: SimKGC: Simple Contrastive Knowledge Graph Completion with Pre-trained Language Models. ACL 2022",
        "self-negatives", "simkgc-self-negatives"),
)
