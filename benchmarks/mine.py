"""Hard negatives: `graphns.mining` beside sentence-transformers' `mine_hard_negatives`, on the same vectors.

    python benchmarks/mine.py [--data banking77] [--rounds 3] [--threads 2] [--k 5]

Anchors are the test texts of Banking77, the corpus its training texts, both as TF-IDF with truncated SVD to 256
numbers, fitted on the training texts. Cases: the nearest text of the intent is the positive of an anchor, negatives at
least 5 % below it; all texts of the intent are positives. Both: ranks 10 to 100, no score above 0.9.
The peer gets a model that looks the vectors up, so that no encoder is timed, and both get the same pairs and guards,
strategy "top". They run in turn, in one process. A negative counts as different if it is not the peer's and its score
is not within 1e-5 of the peer's at that slot (either may order equal scores as it likes), and `known` counts negatives
that are known positives. Without the peer, ours runs alone. Results: results/mine.csv beside this script.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import report
import torch
from torch import Tensor

from graphns.mining.formats import columns
from graphns.mining.guards import Guards
from graphns.mining.mine import mine

COLUMNS = ("case", "miner", "version", "anchors", "corpus", "width", "pairs", "k", "threads", "rounds", "wall_s",
           "fastest_s", "slowest_s", "cpu_s", "ratio_wall", "ratio_cpu", "triplets", "different", "known", "load")
Triplets = tuple[Tensor, Tensor, Tensor, Tensor]  # anchor, positive, negative, score of the negative


@dataclass
class Case:
    """What both mine."""

    name: str
    queries: np.ndarray
    corpus: np.ndarray
    pairs: np.ndarray
    guards: Guards

    def __post_init__(self) -> None:
        """The texts are no more than numbers: what they say was read when the vectors were made."""
        self.questions = [f"q{at}" for at in range(len(self.queries))]
        self.documents = [f"d{at}" for at in range(len(self.corpus))]


Miner = Callable[[Case], Any]


class LookUp:
    """The few things that `mine_hard_negatives` asks of a model, for vectors that are there already."""

    device = torch.device("cpu")

    def __init__(self, case: Case) -> None:
        self.case = case

    def _take(self, texts: list[str], table: np.ndarray) -> np.ndarray:
        return table[[int(text[1:]) for text in texts]]

    def encode_query(self, texts: list[str], **options: Any) -> np.ndarray:
        """The vectors of texts q0, q1, ..."""
        return self._take(texts, self.case.queries)

    def encode_document(self, texts: list[str], **options: Any) -> np.ndarray:
        """The vectors of texts d0, d1, ..."""
        return self._take(texts, self.case.corpus)

    def similarity(self, left: Any, right: Any) -> Tensor:
        """Cosines of all pairs."""
        from sentence_transformers.util import cos_sim

        return cos_sim(left, right)

    def similarity_pairwise(self, left: Any, right: Any) -> Tensor:
        """Cosines row by row."""
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(left, right)


def ours(case: Case) -> Any:
    """Mine, and make the columns of texts that a trainer reads."""
    mined = mine(case.corpus, anchors=case.queries, pairs=case.pairs, guards=case.guards, texts=case.documents,
                 anchor_texts=case.questions)
    made: dict[str, list[Any]] = {name: [] for name in ("anchor", "positive", "negative", "scores")}
    for piece in columns(mined, "triplet", scores=True):
        for name, values in piece.items():
            made[name] += values
    return made


def peers(case: Case) -> Any:
    """The peer's function, on the same texts."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    data = Dataset.from_dict({"anchor": [case.questions[at] for at in case.pairs[:, 0]],
                              "positive": [case.documents[at] for at in case.pairs[:, 1]]})
    rules = case.guards
    return mine_hard_negatives(
        data, LookUp(case), corpus=case.documents, range_min=rules.range_min,
        range_max=rules.range_max, max_score=rules.max_score, min_score=rules.min_score,
        absolute_margin=rules.absolute_margin, relative_margin=rules.relative_margin, num_negatives=rules.k,
        sampling_strategy="top", output_format="triplet", output_scores=True, verbose=False)


def triplets(found: Any) -> Triplets:
    """The numbers in the texts of a miner's columns, and the negatives' scores, by rising anchor and positive."""
    names = ("anchor", "positive", "negative")
    anchor, positive, negative = ([int(text[1:]) for text in found[name]] for name in names)
    order = np.lexsort((np.arange(len(anchor)), positive, anchor))  # ours comes by rising anchor, the peer's as given
    rows = [torch.from_numpy(np.asarray(each)[order]) for each in (anchor, positive, negative)]
    return rows[0], rows[1], rows[2], torch.tensor(list(found["scores"])).view(-1, 2)[order, 1]


