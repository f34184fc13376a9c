"""How many corruptions of training triples are training triples themselves?

    PYTHONPATH=. python benchmarks/quality/corruptions.py --data ~/.cache/graphns/data/kg

Every training triple is corrupted k times: by a fair coin's side and a uniform entity (uniform), by bern's side and a
uniform entity (bern), and by an entry of the relation's heads and tails (pseudo-typed); without a filter, where only
the original is left out, and with it. Beside the share counted stands the share expected, which follows from the
numbers of known answers alone. Libraries that do not filter may draw the original too, and it counts as known: that
share follows from the same draws, since of n candidates it is one. The table is written as CSV, one row a measurement.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphns import Query, Sampler, Stream, Uniform
from graphns.graph.known import EdgeSet
from graphns.graph.triples import Triples
from graphns.samplers.static.pseudo_typed import PseudoTyped

METHODS = ("uniform", "bern", "pseudo-typed")
OUT = Path(__file__).parents[1] / "results" / "corruptions.csv"
FIELDS = ("data", "entities", "relations", "triples", "method", "filter", "k", "seed", "corruptions", "known", "share",
          "expected", "share_with_original", "expected_with_original", "masked", "triples_without_candidates")
_BATCH = 1 << 14


def read(folder: Path) -> Triples:
    """The training triples of a folder of TSV files; entities and relations are numbered over all splits."""
    folder = folder / "raw" if (folder / "raw").is_dir() else folder
    splits = {name: [line.split("\t") for line in (folder / f"{name}.txt").read_text().splitlines()]
              for name in ("train", "valid", "test")}
    entity: dict[str, int] = {}
    relation: dict[str, int] = {}
    for name in splits:
        for head, kind, tail in splits[name]:
            entity.setdefault(head, len(entity))
            entity.setdefault(tail, len(entity))
            relation.setdefault(kind, len(relation))
    rows = [[entity[head], relation[kind], entity[tail]] for head, kind, tail in splits["train"]]
    return Triples.from_tensor(torch.tensor(rows), len(entity), len(relation))


def chance_of(facts: Triples, method: str) -> Tensor:
    """The chance of the head [R] float64."""
    if method == "bern":
        return facts.head_chance()
    return facts.slot_chance() if method == "pseudo-typed" else torch.full_like(facts.head_chance(), 0.5)


def sampler_of(facts: Triples, method: str, filtered: bool) -> Sampler:
    """Uniform entities, or those of the slot; the original alone is left out, or all known answers."""
    exclude: Any = "neighbors" if filtered else "self"
    return PseudoTyped(facts, exclude=exclude) if method == "pseudo-typed" else Uniform(facts.known(), exclude=exclude)


def expected(facts: Triples, method: str, known: EdgeSet, original: int) -> float:
    """The share without a filter, from the numbers of known answers and of candidates: no draw.

    `original` is 1 where it may be drawn, and is known, else 0.
    """
    chance = chance_of(facts, method)[facts.relation]
    slots = facts.slots()
    hits = candidates = 0.0
    for side, weight in ((False, 1 - chance), (True, chance)):
        anchor, _ = facts.questions(torch.full_like(facts.head, side, dtype=torch.bool))
        answers = known.degree[known.rows(anchor)].double() - 1 + original
        size = torch.full_like(answers, facts.num_entities - 1 + original)
        if method == "pseudo-typed":
            size = slots.degree[slots.rows(anchor[:, 1])].double() - 1 + original
        hits += float((weight * answers / size.clamp(min=1)).sum())
        candidates += float((weight * (size > 0)).sum())
    return hits / candidates


def measure(facts: Triples, method: str, filtered: bool, k: int, seed: int) -> dict[str, Any]:
    """Corrupt every triple k times, and count."""
    known, sampler, chance = facts.known(), sampler_of(facts, method, filtered), chance_of(facts, method)
    drawn = hits = short = 0
    with_original = 0.0
    for index in torch.arange(len(facts)).split(_BATCH):
        # a side for each of the k corruptions, as the methods draw it
        fact = index.repeat_interleave(k)
        row = fact * k + torch.arange(k).repeat(len(index))
        part, stream = facts.part(fact), Stream(seed)
        anchor, positive = part.questions(part.sides(chance, stream.child(0), row))
        negatives = sampler(Query(anchor, positive, 1, stream=stream.child(1), row=row))
        usable = negatives.mask[:, 0]
        drawn += int(usable.sum())
        hit = known.has_edge(anchor, negatives.ids[:, 0]) & usable
        hits += int(hit.sum())
        assert negatives.log_prob is not None
        one_of = 1 / (1 + (-negatives.log_prob[:, 0].double()).exp())  # the original among the candidates and itself
        with_original += float(torch.where(usable, one_of + (1 - one_of) * hit, 1.0).sum())
        short += int((~usable.view(-1, k)).all(1).sum())
    return {"entities": facts.num_entities, "relations": facts.num_relations, "triples": len(facts), "method": method,
            "filter": "yes" if filtered else "no", "k": k, "seed": seed, "corruptions": drawn, "known": hits,
            "share": f"{hits / max(drawn, 1):.6f}",
            "expected": f"{0.0 if filtered else expected(facts, method, known, 0):.6f}",
            "share_with_original": "" if filtered else f"{with_original / (len(facts) * k):.6f}",
            "expected_with_original": "" if filtered else f"{expected(facts, method, known, 1):.6f}",
            "masked": len(facts) * k - drawn, "triples_without_candidates": short}


def rows(root: Path, names: list[str], k: int, seeds: int) -> Iterator[dict[str, Any]]:
    """The table, row by row."""
    for name in names:
        facts = read(root / name)
        for method in METHODS:
            for filtered in (False, True):
                for seed in range(seeds):
                    yield {"data": name, **measure(facts, method, filtered, k, seed)}


def main(arguments: list[str] | None = None) -> None:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder of triples for each name")
    parser.add_argument("--names", default="FB15k-237,WN18RR")
    parser.add_argument("--k", type=int, default=20, help="corruptions of a triple")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(arguments)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with asked.out.open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        for row in rows(asked.data, asked.names.split(","), asked.k, asked.seeds):
            table.writerow(row)
            print(*(row[field] for field in FIELDS), sep="\t", flush=True)


if __name__ == "__main__":
    main()
