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
        "softmax-pool", "self-adversarial", needs=("model",)),
    row("random-walk", "RandomWalk", "a window of the ranks by random-walk visits, harder by epoch",
        "Ying et al.: Graph Convolutional Neural Networks for Web-Scale Recommender Systems. KDD 2018", "pinsage"),
)
