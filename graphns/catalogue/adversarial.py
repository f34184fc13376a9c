"""Has parameters, and learns."""

from __future__ import annotations

from functools import partial

from graphns.catalogue.entry import Entry, sampler

row = partial(sampler, "adversarial")
ROWS: tuple[Entry, ...] = (
    row("adversarial", "Adversarial", "a trained generator draws from a pool, by REINFORCE",
        "Cai and Wang: KBGAN: Adversarial Learning for Knowledge Graph Embeddings. NAACL 2018", "kbgan-form",
        needs=("model",)),
    row("kbgan", "KBGAN", "DistMult or ComplEx draws from a pool, by REINFORCE with an epoch's baseline",
        "Cai and Wang: KBGAN: Adversarial Learning for Knowledge Graph Embeddings. NAACL 2018", needs=("model",)),
    row("irgan", "IRGAN", "a softmax over all candidates, which learns to be taken for the positives",
        "Wang et al.: IRGAN: A Minimax Game for Unifying Generative and Discriminative Information Retrieval Models. "
        "SIGIR 2017", needs=("model",)),
    row("adco", "AdCo", "a bank of free vectors that climbs the loss",
        "Hu et al.: AdCo: Adversarial Contrast for Efficient Learning of Unsupervised Representations from "
        "Self-Trained Negative Adversaries. CVPR 2021", needs=("vectors",)),
    row("ace", "ACE", "from a static sampler or a trained generator held spread by its entropy",
        "Bose et al.: Adversarial Contrastive Estimation. ACL 2018", needs=("model",)),
    row("graphgan", "GraphGAN", "the graph softmax: down the anchor's breadth-first tree until the walk turns back",
        "Wang et al.: GraphGAN: Graph Representation Learning with Generative Adversarial Nets. AAAI 2018",
        needs=("model",)),
    row("kg-policy", "KGPolicy", "a trained walk from the positive over a knowledge graph",
        "Wang et al.: Reinforced Negative Sampling over Knowledge Graph for Recommendation. WWW 2020", "kgpolicy",
        needs=("model",)),
)
