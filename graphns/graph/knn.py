"""Graphs of nearest neighbours from a table of vectors: exact, or approximate with the recall measured."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from graphns.graph.graph import Graph
from graphns.graph.nearest_approximate import descended, indexed
from graphns.graph.nearest_exact import MEMORY, best_of, search_tables
from graphns.graph.table import METRICS, Array, Metric, Preparation, Table, Vectors
from graphns.streams import Stream

Backend: TypeAlias = Literal["auto", "exact", "nn-descent", "faiss"]

EXACT_UP_TO = 30_000
"""Rows up to which backend="auto" searches exactly."""


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest rows of each row of a table.

    Args:
        ids: [N, k] int64, nearest first; equal scores by lower id. No row is its own neighbour.
        score: [N, k] float64, higher is nearer: the cosine, minus the Euclidean distance, or the inner product.
        recall: the share of the true neighbours that was found, on `sampled` rows; 1 where the search is exact.
        backend: what searched: "exact", "nn-descent", "faiss-ivf" or "faiss-flat".
        metric: "cosine", "l2" or "ip".
        sampled: how many rows the recall was measured on; 0 where it need not be.

    Example:
        >>> near = knn(torch.tensor([[0.0], [1.0], [3.0]]), k=1, metric="l2")
        >>> near.ids.tolist(), near.score.tolist(), near.recall
        ([[1], [0], [1]], [[-1.0], [-1.0], [-2.0]], 1.0)
    """

    ids: Tensor
    score: Tensor
    recall: float
    backend: str
    metric: Metric
    sampled: int = 0

    def graph(self, *, mutual: bool = False, undirected: bool = False, weighted: bool = False) -> Graph:
        """The graph with an edge from each row to each of its neighbours.

        Args:
            mutual: keep an edge only where its reverse is one too; the graph is then undirected, and a row may have
                fewer than k neighbours, or none.
            undirected: add the reverse of every edge; a row may then have more than k neighbours.
            weighted: cosine and ip weigh an edge by its score, a negative one by 0; l2 by 1 / (1 + distance).

        Raises:
            ValueError: mutual and undirected at once.
        """
        if mutual and undirected:
            raise ValueError("mutual=True keeps the edges that go both ways, undirected=True adds those that do not: "
                             "choose one")
        number, k = self.ids.shape
        source = torch.arange(number, device=self.ids.device).repeat_interleave(k)
        target, score = self.ids.flatten(), self.score.flatten()
        if mutual or undirected:
            ends = torch.cat([source * number + target, target * number + source])
            key, inverse, count = torch.unique(ends, return_inverse=True, return_counts=True)
            # both directions of a pair have one score, bit for bit: whichever is written last
            each = torch.empty(len(key), dtype=score.dtype, device=score.device)
            each[inverse] = score.repeat(2)
            kept = count == 2 if mutual else slice(None)
            source, target, score = key[kept] // number, key[kept] % number, each[kept]
        weight = None
        if weighted:
            weight = 1 / (1 - score) if self.metric == "l2" else score.clamp(min=0)
        return Graph.from_edge_index(torch.stack([source, target]), number, weight)


