"""Exact nearest neighbours in bounded memory: rough scores by matrix products, the few that can count in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphns.graph.table import Array, Preparation, Prepared, Table
from graphns.kernels.nearest import hits_loop, rescore_loop, scan_loop
from graphns.kernels.threads import run

MEMORY = 1 << 29
"""Bytes that a search takes beside its input and its result, unless told otherwise."""

_WIDEST = 8192  # candidates of one matrix product
_DEEPEST = 512  # queries of one product on the CPU, whose room is used again


class Plan(NamedTuple):
    """How many rows are held at once.

    Args:
        queries: prepared rows of queries; the whole corpus is read once for each such part.
        corpus: prepared rows of candidates.
        product: queries of one matrix product.
    """

    queries: int
    corpus: int
    product: int

    @classmethod
    def within(cls, memory: int, width: int, k: int) -> Plan:
        """The plan for a number of bytes.

        A prepared row takes 8 bytes a column in float64 and 4 in float32, and as much again while it is made.
        """
        row = 32 * width + 64
        corpus = int(np.clip(memory // 4 // row, 64, _WIDEST))
        # hits of an accelerator come back as two int64 each; a product of the CPU is read where it lies
        product = int(np.clip(memory // 4 // (4 * corpus), 16, 4096))
        return cls(max(64, memory // 2 // (row + 16 * k)), corpus, product)


def reach_of(queries: Array, largest: float, width: int, squared: bool, unit: float) -> Array:
    """How far a rough score may be from the exact one [b]: the bound of rounding for sums in any order, with slack.

    Args:
        queries: [b] norms.
        largest: norm among the candidates.
        width: d.
        squared: whether the score is minus half a squared distance.
        unit: half the gap above 1 of the numbers that are multiplied.
    """
    size = np.square(queries + largest) / 2 if squared else queries * largest
    return ((width + 16) * 2.0**-24 + 2.1 * (unit - 2.0**-24)) * 1.01 * size + width * 2.0**-120


def search_tables(queries: Table, corpus: Table, k: int, preparation: Preparation, *, skip: Array | None = None,
                  rows: Array | None = None, device: torch.device | None = None,
                  memory: int = MEMORY) -> tuple[Array, Array]:
    """The k best candidates of each query, best first; ties by lower id. The same on every device, bit for bit.

    Args:
        queries: [Q, d].
        corpus: [N, d], at least k rows that count for each query.
        k: how many.
        preparation: of both tables.
        skip: [Q] int64 ids that do not count for their query, -1: all do.
        rows: the rows of `queries` that ask [Q']; None: all. `skip` is then of these.
        device: where torch takes the matrix products; None: NumPy takes them.
        memory: bytes at most, about, beside the tables and the result.

    Returns:
        ids [Q, k] int64 and scores [Q, k] float64, not finished.
    """
    number = len(queries) if rows is None else len(rows)
    plan = Plan.within(memory, corpus.width, k)
    ids: Array = np.full((number, k), -1, dtype=np.int64)
    score: Array = np.full((number, k), -np.inf)
    skip = np.full(number, -1, dtype=np.int64) if skip is None else skip
    room: Array = np.empty(min(plan.product, _DEEPEST) * plan.corpus if device is None else 0, dtype=np.float32)
    for begin in range(0, number, plan.queries):
        end = min(begin + plan.queries, number)
        asked = preparation(queries.read(begin, end) if rows is None else queries.take(rows[begin:end]))
        for first, block in corpus.blocks(plan.corpus):
            found = preparation(block)
            part = _Part(asked, found, first, preparation.metric == "l2", skip[begin:end], score[begin:end],
                         ids[begin:end])
            if device is None:
                part.on_cpu(room)
                continue
            for start in range(0, end - begin, plan.product):
                stop = min(start + plan.product, end - begin)
                part.by_torch(start, stop, device)
    return ids, score


class _Part:
    """Queries and candidates that are in memory together, and the lists of those queries."""

    def __init__(self, asked: Prepared, found: Prepared, first: int, squared: bool, skip: Array, score: Array,
                 ids: Array) -> None:
        self.asked, self.found, self.first, self.squared = asked, found, first, squared
        self.skip, self.score, self.ids = skip, score, ids
        size = np.square(found.norm) / 2 if squared else np.zeros(len(found.norm))
        self.shift: Array = size.astype(np.float32)
        self.largest = float(found.norm.max())
        self.on_device: tuple[Tensor, Tensor] | None = None

    def _bounds(self, at: slice, unit: float) -> tuple[Array, Array]:
        norm = self.asked.norm[at]
        base = np.square(norm) / 2 if self.squared else np.zeros(len(norm))
        return base, reach_of(norm, self.largest, self.asked.rough.shape[1], self.squared, unit)

    def on_cpu(self, room: Array) -> None:
        """All queries against the block: NumPy multiplies, for torch may have been told to drop digits.

        Args:
            room: float32, for as many scores as are taken at once.
        """
        number, width = len(self.asked.norm), len(self.shift)
        step = max(1, len(room) // width)
        for start in range(0, number, step):
            at = slice(start, min(start + step, number))
            rough = room[: (at.stop - start) * width].reshape(-1, width)
            np.matmul(self.asked.rough[at], self.found.rough.T, out=rough)
            base, reach = self._bounds(at, 2.0**-24)
            run(scan_loop, len(rough), rough, self.shift, base, reach, self.asked.exact[at], self.found.exact,
                self.first, self.skip[at], self.squared, self.score[at], self.ids[at], cost=width)

    def by_torch(self, start: int, stop: int, device: torch.device) -> None:
        """The same, multiplied by torch on any device: only the places that can count come back."""
        at = slice(start, stop)
        if self.on_device is None:
            self.on_device = (torch.from_numpy(self.found.rough).to(device), torch.from_numpy(self.shift).to(device))
        block, shift = self.on_device
        base, reach = self._bounds(at, unit_of(device))
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            rough = torch.from_numpy(self.asked.rough[at]).to(device) @ block.T - shift
            k = self.score.shape[1]
            least = torch.from_numpy(self.score[at, -1] + base - reach)
            if rough.shape[1] > k + 1:  # the lists may be empty still: no better than the block's own k-th, or k+1-th
                own = rough.topk(k + 1, 1).values[:, -1].double().cpu() - torch.from_numpy(2 * reach)
                least = torch.maximum(least, own)
            # rounded down, so that none is lost
            bound = torch.nextafter(least.float(), torch.tensor(-torch.inf)).to(device)
            row, place = (rough >= bound[:, None]).nonzero(as_tuple=True)
            bounds: Array = np.zeros(stop - start + 1, dtype=np.int64)
            bounds[1:] = torch.bincount(row, minlength=stop - start).cumsum(0).cpu().numpy()
            hits: Array = place.cpu().numpy()
        run(hits_loop, stop - start, bounds, hits, self.asked.exact[at], self.found.exact, self.first, self.skip[at],
            self.squared, self.score[at], self.ids[at], cost=max(1, len(hits) // (stop - start)))


def unit_of(device: torch.device) -> float:
    """Half the gap above 1 of what torch multiplies on a device: its settings may let it drop digits of float32."""
    precision = torch.get_float32_matmul_precision()
    if precision == "medium":
        return 2.0**-9  # bfloat16
    loose = precision == "high" or (device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32)
    return 2.0**-12 if loose else 2.0**-24


def best_of(queries: Table, corpus: Table, candidates: Array, k: int, preparation: Preparation, *,
            skip: Array | None = None, memory: int = MEMORY) -> tuple[Array, Array]:
    """The k best of given candidates of each query, scored as `search_tables` scores; ties by lower id.

    Args:
        queries: [Q, d].
        corpus: [N, d].
        candidates: [Q, c] ids, -1: none; one that is named twice counts once.
        k: how many.
        preparation: of both tables.
        skip: see `search_tables`.
        memory: bytes at most, about, beside the tables and the result.

    Returns:
        ids [Q, k], -1 where candidates were too few, and scores [Q, k], not finished.
    """
    number, width = len(candidates), candidates.shape[1]
    ids: Array = np.full((number, k), -1, dtype=np.int64)
    score: Array = np.full((number, k), -np.inf)
    skip = np.full(number, -1, dtype=np.int64) if skip is None else skip
    names: Array = np.sort(candidates.astype(np.int64), 1)
    whole: Any = preparation(corpus.read(0, len(corpus))).exact if 32 * len(corpus) * corpus.width <= memory else None
    step = max(16, memory // (32 * corpus.width * (1 if whole is not None else width + 1)))
    for begin in range(0, number, step):
        at = slice(begin, min(begin + step, number))
        name, table = names[at], whole
        place = np.maximum(name, 0)
        if whole is None:  # a row that several ask for is read once
            wanted, place = np.unique(place, return_inverse=True)
            place = place.reshape(name.shape)
            table = preparation(corpus.take(wanted)).exact
        asked = preparation(queries.read(at.start, at.stop)).exact
        run(rescore_loop, len(name), asked, table, place.astype(np.int64), name, skip[at], preparation.metric == "l2",
            score[at], ids[at], cost=width)
    return ids, score
