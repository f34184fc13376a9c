"""Renaming the ids of a batch: as torch.unique does, and nothing of one batch is left for the next."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.kernels import renumber
from graphns.kernels.renumber import Renumbering
from tests.kernels.plain import run_as_python

IDS = st.lists(st.integers(0, 19), max_size=40)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=4))
def test_as_unique_batch_after_batch(batches: list[tuple[list[int], list[int]]]) -> None:
    """One object for all batches: its table of places has to be clean each time."""
    rename = Renumbering(20)
    for first, second in batches:
        parts = torch.tensor(first, dtype=torch.int64), torch.tensor(second, dtype=torch.int64)[None]
        rows, local = rename(*parts)
        expected, places = torch.unique(torch.cat([each.flatten() for each in parts]), return_inverse=True)
        assert torch.equal(rows, expected)
        assert torch.equal(torch.cat([each.flatten() for each in local]), places)
        assert [each.shape for each in local] == [each.shape for each in parts]
        assert all(torch.equal(rows[new], old) for new, old in zip(local, parts, strict=True))


def test_python_source_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.tensor([[7, 3, 7], [0, 9, 3]])
    compiled = Renumbering(10)(ids)
    run_as_python(monkeypatch, renumber)
    plain = Renumbering(10)(ids)
    assert torch.equal(compiled[0], plain[0]) and torch.equal(compiled[1][0], plain[1][0])
    assert plain[0].tolist() == [0, 3, 7, 9] and plain[1][0].tolist() == [[2, 1, 2], [0, 3, 1]]


@pytest.mark.parametrize("wrong", [-1, 10, 2**40])
def test_ids_out_of_range_are_refused_and_forgotten(wrong: int) -> None:
    rename = Renumbering(10)
    with pytest.raises(ValueError, match=rf"id {wrong} is outside the table's \[0, 10\)"):
        rename(torch.tensor([4, 2, wrong, 5]))
    rows, local = rename(torch.tensor([4, 4, 1]))
    assert rows.tolist() == [1, 4] and local[0].tolist() == [1, 1, 0]