def knn(x: Vectors, k: int, metric: Metric = "cosine", backend: Backend = "auto", *, seed: int = 0,
        index: str = "ivf", sample: int = 1000, min_recall: float = 0.9, device: torch.device | str | None = None,
        memory: int = MEMORY, **options: Any) -> Neighbors:
    r"""The k nearest other rows of each row.

    .. math:: N_k(i) = \text{the } k \text{ largest of } \{(s(x_i, x_j), -j) : j \neq i\}

    with s the cosine, minus the Euclidean distance, or the inner product. Exact neighbours are those of scores in
    float64: matrix products in float32 only say which pairs need not be looked at. They are the same on every device
    and for any number of threads. Neighbours of an approximate backend are scored likewise, in the same order.

    - A row is never its own neighbour; a duplicate of it is, with the score of the row with itself.
    - A row of zeros has cosine 0 with every row, as in scikit-learn: its neighbours are then no better than others.
    - backend "auto" is exact up to `EXACT_UP_TO` rows, and for a mapped file that would fill half of the memory; above,
      it is "nn-descent", for ip "faiss". Both copy the rows, as float32. "exact" reads a mapped file in blocks.
    - The recall of an approximate backend is measured against an exact search of `sample` rows, drawn by `seed`. A
      neighbour as near as the k-th true one counts as found.

    Args:
        x: [N, d] array, tensor, or path of an `.npy` file, which is mapped; integers or floats of any width.
        k: how many, 1 … N-1.
        metric: "cosine", "l2" or "ip".
        backend: "auto", "exact", "nn-descent" (pynndescent) or "faiss".
        seed: of the sample and of what the backend draws. With "nn-descent" and "ivf", one seed gives one result on one
            machine and number of threads; the candidates of other numbers of threads may differ.
        index: of faiss: "ivf" or "flat".
        sample: rows on which recall is measured; 0: it is not, and is NaN.
        min_recall: a measured recall below it gives a warning.
        device: of an exact search's matrix products; None: where x is.
        memory: bytes, about, that an exact search takes beside x and the result.
        **options: of the backend: arguments of `pynndescent.NNDescent`, or nlist and nprobe of faiss.

    Returns:
        `Neighbors`, on the device of x.

    Raises:
        ValueError: x is no table of finite numbers (the message names the first bad row), k or an option is out of
            range.
        ImportError: the backend is not installed.

    Example:
        >>> knn(torch.eye(4) + torch.eye(4).flip(1), k=1).ids.flatten().tolist()
        [3, 2, 1, 0]
    """
    _check(metric, memory)
    if backend not in get_args(Backend):
        raise ValueError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
    table = Table(x)
    number = len(table)
    check_k(k, number - 1, f"{number} rows have {number - 1} others")
    if sample < 0:
        raise ValueError(f"sample must be at least 0, got {sample}")
    chosen: str = _automatic(table, metric) if backend == "auto" else backend
    if options and chosen == "exact":
        raise ValueError(f"backend='exact' takes no option {next(iter(options))!r}")
    preparation, own = Preparation(metric, table), np.arange(number)
    if chosen == "exact":
        ids, score = search_tables(table, table, k, preparation, skip=own, device=_device(table, device), memory=memory)
        return _neighbors(table, preparation, ids, score, 1.0, "exact")
    if chosen == "nn-descent":
        candidates = descended(table, k, preparation, seed, options)
    else:
        candidates, chosen = indexed(table, k, preparation, seed, index, options), f"faiss-{index}"
    ids, score = best_of(table, table, candidates, k, preparation, skip=own, memory=memory)
    short = np.flatnonzero(ids[:, -1] < 0)
    if len(short):  # the backend found fewer than k
        ids[short], score[short] = search_tables(table, table, k, preparation, skip=short, rows=short,
                                                 device=_device(table, device), memory=memory)
    recall, asked = float("nan"), min(sample, number)
    if asked:
        words = Stream(seed).words(torch.arange(number), 1)[:, 0]
        rows = words.argsort()[:asked].sort().values.numpy()
        true = search_tables(table, table, k, preparation, skip=rows, rows=rows, device=_device(table, device),
                             memory=memory)[1]
        recall = float((score[rows] >= true[:, -1:]).mean())
        if recall < min_recall:
            warnings.warn(f"backend {chosen!r} found {recall:.1%} of the neighbours of {asked} rows, less than "
                          f"min_recall={min_recall:.1%}; search more ({_more(chosen)}), or take backend='exact'",
                          stacklevel=2)
    return _neighbors(table, preparation, ids, score, recall, chosen, asked)


def knn_graph(x: Vectors, k: int, metric: Metric = "cosine", backend: Backend = "auto", mutual: bool = False, *,
              undirected: bool = False, weighted: bool = False, **options: Any) -> Graph:
    """The graph that joins each row to its k nearest rows.

    Args:
        x: [N, d]; see `knn`.
        k: how many neighbours, 1 … N-1.
        metric: "cosine", "l2" or "ip".
        backend: "auto", "exact", "nn-descent" or "faiss"; see `knn`.
        mutual: keep only the edges that go both ways.
        undirected: add the reverse of each edge.
        weighted: weigh edges by nearness; see `Neighbors.graph`.
        **options: the further options of `knn`: seed, sample, min_recall, device, memory …

    Returns:
        A `Graph` of N nodes on the device of x: row i holds the neighbours of i, by rising id.

    Raises:
        ValueError: see `knn`; mutual and undirected at once.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [3.0]])
        >>> knn_graph(points, k=1, metric="l2").edge_index.tolist()
        [[0, 1, 2], [1, 0, 1]]
        >>> knn_graph(points, k=1, metric="l2", mutual=True).edge_index.tolist()
        [[0, 1], [1, 0]]
    """
    if mutual and undirected:  # before the search, which may take long
        raise ValueError("mutual=True keeps the edges that go both ways, undirected=True adds those that do not: "
                         "choose one")
    return knn(x, k, metric, backend, **options).graph(mutual=mutual, undirected=undirected, weighted=weighted)


