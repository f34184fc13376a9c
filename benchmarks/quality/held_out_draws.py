"""How many negatives of a trained sampler are valid or test facts: what an adversary that knows too much offers.

    python benchmarks/quality/held_out_draws.py                    # UMLS, DistMult: kbgan beside uniform

The sampler and the model are trained as `knowledge_graph.py` trains KBGAN (both sides alone, then together); then k
negatives are drawn for every train fact, with held-out facts looked up that training never saw.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from graphns.base import Query
from graphns.data.knowledge_graph import load_knowledge_graph
from graphns.pipelines.knowledge_graph import build_sampler, train
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.streams import Stream


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="UMLS")
    parser.add_argument("--root", default=None)
    parser.add_argument("--epochs", default=30, type=int, help="of both together")
    parser.add_argument("--pretraining", default=100, type=int, help="epochs of each alone")
    parser.add_argument("--dim", default=128, type=int)
    parser.add_argument("--k", default=16, type=int, help="draws a fact")
    parser.add_argument("--seed", default=0, type=int)
    options = parser.parse_args(arguments)
    data = load_knowledge_graph(options.data, options.root)
    config = KnowledgeGraphConfig(
        scorer="distmult", objective="bce", learning_rate=0.003, regularization=0.003, k=4, side="bern",
        dim=options.dim, epochs=options.epochs, model_pretraining=options.pretraining,
        adversary_pretraining=options.pretraining, seed=options.seed)
    kbgan = build_sampler("kbgan", data.train, seed=options.seed)
    train(data, kbgan, config)
    held_out = data.valid.known() | data.test.known()
    anchor, positive = data.train.questions(torch.arange(len(data.train)) % 2 == 0)
    query = Query(anchor, positive, options.k, stream=Stream(options.seed, 1))
    for name, sampler in (("uniform", build_sampler("uniform", data.train)), ("kbgan", kbgan)):
        with torch.no_grad():
            negatives = sampler(query)
        share = float(held_out.has_edge(anchor, negatives.ids)[negatives.mask].double().mean())
        print(f"{name}: {100 * share:.1f} % of {int(negatives.mask.sum())} draws are valid or test facts")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
