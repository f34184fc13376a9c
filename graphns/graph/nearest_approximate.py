"""Candidates for nearest neighbours from pynndescent and faiss; who of them is nearest, float64 decides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphns.graph.table import Array, Preparation, Table
from graphns.streams import Stream

_READ = 1 << 22  # numbers that are prepared together
_LISTED = 30  # neighbours a row of pynndescent's graph has at least: fewer, and the search loses its way
_SPARE = 6  # candidates beyond k that are scored anew: float32 orders equal distances at will


def missing(backend: str, package: str) -> ImportError:
    """What is raised where a package is asked for and not installed."""
    return ImportError(f"backend={backend!r} needs {package}: pip install 'graphns[pipelines]', or take "
                       "backend='exact'")


def rough_rows(table: Table, preparation: Preparation, lifted: bool = False) -> Array:
    """All rows as float32 [N, d], as the metric's Euclidean distance or inner product compares them.

    With `lifted`, and rows of zeros under cosine, [N, d + 1]: those rows get a direction of their own, at right angles
    to all others, so that their Euclidean distance to unit rows is that of a cosine of 0.
    """
    rows: Array = np.empty((len(table), table.width + lifted), dtype=np.float32)
    zeros = False
    for start, block in table.blocks(max(1, _READ // table.width)):
        prepared = preparation(block)
        rows[start : start + len(block), : table.width] = prepared.rough
        if lifted:
            rows[start : start + len(block), -1] = prepared.norm == 0
            zeros |= bool((prepared.norm == 0).any())
    return rows if zeros or not lifted else np.ascontiguousarray(rows[:, :-1])


def descended(table: Table, k: int, preparation: Preparation, seed: int, options: dict[str, Any]) -> Array:
    """Candidates [N, c] of each row by nearest-neighbour descent (pynndescent), -1 where it found fewer.

    Args:
        table: [N, d].
        k: how many neighbours are wanted.
        preparation: of the table, for cosine or l2.
        seed: becomes pynndescent's random state.
        options: further arguments of `pynndescent.NNDescent`.

    Raises:
        ImportError: pynndescent is missing.
        ValueError: inner products are asked for; a row is not its own best by them, and the descent finds none.

    References:
        Dong, Moses, Li: Efficient k-nearest neighbor graph construction for generic similarity measures. WWW 2011.
    """
    if preparation.metric == "ip":
        raise ValueError("backend='nn-descent' needs a distance, and metric='ip' is none; take backend='faiss' or "
                         "'exact'")
    try:
        from pynndescent import NNDescent
    except ImportError as error:
        raise missing("nn-descent", "pynndescent") from error
    number = len(table)
    listed = min(max(_LISTED, 3 * k // 2) + 1, number)
    rows = rough_rows(table, preparation, lifted=preparation.metric == "cosine")
    state = np.random.RandomState(Stream(seed).key & 0xFFFFFFFF)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows that it could not fill are searched again
        index = NNDescent(rows, **{"metric": "euclidean", "n_neighbors": listed, "random_state": state,
                                   "low_memory": True, **options})
    return np.asarray(index.neighbor_graph[0])[:, : k + 1 + _SPARE]


def indexed(table: Table, k: int, preparation: Preparation, seed: int, index: str,
            options: dict[str, Any]) -> Array:
    """Candidates [N, c] of each row by faiss: all rows ("flat"), or those of the nearest lists ("ivf").

    Args:
        table: [N, d].
        k: how many neighbours are wanted.
        preparation: of the table.
        seed: of the k-means that makes the lists.
        index: "flat" or "ivf".
        options: nlist, how many lists (4 sqrt(N)); nprobe, how many are searched (a sixteenth, at least 8).

    Raises:
        ImportError: faiss is missing.
        ValueError: an option is unknown or out of range.
    """
    try:
        import faiss
    except ImportError as error:
        raise missing("faiss", "faiss-cpu") from error
    number = len(table)
    if index not in ("flat", "ivf"):
        raise ValueError(f"index must be 'flat' or 'ivf', got {index!r}")
    unknown = sorted(options.keys() - ({"nlist", "nprobe"} if index == "ivf" else set()))
    if unknown:
        raise ValueError(f"faiss {index} has no option {unknown[0]!r}; ivf has nlist and nprobe, flat has none")
    nlist = int(options.get("nlist") or max(1, min(4 * round(number**0.5), number // 8)))
    nprobe = int(options.get("nprobe") or min(nlist, max(8, nlist // 16)))
    if not 1 <= nprobe <= nlist <= number:
        raise ValueError(f"need 1 <= nprobe <= nlist <= {number} rows, got nprobe={nprobe} and nlist={nlist}")
    rows = rough_rows(table, preparation)
    kind = faiss.METRIC_L2 if preparation.metric == "l2" else faiss.METRIC_INNER_PRODUCT
    made: Any = faiss.IndexFlat(table.width, kind)
    if index == "ivf":
        made = faiss.IndexIVFFlat(made, table.width, nlist, kind)
        made.cp.seed, made.cp.min_points_per_centroid = Stream(seed).key & 0x7FFFFFFF, 1
        made.train(rows)
        made.nprobe = nprobe
    made.add(rows)
    found = np.empty((number, min(k + 1 + _SPARE, number)), dtype=np.int64)
    step = max(1, _READ // table.width)
    for start in range(0, number, step):
        found[start : start + step] = made.search(rows[start : start + step], found.shape[1])[1]
    return found
