"""Reads the model's scores, or the graph around the anchor."""

from __future__ import annotations

from functools import partial

from graphns.catalogue.entry import Entry, sampler

row = partial(sampler, "dynamic")
ROWS: tuple[Entry, ...] = (
    row("hardest", "Hardest", "the best-scored of a pool, or one of its M best",
        "Zhang et al.: Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling. SIGIR 2013; "
        "Shi et al.: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023",
        "dns", "dns-mn", needs=("model",)),
    row("tempered", "Tempered", "from a pool, by a softmax of the model's scores",
        "Shi et al.: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023",
        "softmax-pool", needs=("model",)),
    row("random-walk", "RandomWalk", "a window of the ranks by random-walk visits, harder by epoch",
        "Ying et al.: Graph Convolutional Neural Networks for Web-Scale Recommender Systems. KDD 2018", "pinsage"),
    row("mcns", "MCNS", "Metropolis-Hastings chains towards a power of the model's distribution",
        "Yang et al.: Understanding Negative Sampling in Graph Representation Learning. KDD 2020", "markov-chain",
        needs=("model",)),
    row("srns", "SRNS", "from a memory for each anchor, what scores high and has varied over epochs",
        "Ding et al.: Simplify and Robustify Negative Sampling for Implicit Collaborative Filtering. NeurIPS 2020",
        "high-variance", needs=("model",)),
    row("walk-curriculum", "WalkCurriculum", "uniform ones that the batch shares, hard ones by walks, more each epoch",
        "Ying et al.: Graph Convolutional Neural Networks for Web-Scale Recommender Systems. KDD 2018",
        "pinsage-full", "pinsage-recipe"),
    row("cuco", "CuCo", "the easiest of a pool, a share that grows by epoch",
        "Chu et al.: CuCo: Graph Representation with Curriculum Contrastive Learning. IJCAI 2021", "easy-to-hard",
        needs=("model",)),
    row("ance", "ANCE", "the nearest of all candidates by a stale model, searched anew every so many steps",
        "Xiong et al.: Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval. ICLR 2021",
        "stale-index", needs=("model",)),
    row("gdcl", "GDCL", "from other clusters than the anchor's, fixed or by the model",
        "Zhao et al.: Graph Debiased Contrastive Learning with Joint Representation Clustering. IJCAI 2021",
        "other-clusters"),
)
