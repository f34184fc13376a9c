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
    row("simans", "SimANS", "from a pool, those that score about as high as the positive",
        "Zhou et al.: SimANS: Simple Ambiguous Negatives Sampling for Dense Text Retrieval. EMNLP (Industry) 2022",
        "ambiguous", needs=("model",)),
    row("warp", "WARP", "tries until one violates the margin, with the rank that the tries tell",
        "Weston et al.: WSABIE: Scaling Up To Large Vocabulary Image Annotation. IJCAI 2011", "wsabie",
        needs=("model",)),
    row("window", "Window", "of a pool, a window of ranks, under a highest score or a margin below the positive",
        "Moreira et al.: NV-Retriever: Improving Text Embedding Models with Effective Hard-Negative Mining. 2024",
        "topk-percpos", "topk-marginpos", "mine-hard-negatives", needs=("model",)),
    row("softmax-rho", "SoftmaxRho", "from a pool, by a softmax whose temperature follows the scores' variance",
        "Shi et al.: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023",
        "softmax-rho-n", needs=("model",)),
    row("global-perm", "GlobalPerm", "one global draw of non-edges, permuted across the batch",
        "Wang et al.: Pairwise Learning for Neural Link Prediction. 2021", "plnlp"),
    row("aobpr", "AOBPR", "a factor that matters to the anchor, and a candidate that ranks high on it",
        "Rendle and Freudenthaler: Improving Pairwise Learning for Item Recommendation from Implicit Feedback. "
        "WSDM 2014", "adaptive-oversampling", needs=("model",)),
    row("adaptive-hinge", "AdaptiveHinge", "the best of a handful, for each slot anew",
        "Kula: Spotlight. 2017", needs=("model",)),
    row("semi-hard", "SemiHard", "from a pool, those below the positive by less than a margin",
        "Schroff et al.: FaceNet: A Unified Embedding for Face Recognition and Clustering. CVPR 2015", "facenet",
        needs=("model",)),
    row("distance-weighted", "DistanceWeighted", "from a pool, near and far alike, against the sphere's density",
        "Wu et al.: Sampling Matters in Deep Embedding Learning. ICCV 2017", needs=("model",)),
    row("ring", "Ring", "from a pool, between two percentiles of similarity, closing in by epoch",
        "Wu et al.: Conditional Negative Sampling for Contrastive Learning of Visual Representations. ICLR 2021",
        "cnce", needs=("model",)),
    row("ahns", "AHNS", "of a pool, the nearest to a hardness that falls with the positive's score",
        "Lai et al.: Adaptive Hardness Negative Sampling for Collaborative Filtering. AAAI 2024", needs=("model",)),
    row("adasir", "AdaSIR", "a pool drawn from q, drawn again by the softmax over q",
        "Chen et al.: Learning Recommenders for Implicit Feedback with Importance Resampling. WWW 2022", "sir",
        needs=("model",)),
    row("bns", "BNS", "of a pool, the least Bayesian risk: informative and probably true",
        "Liu and Wang: Bayesian Negative Sampling for Recommendation. ICDE 2023", needs=("model",)),
    row("nearest", "Nearest", "from the nearest in an embedding space, given or the model's",
        "Kotnis and Nastase: Analysis of the Impact of Negative Sampling on Link Prediction in Knowledge Graphs. 2017",
        "near-miss", needs=("model",)),
)
