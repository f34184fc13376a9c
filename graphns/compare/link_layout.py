"""What a comparison on links shows: the data's own metric on test edges, the others beside it, draws and costs."""

from __future__ import annotations

from typing import Any

from graphns.compare.columns import AGAINST, COST, HARDNESS, WHO, Column, number
from graphns.compare.layout import Layout
from graphns.metrics.links import HITS

HEURISTIC_NAMES = {"cn": "common neighbours", "aa": "Adamic-Adar", "ra": "resource allocation"}
"""The references: heuristics by their names in `graphns.scorers.heuristics.HEURISTICS`."""
METRICS = ("mrr", *(f"hits@{k}" for k in HITS), "auc", "ap")
"""The keys of `LinkEvaluation.as_dict()`."""
_MEANINGS = {
    "mrr": "Mean over test edges of 1 / rank among their negatives, ties at the middle.",
    "auc": "How often a test edge scores above a negative, ties half.",
    "ap": "Average precision of test edges among all negatives; it depends on how many negatives there are.",
}
_percent = number("{:.2f} %", 100)


def metric_name(key: str) -> str:
    """How a metric is written.

    Example:
        >>> metric_name("mrr"), metric_name("hits@20")
        ('MRR', 'Hits@20')
    """
    return key.capitalize() if key.startswith("hits@") else key.upper()


def _meaning(key: str) -> str:
    k = key.removeprefix("hits@")
    return _MEANINGS.get(key, f"Share of test edges with fewer than {k} of the shared negatives at or above their "
                              f"score, as OGB counts; where each has its own, share of ranks that are at most {k}.")


def link_layout(metric: str) -> Layout:
    """The layout for data whose official figure is `metric`.

    Example:
        >>> link_layout("auc").title
        'AUC'
    """
    name = metric_name(metric)
    others = tuple(key for key in METRICS if key != metric)
    columns = (
        *WHO,
        Column(metric, name, "quality", f"{_meaning(metric)} Mean over seeds; what these data are compared by, by the "
               "weights of the epoch that validation edges chose.", _percent),
        *AGAINST,
        Column("false_negatives", "false neg.", "quality",
               "Share of drawn negatives that are validation or test edges: true, and unknown to the sampler.",
               number("{:.3g} %", 100)),
        HARDNESS,
        *(Column(key, metric_name(key), "metrics", _meaning(key), _percent) for key in others),
        Column("valid", f"valid {name}", "metrics", f"{name} on validation edges, by which the epoch was chosen.",
               _percent),
        Column("epoch", "epoch", "metrics", "Epochs that the chosen weights had, mean over seeds.", number("{:.0f}")),
        *COST,
    )
    return Layout(
        score=metric, title=name, columns=columns,
        groups={"quality": "What it learns", "metrics": "Other figures on test edges, and the epoch chosen",
                "cost": "What it costs"},
        captions={
            "metric": (f"{name} on test edges", "Left: every seed, and the mean. Right: the mean difference to uniform "
                       "under the same seeds. The seed moves all samplers together, so the spread on the left says "
                       "little about a difference; an interval on the right that covers 0 shows none."),
            "tradeoff": (f"{name} against what was drawn", "Hard negatives score high for the model. Both shares are "
                         "measured at the frozen checkpoint."),
            "speed": ("Speed and memory", "Drawing alone, a whole training epoch, and the memory that training adds to "
                      "the loaded program."),
        },
        references=tuple(HEURISTIC_NAMES), judges=tuple(HEURISTIC_NAMES),
        mind="on these data a heuristic that learns nothing ({names}) is better than training with uniform negatives: "
             "a gain over uniform alone says little.",
        false_negatives="that are validation or test edges", subject="links of ", lead=_lead,
        averaged=(*others, "valid", "epoch"))


def _lead(data: dict[str, Any]) -> str:
    kind = "edges" if data["undirected"] else "directed edges"
    features = f"{data['features']:,} features" if data["features"] else "no features"
    return (f"{data['nodes']:,} nodes, {data['edges']:,} training {kind}, {data['valid']:,} for validation, "
            f"{data['test']:,} for the test, {features} · ranked among {data['negatives']}")
