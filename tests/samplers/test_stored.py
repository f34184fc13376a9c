"""What the queues stand on: first in, first out across the wrap; a width that the first vectors tell."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns import Graph, Query, Stream
from graphns.samplers.stored import Ring, VectorTable, take_stored, unit_vectors


@given(st.integers(1, 7), st.lists(st.integers(0, 17), max_size=12))
def test_a_ring_is_a_list_cut_to_its_last(size, pushes):
    ring, written = Ring(size), []
    for num in pushes:
        ids = torch.arange(len(written), len(written) + num)
        ring.push(ids, ids[:, None] * torch.ones(3))
        written += ids.tolist()
        at = ring.slots()
        assert ring.ids[at].tolist() == written[-size:]
        assert ring.table.values[at].tolist() == [[float(i)] * 3 for i in written[-size:]]


def test_the_first_vectors_tell_width_and_dtype():
    ring = Ring(4)
    assert ring.table.dim == 0 and len(ring.slots()) == 0
    ring.push(torch.tensor([1, 2]), torch.ones(2, 5, dtype=torch.float64))
    assert ring.table.dim == 5 and ring.table.values.dtype == torch.float64
    with pytest.raises(ValueError, match=r"one vector of width 5 for each of 1 ids, got \(1, 6\)"):
        ring.push(torch.tensor([3]), torch.ones(1, 6))
    with pytest.raises(ValueError, match=r"for each of 2 ids, got \(1, 5\)"):
        ring.push(torch.tensor([3, 4]), torch.ones(1, 5))
    with pytest.raises(ValueError, match="of width 3"):
        Ring(4, dim=3).push(torch.tensor([3]), torch.ones(1, 6))


def test_states_load_whatever_width_is_known():
    told, fresh = VectorTable(3, 2), VectorTable(3)
    told.values.fill_(0.5)
    fresh.load_state_dict(told.state_dict())
    assert torch.equal(fresh.values, told.values)
    told.load_state_dict(VectorTable(3).state_dict())  # back to a state before the first step
    assert told.dim == 0
    with pytest.raises(RuntimeError, match="size mismatch"):
        VectorTable(3, 4).load_state_dict(fresh.state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):
        VectorTable(4, 2).load_state_dict(fresh.state_dict())


def test_no_gradient_is_kept():
    ring, vectors = Ring(4), torch.ones(2, 3, requires_grad=True)
    with torch.no_grad():
        ring.push(torch.tensor([0, 1]), vectors * 2)
    assert not ring.table.values.requires_grad


def test_k_of_the_stored_at_random_each_alike():
    ring, graph = Ring(6), Graph.empty((1, 6))
    ring.push(torch.arange(6), torch.arange(6.0)[:, None])
    counts = torch.zeros(6)
    for step in range(600):
        query = Query(torch.zeros(1, dtype=torch.int64), torch.tensor([0]), 2, stream=Stream(0, step))
        taken = take_stored(ring, graph, query, "self")
        assert len(taken.ids[0].unique()) == 2
        assert torch.equal(taken.vectors[0, :, 0], taken.ids[0].float())
        counts += torch.bincount(taken.ids[0], minlength=6)
    assert bool(((counts / 200 - 1).abs() < 0.25).all())


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        Ring(0)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        Ring(3, 0)


def test_a_refused_write_leaves_nothing_behind():
    """Also before the width is known: the next right vectors are taken."""
    ring = Ring(4)
    with pytest.raises(ValueError, match="one width for each of 8 ids"):
        ring.push(torch.arange(8), torch.zeros(3, 4))
    assert ring.table.dim == 0 and int(ring.num_written) == 0
    ring.push(torch.arange(2), torch.ones(2, 16))
    assert ring.table.dim == 16 and len(ring.slots()) == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_zero_vectors_stay_zero_in_every_precision(dtype):
    vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=dtype)
    found = unit_vectors(vectors)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), torch.tensor([[0.0, 0.0], [0.6, 0.8]]), atol=4e-3, rtol=0)
