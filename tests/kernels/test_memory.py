"""Room for results: lent again when nobody sees it, never before."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from graphns.kernels import memory
from graphns.kernels.memory import empty

SIZE = 30_001  # numbers: a size of its own, above the least that is kept


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(memory, "_free", {})
    gc.collect()
    yield


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 5), (3, 1 << 20), (1 << 22,), (100_000, 3)])
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.int32])
def test_shape_dtype_and_place(shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    tensor = empty(*shape, dtype=dtype)
    assert tensor.shape == shape and tensor.numpy().dtype == dtype and tensor.is_contiguous()
    if tensor.nbytes >= 1 << 22:
        assert tensor.data_ptr() % (1 << 21) == 0
    tensor.fill_(1)
    assert bool((tensor == 1).all())


def test_freed_room_is_lent_again() -> None:
    place = empty(SIZE).data_ptr()
    again = empty(SIZE)
    assert again.data_ptr() == place
    assert empty(SIZE).data_ptr() != place  # which is in use


@pytest.mark.parametrize("view", [
    lambda tensor: tensor[5:9], lambda tensor: tensor.view(-1, 1).T, lambda tensor: tensor.numpy()[::7],
    lambda tensor: tensor.detach().view(torch.int32), lambda tensor: tensor.numpy().view(np.uint64)[:3],
    lambda tensor: memoryview(tensor.numpy())])
def test_a_view_keeps_the_room(view) -> None:
    tensor = empty(SIZE)
    place = tensor.data_ptr()
    seen = view(tensor)
    del tensor
    gc.collect()
    other = empty(SIZE)
    assert other.data_ptr() != place
    del seen, other
    gc.collect()
    assert place in {each.data_ptr() for each in [empty(SIZE), empty(SIZE)]}


def test_little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST", 1 << 20)
    many = [empty(SIZE) for _ in range(20)]
    many.append(empty(1 << 17))  # more than half of what may be kept
    del many
    kept = [size for size, pieces in memory._free.items() for _ in pieces]
    assert 0 < sum(kept) <= 1 << 20 and max(kept) < 1 << 19


def test_nothing_is_held_of_what_was_lent() -> None:
    before = len(memory._lent)
    tensor = empty(SIZE)
    assert len(memory._lent) == before + 1
    del tensor
    assert len(memory._lent) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_writes_into_its_own_pages() -> None:
    tensor = empty(SIZE)
    tensor.fill_(3)
    child = os.fork()
    if child == 0:
        tensor.numpy()[:] = 4
        os._exit(0)
    os.waitpid(child, 0)
    assert bool((tensor == 3).all())


def test_results_go_through_a_loader() -> None:
    class Data(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> torch.Tensor:
            return empty(SIZE).fill_(index)

    loader = torch.utils.data.DataLoader(Data(), batch_size=1, num_workers=1)
    assert [int(batch.min()) for batch in loader] == [int(batch.max()) for batch in loader] == [0, 1, 2]