def different(own: Triplets, other: Triplets) -> int:
    """Triplets that are not the other's, equal scores aside."""
    if len(own[0]) != len(other[0]) or not (torch.equal(own[0], other[0]) and torch.equal(own[1], other[1])):
        return max(len(own[0]), len(other[0]))
    return int(((own[2] != other[2]) & ((own[3] - other[3]).abs() > 1e-5)).sum())


def num_known(case: Case, found: Triplets) -> int:
    """Negatives that are known positives of their anchors."""
    known = set(map(tuple, case.pairs.tolist()))
    return sum(pair in known for pair in zip(found[0].tolist(), found[2].tolist(), strict=True))


def measure(case: Case, rounds: int, threads: int, miners: dict[str, Miner]) -> list[dict[str, Any]]:
    """One row for each miner; the ratio is its time over ours."""
    torch.set_num_threads(threads)
    found = {name: triplets(miner(case)) for name, miner in miners.items()}  # compiles, and warms the caches
    wall: dict[str, list[float]] = {name: [] for name in miners}
    cpu: dict[str, list[float]] = {name: [] for name in miners}
    for _ in range(rounds):
        for name, miner in miners.items():
            start, used = time.perf_counter(), time.process_time()
            miner(case)
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - used)
    rows = []
    for name in miners:
        seconds, used = statistics.median(wall[name]), statistics.median(cpu[name])
        rows.append({
            "case": case.name, "miner": name, "version": _version(name), "anchors": len(case.queries),
            "corpus": len(case.corpus), "width": case.corpus.shape[1], "pairs": len(case.pairs), "k": case.guards.k,
            "threads": threads, "rounds": rounds, "wall_s": round(seconds, 3), "fastest_s": round(min(wall[name]), 3),
            "slowest_s": round(max(wall[name]), 3), "cpu_s": round(used, 3),
            "ratio_wall": round(seconds / statistics.median(wall["graphns"]), 2),
            "ratio_cpu": round(used / statistics.median(cpu["graphns"]), 2), "triplets": len(found[name][0]),
            "different": different(found["graphns"], found[name]), "known": num_known(case, found[name]),
            "load": round(os.getloadavg()[0], 1)})
    return rows


def _version(name: str) -> str:
    from importlib.metadata import version

    import graphns

    return graphns.__version__ if name == "graphns" else version(name)


def make_cases(queries: np.ndarray, query_label: np.ndarray, corpus: np.ndarray, label: np.ndarray,
               k: int) -> list[Case]:
    """The nearest row of its label for each query; and all of them."""
    own = [np.flatnonzero(label == each) for each in query_label]
    one = np.array([(at, rows[(corpus[rows] @ queries[at]).argmax()]) for at, rows in enumerate(own)])
    every = np.concatenate([np.stack([np.full(len(rows), at), rows], 1) for at, rows in enumerate(own)])
    return [Case("one positive", queries, corpus, one, Guards(k, 10, 100, max_score=0.9, relative_margin=0.05)),
            Case("all positives", queries, corpus, every, Guards(k, 10, 100, max_score=0.9))]


def generated(k: int, num_queries: int = 60, num_rows: int = 600) -> list[Case]:
    """Clusters of random vectors, for a look without data."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(12, 24))
    labels = [rng.integers(12, size=size) for size in (num_queries, num_rows)]
    queries, corpus = (_unit(centers[each] + rng.normal(size=(len(each), 24))) for each in labels)
    return make_cases(queries, labels[0], corpus, labels[1], k)


def banking77(k: int, width: int = 256) -> list[Case]:
    """Banking77's texts as TF-IDF with truncated SVD; GRAPHNS_DATA names the folder that holds text/banking77."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    folder = Path(os.environ.get("GRAPHNS_DATA", ".")) / "text" / "banking77"
    parts = {}
    for part in ("train", "test"):
        with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        parts[part] = ([row["text"] for row in rows], np.array([row["category"] for row in rows]))
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    counts = vectorizer.fit_transform(parts["train"][0])
    svd = TruncatedSVD(width, random_state=0).fit(counts)
    corpus, queries = (_unit(svd.transform(vectorizer.transform(parts[part][0]))) for part in ("train", "test"))
    return make_cases(queries, parts["test"][1], corpus, parts["train"][1], k)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return (rows / lengths).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("banking77", "generated"), default="banking77")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "mine.csv")
    options = parser.parse_args()
    miners: dict[str, Miner] = {"graphns": ours}
    try:
        import datasets
        import sentence_transformers

        datasets.disable_progress_bars()
        miners[sentence_transformers.__name__.replace("_", "-")] = peers
    except ModuleNotFoundError as error:
        print(f"without the peer: {error}")
    rows = []
    for case in (banking77 if options.data == "banking77" else generated)(options.k):
        rows += measure(case, options.rounds, options.threads, miners)
        for row in rows[-len(miners):]:
            print(row)
    report.write_rows(options.out, COLUMNS, rows)


if __name__ == "__main__":
    main()
