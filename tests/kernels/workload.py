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
    return answers | pyg_results()


def pyg_results() -> dict[str, Tensor]:
    """PyG's functions, directed and not, on one graph and on a batch of three."""
    from graphns.pyg import batched_negative_sampling, negative_sampling, structured_negative_sampling
    from tests.contract.cases import hub_graph

    edge_index, generator = hub_graph().edge_index, torch.Generator().manual_seed(3)
    batch = torch.tensor([0] * 4 + [1] * 9 + [2] * 7)
    inside = edge_index[:, batch[edge_index[0]] == batch[edge_index[1]]]
    feasible = edge_index[:, edge_index[0] != 1]
    drawn = {f"pyg/{undirected}": negative_sampling(edge_index, 20, 60, force_undirected=undirected,
                                                    generator=generator) for undirected in (False, True)}
    drawn["pyg/batched"] = batched_negative_sampling(inside, batch, 10, generator=generator)
    drawn["pyg/structured"] = torch.stack(structured_negative_sampling(feasible, 20, generator=generator))
    return drawn


def main() -> None:
    """Answer without the compiler, and save."""
    import numpy as np

    from graphns.kernels import bits

    # a compiled loop wraps a negative key, which NumPy refuses from a Python integer
    word_at = bits.word_at
    bits.word_at = lambda key, slot: word_at(np.int64(key), slot)
    with np.errstate(over="ignore"):  # the words are meant to wrap
        torch.save(results(), sys.argv[1])


if __name__ == "__main__":
    main()