def search(queries: Vectors, corpus: Vectors, k: int, metric: Metric = "cosine", *, skip: Tensor | None = None,
           device: torch.device | str | None = None, memory: int = MEMORY) -> tuple[Tensor, Tensor]:
    """The k rows of a corpus that are nearest to each query: exact, in bounded memory; see `knn`.

    Args:
        queries: [Q, d] array, tensor or path of an `.npy` file.
        corpus: [N, d] likewise.
        k: how many, at most N; at most N-1 with `skip`.
        metric: "cosine", "l2" or "ip".
        skip: [Q] int64, one id of the corpus that does not count for the query; -1: all count.
        device: where matrix products are taken; None: where the queries are.
        memory: bytes, about, beside the tables and the result.

    Returns:
        ids [Q, k] int64, nearest first, equal scores by lower id; and their scores [Q, k] float64, as in `Neighbors`.
        On the device of the queries.

    Raises:
        ValueError: a table is not one of finite numbers, widths differ, or k or an id of skip is out of range.

    Example:
        >>> search(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0], [3.0]]), k=2, metric="l2")[0]
        tensor([[1, 0]])
    """
    _check(metric, memory)
    asked, table = Table(queries, "queries"), Table(corpus, "corpus")
    if asked.width != table.width:
        raise ValueError(f"queries have {asked.width} columns, the corpus {table.width}; they must be of one space")
    most = len(table) - (skip is not None)
    check_k(k, most, f"the corpus has {most} rows that count")
    left_out: Array | None = None
    if skip is not None:
        left_out = torch.as_tensor(skip).cpu().numpy()
        if left_out.shape != (len(asked),) or left_out.dtype != np.int64:
            raise ValueError(f"skip must be one int64 id a query [{len(asked)}], got {left_out.dtype} "
                             f"{left_out.shape}")
        if left_out.min() < -1 or left_out.max() >= len(table):
            raise ValueError(f"skip must hold ids of the corpus, 0 … {len(table) - 1}, or -1; got "
                             f"{left_out.min()} … {left_out.max()}")
    preparation = Preparation(metric, table, asked)
    ids, score = search_tables(asked, table, k, preparation, skip=left_out, device=_device(asked, device),
                               memory=memory)
    return torch.from_numpy(ids).to(asked.device), torch.from_numpy(preparation.finish(score)).to(asked.device)


def check_k(k: int, most: int, why: str) -> None:
    """A `ValueError` unless 1 <= k <= most."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise ValueError(f"k must be a whole number from 1 to {most}, for {why}; got {k!r}")


def _check(metric: str, memory: int) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if memory < 1 << 20:
        raise ValueError(f"memory must be at least {1 << 20} bytes, got {memory}")


def _device(table: Table, device: torch.device | str | None) -> torch.device | None:
    chosen = table.device if device is None else torch.device(device)
    return None if chosen.type == "cpu" else chosen


def _automatic(table: Table, metric: Metric) -> str:
    if len(table) <= EXACT_UP_TO:
        return "exact"
    if table.mapped and hasattr(os, "sysconf"):
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if 2 * table.nbytes > physical:
            return "exact"
    return "faiss" if metric == "ip" else "nn-descent"


def _more(backend: str) -> str:
    return "n_neighbors=60" if backend == "nn-descent" else "a larger nprobe"


def _neighbors(table: Table, preparation: Preparation, ids: Array, score: Array, recall: float, backend: str,
               sampled: int = 0) -> Neighbors:
    finished = torch.from_numpy(preparation.finish(score))
    return Neighbors(torch.from_numpy(ids).to(table.device), finished.to(table.device), recall, backend,
                     preparation.metric, sampled)
