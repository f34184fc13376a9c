"""One negative per edge: torch, compiled and plain Python give the same integers, on every kind of row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphns.kernels import edge_filter, structured
from graphns.kernels.csr import build_csr
from graphns.kernels.edge_filter import build_edge_filter, filter_words
from graphns.kernels.structured import one_per_edge, one_per_edge_torch
from graphns.streams import MASK_64, Stream
from tests.kernels.plain import run_as_python


def rows(num_rows: int, num_cols: int, num_edges: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random rows with an empty one, a full one and one with a single id left."""
    generator = torch.Generator().manual_seed(seed)
    row = torch.randint(3, num_rows, (num_edges,), generator=generator)
    col = torch.randint(num_cols, (num_edges,), generator=generator)
    every = torch.arange(num_cols)
    row = torch.cat([row, torch.full((num_cols,), 1), torch.full((num_cols - 1,), 2)])
    col = torch.cat([col, every, every[every != 2]])
    indptr, indices, _ = build_csr(row, col, num_rows, num_cols)
    return indptr, indices


@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("shape", [(7, 7, 15), (5, 12, 30), (40, 9, 100), (300, 300, 60_000)])
@pytest.mark.parametrize("given", [True, False])
def test_versions_agree(exclude_self: bool, shape: tuple[int, int, int], given: bool) -> None:
    indptr, indices = rows(*shape)
    source = torch.randint(shape[0], (500,), generator=torch.Generator().manual_seed(1)) if given else None
    stream = Stream(5)
    key = stream.row_keys(torch.zeros(1, dtype=torch.int64))
    edges, ids = one_per_edge(indptr, indices, shape[1], stream, source=source, exclude_self=exclude_self)
    table = build_edge_filter(indptr, indices)
    quick = one_per_edge(indptr, indices, shape[1], stream, source=source, exclude_self=exclude_self, edge_filter=table)
    assert torch.equal(ids, quick[1])
    same_edges, same_ids = one_per_edge_torch(indptr, indices, shape[1], key, source, exclude_self)
    assert torch.equal(ids, same_ids)
    if not given:
        assert edges is not None and same_edges is not None
        assert torch.equal(edges, same_edges)
    origin = source if source is not None else edges[0]  # type: ignore[index]
    full = {1, 2} if exclude_self else {1}  # row 2 lacks itself alone
    assert set(origin[ids < 0].tolist()) == (full & set(origin.tolist()))
    for u, v in zip(origin.tolist(), ids.tolist(), strict=True):
        if v >= 0:
            assert v not in indices[indptr[u] : indptr[u + 1]].tolist() and v < shape[1]
            assert not (exclude_self and u == v)


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_python_source_of_the_compiled_loops(
    exclude_self: bool, filtered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as_python(monkeypatch, structured, edge_filter)
    indptr, indices = rows(9, 9, 20)
    stream = Stream(2)
    key = int(stream.row_keys(torch.zeros(1, dtype=torch.int64)))
    source = torch.arange(9).repeat(6)
    edges, ids = np.empty((2, len(indices)), dtype=np.int64), np.empty(len(indices), dtype=np.int64)
    by_source = np.empty(len(source), dtype=np.int64)
    table = build_edge_filter(indptr, indices) if filtered else None
    rest = np.uint64(key & MASK_64), exclude_self, filter_words(table)
    plain = indptr.numpy(), indices.numpy(), 9
    with np.errstate(over="ignore"):
        for begin, end in ((0, 11), (11, len(indices))):  # any cut into blocks
            structured._of_rows(begin, end, *plain, *rest, edges, ids)
        structured._of_sources(0, len(source), *plain, *rest, source.numpy(), by_source)
    expected = one_per_edge(indptr, indices, 9, stream, exclude_self=exclude_self)
    assert torch.equal(expected[0], torch.from_numpy(edges))  # type: ignore[arg-type]
    assert torch.equal(expected[1], torch.from_numpy(ids))
    assert torch.equal(one_per_edge(indptr, indices, 9, stream, source=source, exclude_self=exclude_self)[1],
                       torch.from_numpy(by_source))


def test_empty_rows_everywhere() -> None:
    indptr, indices = torch.zeros(4, dtype=torch.int64), torch.empty(0, dtype=torch.int32)
    edges, ids = one_per_edge(indptr, indices, 3, Stream(0))
    assert edges is not None and edges.shape == (2, 0) and ids.shape == (0,)
    ids = one_per_edge(indptr, indices, 3, Stream(0), source=torch.arange(3), exclude_self=True)[1]
    assert bool(((ids >= 0) & (ids != torch.arange(3))).all())
