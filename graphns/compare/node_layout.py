"""What a comparison on nodes shows: accuracy of a probe, gradients against that of all negatives, costs."""

from __future__ import annotations

from typing import Any

from graphns.compare.columns import AGAINST, COST, HARDNESS, WHO, Column, number, percent, small
from graphns.compare.layout import Layout
from graphns.compare.settings import REFERENCES

_cosine = number("{:.4f}")
_ACCURACY = Column(
    "accuracy", "accuracy", "quality",
    "Test accuracy of a linear probe on the frozen embeddings, mean over seeds; its regularisation is chosen on the "
    "validation nodes.", percent)
_FALSE = Column(
    "false_negatives", "false neg.", "quality",
    "Share of drawn negatives that are of the anchor's class (labels are used to measure, never to draw).", percent)
_GRADIENT = (
    Column("bias", "bias", "gradient",
           "Length of (expected gradient - all-negatives gradient), over the latter's length; Monte-Carlo noise of the "
           "mean is taken out.", small),
    Column("variance", "variance", "gradient",
           "Expected squared distance of one draw's gradient from its expectation, over the squared length of the "
           "all-negatives gradient.", small),
    Column("cosine", "cosine", "gradient", "Cosine of the mean gradient with the all-negatives gradient.", _cosine),
    Column("cosine_one", "one draw", "gradient", "The same for one draw's gradient, on average.", _cosine),
    Column("noise", "noise", "gradient", "Standard error of the mean gradient: a bias below it is not told from 0.",
           small),
    Column("bias_corrected", "bias, corrected", "gradient",
           "Bias with the log-probability correction, s - log(k q); only where the sampler's density is marginal.",
           small),
    Column("variance_corrected", "variance, c.", "gradient", "Variance with the correction.", small),
    Column("cosine_corrected", "cosine, c.", "gradient", "Cosine of the mean gradient with the correction.", _cosine),
    Column("cosine_one_corrected", "one draw, c.", "gradient", "Mean cosine of one draw's with the correction.",
           _cosine),
    Column("noise_corrected", "noise, c.", "gradient", "Standard error of the mean gradient with the correction.",
           small),
)


def _lead(data: dict[str, Any]) -> str:
    return (f"{data['nodes']:,} nodes, {data['edges']:,} edges (both directions), {data['features']:,} features,\n"
            f"{data['classes']} classes")


NODE = Layout(
    score="accuracy",
    title="accuracy",
    columns=(*WHO, _ACCURACY, *AGAINST, _FALSE, HARDNESS, *_GRADIENT, *COST),
    groups={"quality": "What it learns", "gradient": "Its gradient against that of all negatives",
            "cost": "What it costs"},
    captions={
        "accuracy": ("Accuracy", "Left: every seed, and the mean. Right: the mean difference to uniform under the same "
                     "seeds. The seed moves all samplers together, so the spread on the left says little about a "
                     "difference; an interval on the right that covers 0 shows none."),
        "tradeoff": ("Accuracy against what was drawn", "Hard negatives score high for the model. Both shares are "
                     "measured at the frozen checkpoint."),
        "gradient": ("Bias and variance of the gradient", "At the frozen checkpoint, relative to the gradient over all "
                     "negatives. Filled: uncorrected; open: with the log-probability correction; a line joins the two. "
                     "Zeros stand at the lower or left edge."),
        "speed": ("Speed and memory", "Drawing alone, a whole training epoch, and the memory that training adds to the "
                  "loaded program."),
    },
    references=REFERENCES,
    judges=REFERENCES[1:],
    mind="on these data the {names} is better than training with uniform negatives, so what separates the samplers "
         "here is no gain from training.",
    false_negatives="of the anchor's class",
    subject="",
    lead=_lead,
)
"""The layout of `graphns compare` on nodes."""
