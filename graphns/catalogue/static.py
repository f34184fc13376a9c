"""The proposal is fixed by the data."""

from __future__ import annotations

from functools import partial

from graphns.catalogue.entry import Entry, sampler

row = partial(sampler, "static")
ROWS: tuple[Entry, ...] = (
    row("uniform", "Uniform", "every candidate alike, known positives never",
        "Rendle et al.: BPR. UAI 2009", "rns", "random"),
    row("degree", "Degree", "in proportion to a power of the degree (0.75)",
        "Mikolov et al.: Distributed Representations of Words and Phrases. NIPS 2013", "pns"),
    row("shuffle", "Shuffle", "each node takes the place of one other: a permutation of all",
        "Veličković et al.: Deep Graph Infomax. ICLR 2019", "dgi-corruption", "permutation"),
    row("hop-ring", "HopRing", "only, or never, nodes at distance a to b",
        "Ahrabian et al.: Structure Aware Negative Sampling in Knowledge Graphs. EMNLP 2020", "k-hop", "sans"),
    row("global-edges", "GlobalEdges", "both ends drawn: distinct non-edges, an exact count",
        "-", "two-ended", "non-edges", needs=("pairs",)),
    row("type-constrained", "TypeConstrained", "from the slot of the anchor's relation, by a schema or by the facts",
        "Krompass et al.: Type-Constrained Representation Learning in Knowledge Graphs. ISWC 2015", "typed", "lcwa",
        needs=("relations",)),
    row("pseudo-typed", "PseudoTyped", "from a relation's heads and tails as one urn, each for its own side",
        "Krompass et al.: Type-Constrained Representation Learning in Knowledge Graphs. ISWC 2015; "
        "Ali et al.: PyKEEN 1.0. JMLR 2021", "pseudotyped", needs=("relations",)),
    row("positional", "Positional", "one position of a triple replaced by another value of its kind, relations too",
        "Ali et al.: PyKEEN 1.0. JMLR 2021", "corruption-scheme", needs=("relations",)),
    row("popularity", "Popularity", "in proportion to the logarithm, or to a power, of the popularity",
        "Lian et al.: Personalized Ranking with Importance Sampling. WWW 2020", "log-popularity", "pris-popularity"),
    row("candidate-lists", "CandidateLists", "from lists that the user gives, one for each anchor, with weights",
        "-", "external-ids", "exposure", needs=("candidates",)),
    row("sans-walks", "SansWalks", "from the nodes that random walks from the anchor visited",
        "Ahrabian et al.: Structure Aware Negative Sampling in Knowledge Graphs. EMNLP 2020", "rw-sans"),
    row("temporal", "Temporal", "the anchor's past that is absent now, mixed with random ones",
        "Poursafaei et al.: Towards Better Evaluation for Dynamic Link Prediction. NeurIPS 2022",
        "historical", "dgb", "inductive", needs=("time",)),
)
