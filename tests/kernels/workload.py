"""Small questions that reach every compiled loop; run as a script, it saves the answers to the file named."""

from __future__ import annotations

import sys

import torch
from torch import Tensor


def results() -> dict[str, Tensor]:
    """Answers by name: every sampler's draws on the graph with extreme rows, and what no sampler calls."""
    from tests.contract.cases import NAMES, bipartite_graph, build, hub_graph, query_of

    answers: dict[str, Tensor] = {}
    for label, graph in (("hub", hub_graph()), ("bipartite", bipartite_graph())):
        for name in NAMES:
            for exclude in ("neighbors", "self"):
                try:
                    sampler = build(name, graph, exclude=exclude)
                except ValueError:
                    continue  # the contract suite says which refuse a bipartite graph
                negatives = sampler(query_of(graph, 6))
                key = f"{label}/{name}/{exclude}"
                answers[f"{key}/ids"] = negatives.ids.contiguous()
                answers[f"{key}/mask"] = negatives.mask.contiguous()
    return answers


def main() -> None:
    """Answer without the compiler, and save."""
    import numpy as np

    from graphns.kernels import bits

    # asks the processor for a cache line: nothing to say in Python
    bits.prefetch = lambda array, index: None
    with np.errstate(over="ignore"):  # the words are meant to wrap
        torch.save(results(), sys.argv[1])


if __name__ == "__main__":
    main()
