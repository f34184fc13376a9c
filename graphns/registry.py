"""Names of everything a user can ask for: samplers, objectives, mixers, batchers; with family, paper and needs.

Nothing is imported until it is asked for. Third parties add rows by the entry-point group `graphns.samplers`, each
entry point naming a `Sampler` class, or by `register`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

Kind = Literal["sampler", "objective", "mixer", "batcher"]
ENTRY_POINTS = "graphns.samplers"


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Args:
        name: what a user types: lower case, words joined by hyphens.
        kind: sampler, objective, mixer or batcher.
        target: `module:Name`, imported when asked for.
        family: static, dynamic, adversarial, efficient or compose; for other kinds, their purpose.
        summary: one line.
        paper: authors, title, venue, year; or "-" for what is folklore.
        aliases: further names, the papers' own.
        needs: what it takes besides a graph: "model", "features", "clusters", …
    """

    name: str
    kind: Kind
    target: str
    family: str
    summary: str
    paper: str = "-"
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def load(self) -> Any:
        """The class or function itself."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


class UnknownNameError(ValueError):
    """No entry of that name; the message gives the nearest ones."""


def _sampler(family: str, name: str, cls: str, summary: str, paper: str = "-", *aliases: str,
             needs: tuple[str, ...] = ()) -> Entry:
    module = f"graphns.samplers.{family}.{name.replace('-', '_')}"
    return Entry(name, "sampler", f"{module}:{cls}", family, summary, paper, aliases, needs)


def _objective(name: str, target: str, summary: str, paper: str, *aliases: str) -> Entry:
    return Entry(name, "objective", f"graphns.objectives.{target}", "objective", summary, paper, aliases)


_MODEL = ("model",)
_BUILT_IN: tuple[Entry, ...] = (
    _sampler("static", "uniform", "Uniform", "every candidate alike, known positives never",
             "Rendle et al.: BPR. UAI 2009", "rns", "random"),
    _sampler("static", "degree", "Degree", "in proportion to a power of the degree (0.75)",
             "Mikolov et al.: Distributed Representations of Words and Phrases. NIPS 2013", "pns", "popularity"),
    _sampler("static", "hop-ring", "HopRing", "only, or never, nodes at distance a to b",
             "Ahrabian et al.: Structure Aware Negative Sampling in Knowledge Graphs. EMNLP 2020", "k-hop", "sans"),
    _sampler("static", "global-edges", "GlobalEdges", "both ends drawn: distinct non-edges, an exact count",
             "-", "two-ended", "non-edges"),
    _sampler("dynamic", "hardest", "Hardest", "the best-scored of a pool, or one of its M best",
             "Zhang et al.: Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling. SIGIR 2013; "
             "Shi et al.: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023",
             "dns", "dns-mn", needs=_MODEL),
    _sampler("dynamic", "tempered", "Tempered", "from a pool, by a softmax of the model's scores",
             "Shi et al.: On the Theories Behind Hard Negative Sampling for Recommendation. WWW 2023",
             "softmax-pool", needs=_MODEL),
    _sampler("dynamic", "random-walk", "RandomWalk", "a window of the ranks by random-walk visits, harder by epoch",
             "Ying et al.: Graph Convolutional Neural Networks for Web-Scale Recommender Systems. KDD 2018", "pinsage"),
    _sampler("adversarial", "adversarial", "Adversarial", "a trained generator draws from a pool, by REINFORCE",
             "Cai and Wang: KBGAN: Adversarial Learning for Knowledge Graph Embeddings. NAACL 2018", "kbgan-form",
             needs=_MODEL),
    _sampler("efficient", "in-batch", "InBatch", "the other positives of the batch",
             "Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations. RecSys 2019",
             "batch"),
    _sampler("efficient", "clustered", "Clustered", "from the anchor's cluster, or the loaded clusters",
             "Chiang et al.: Cluster-GCN. KDD 2019", "cluster", "partition"),
    _sampler("compose", "mixture", "Mixture", "each slot from one of several samplers, with one density",
             "Yang et al.: Mixed Negative Sampling for Learning Two-tower Neural Networks. WWW 2020", "mns"),
    _sampler("compose", "filtered", "Filtered", "another sampler's draws, known positives masked", "-", "filter"),
    _sampler("compose", "scheduled", "Scheduled", "one sampler until an epoch, another from then on",
             "Chu et al.: CuCo: Graph Representation with Curriculum Contrastive Learning. IJCAI 2021", "curriculum"),
    _sampler("compose", "all", "All", "every candidate: no sampling, the reference",
             "Lacroix et al.: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018", "full"),
    _objective("infonce", "infonce:infonce", "softmax of the positive against its negatives",
               "van den Oord et al.: Representation Learning with Contrastive Predictive Coding. 2018", "nt-xent"),
    _objective("sampled-softmax", "sampled_softmax:sampled_softmax",
               "the full softmax estimated from draws (logQ)",
               "Bengio and Senécal: Adaptive Importance Sampling. IEEE T-NN 2008", "logq"),
    _objective("bce", "bce:binary_cross_entropy", "logistic loss of positives and negatives",
               "Mikolov et al.: Distributed Representations of Words and Phrases. NIPS 2013", "binary-cross-entropy"),
    _objective("bpr", "bpr:bpr", "the positive above each negative, by a logistic of the difference",
               "Rendle et al.: BPR. UAI 2009"),
    _objective("margin", "margin:margin", "the positive above each negative by a margin",
               "Bordes et al.: Translating Embeddings for Modeling Multi-relational Data. NIPS 2013", "hinge",
               "triplet"),
    _objective("reinforce", "reinforce:reinforce", "the generator's loss: reward times log-probability",
               "Williams: Simple Statistical Gradient-Following Algorithms. Machine Learning 1992"),
)
_registered: dict[tuple[str, str], Entry] = {}


@cache
def _third_party() -> tuple[Entry, ...]:
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        package = point.dist.name if point.dist is not None else "unknown package"
        found.append(Entry(point.name, "sampler", point.value, "third party", f"from {package}"))
    return tuple(found)


def entries(kind: Kind | None = None) -> list[Entry]:
    """All rows, or those of one kind: built-in, by entry point, by `register`."""
    rows = [*_BUILT_IN, *_third_party(), *_registered.values()]
    return [row for row in rows if kind is None or row.kind == kind]


def find(name: str, kind: Kind = "sampler") -> Entry:
    """The row of a name or alias.

    Raises:
        UnknownNameError: with the nearest right names.

    Example:
        >>> find("dns").target
        'graphns.samplers.dynamic.hardest:Hardest'
    """
    wanted = name.strip().lower().replace("_", "-")
    names: dict[str, Entry] = {}
    for row in entries(kind):
        for each in (row.name, *row.aliases):
            names.setdefault(each, row)
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(row.name for row in entries(kind))}"
    raise UnknownNameError(f"no {kind} is called {name!r}; {hint}")


def load(name: str, kind: Kind = "sampler") -> Any:
    """The class or function of a name or alias."""
    return find(name, kind).load()


def register(entry: Entry) -> None:
    """Add a row.

    Raises:
        ValueError: the name or an alias is taken.
    """
    taken = {each for row in entries(entry.kind) for each in (row.name, *row.aliases)}
    for name in (entry.name, *entry.aliases):
        if name in taken:
            raise ValueError(f"the {entry.kind} name {name!r} is taken; choose another")
    _registered[(entry.kind, entry.name)] = entry
