"""The fused gather-dot: its definition, its gradients, its threads, and torch.compile."""

import numpy as np
import pytest
import torch

from graphns.kernels import gather_dot as module
from graphns.kernels import gather_loops as loops
from graphns.kernels.gather_dot import dot_torch, gather_dot, pull_torch, push_torch


def make(batch=7, rows=11, k=5, width=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(batch, width, dtype=dtype, generator=generator, requires_grad=True)
    table = torch.randn(rows, width, dtype=dtype, generator=generator, requires_grad=True)
    return queries, table, torch.randint(rows, (batch, k), generator=generator)


def plain(queries, table, ids):
    return torch.stack([torch.stack([query @ table[i] for i in row])
                        for query, row in zip(queries, ids.expand(len(queries), -1), strict=True)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [False, True])
def test_equals_a_plain_loop_with_its_gradients(dtype, shared):
    queries, table, ids = make(dtype=dtype)
    ids = ids[:1] if shared else ids
    weight = torch.randn(len(queries), ids.shape[1], dtype=dtype)
    expected = torch.autograd.grad((plain(queries, table, ids) * weight).sum(), (queries, table))
    scores = gather_dot(queries, table, ids)
    torch.testing.assert_close(scores, plain(queries, table, ids))
    torch.testing.assert_close(torch.autograd.grad((scores * weight).sum(), (queries, table)), expected)


@pytest.mark.parametrize("width", [1, 3, 16, 33])
def test_the_three_operations_equal_their_torch_definitions(width, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 3 * width)  # several chunks
    queries, table, ids = (t.detach() for t in make(width=width))
    weights = torch.randn(ids.shape, dtype=queries.dtype)
    torch.testing.assert_close(module._dot(queries, table, ids), dot_torch(queries, table, ids))
    torch.testing.assert_close(module._pull(weights, table, ids), pull_torch(weights, table, ids))
    torch.testing.assert_close(module._push(weights, queries, ids, 11), push_torch(weights, queries, ids, 11))


def test_gradients_by_finite_differences_first_and_second():
    queries, table, ids = make(batch=3, rows=4, k=4, width=2)
    assert torch.autograd.gradcheck(lambda q, t: gather_dot(q, t, ids), (queries, table))
    assert torch.autograd.gradgradcheck(lambda q, t: gather_dot(q, t, ids).sin(), (queries, table))
    weights = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, t: module._pull(w, t, ids), (weights, table))
    assert torch.autograd.gradcheck(lambda w, q: module._push(w, q, ids, 4), (weights, queries))


def test_only_the_gradient_that_is_wanted_is_made():
    queries, table, ids = make()
    gather_dot(queries.detach(), table, ids).sum().backward()
    assert table.grad is not None and queries.grad is None
    gather_dot(queries, table.detach(), ids).sum().backward()
    assert queries.grad is not None


def test_results_are_equal_bit_for_bit_for_any_number_of_threads():
    queries, table, ids = make(batch=3000, rows=50, k=40, width=32, dtype=torch.float32)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            scores = gather_dot(queries, table, ids)
            found.append((scores, *torch.autograd.grad(scores.square().sum(), (queries, table))))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile_does_not_break_on_it(backend):
    queries, table, ids = make(dtype=torch.float32)

    def step(q, t, i):
        return torch.logsumexp(gather_dot(q * 2, t, i), 1).mean()

    expected = torch.autograd.grad(step(queries, table, ids), (queries, table))
    got = torch.autograd.grad(torch.compile(step, backend=backend, fullgraph=True)(queries, table, ids),
                              (queries, table))
    torch.testing.assert_close(got, expected)


def test_torch_checks_the_registration():
    queries, table, ids = make(batch=3, rows=4, k=2, width=2, dtype=torch.float32)
    torch.library.opcheck(module._dot, (queries, table, ids))
    torch.library.opcheck(module._push, (torch.randn(3, 2, requires_grad=True), queries, ids, 4))


def test_strided_and_empty_inputs():
    queries, table, ids = make()
    wide = torch.randn(6, 14, dtype=torch.float64).T[::2]
    torch.testing.assert_close(gather_dot(wide, table, ids), plain(wide, table, ids))
    assert gather_dot(queries, table, ids[:, :0]).shape == (7, 0)
    assert gather_dot(queries[:0], table, ids[:0]).shape == (0, 5)


def test_half_precision_takes_the_torch_path():
    queries, table, ids = make(dtype=torch.bfloat16)
    torch.testing.assert_close(gather_dot(queries, table, ids), dot_torch(queries, table, ids))


@pytest.mark.parametrize(("change", "message"), [
    (lambda q, t, i: (q[:, :2], t, i), "need queries"),
    (lambda q, t, i: (q.float(), t, i), "one floating dtype"),
    (lambda q, t, i: (q, t, i[:3]), r"ids must be \[B\|1, k\]"),
    (lambda q, t, i: (q, t, i.int()), "ids must be int64"),
    (lambda q, t, i: (q, t, i + 11), "is outside the table"),
    (lambda q, t, i: (q, t, i - 11), "id -"),
])
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        gather_dot(*change(*make()))


def test_the_loops_as_plain_python():
    queries, table, ids = (t.detach() for t in make(batch=2, rows=3, k=9, width=2))
    weights = torch.randn(2, 9, dtype=torch.float64)
    q, t, i, w = (x.numpy() for x in (queries, table, ids, weights))
    out = np.zeros((2, 9))
    loops.dot_rows.py_func(0, 2, q, t, i, out)
    np.testing.assert_allclose(out, dot_torch(queries, table, ids))
    out = np.zeros((2, 2))
    loops.pull_rows.py_func(0, 2, w, t, i, out)
    np.testing.assert_allclose(out, pull_torch(weights, table, ids))
    out, rows, shares = np.zeros((3, 2)), np.empty(18, dtype=np.int64), np.empty(18)
    start = loops._sort.py_func(i, w, 3, rows, shares)
    assert sorted(rows[start[1]:start[2]]) == list(rows[start[1]:start[2]]) == sorted(np.nonzero(i == 1)[0])
    loops.push_rows.py_func(0, 3, start, rows, shares, q, out)
    np.testing.assert_allclose(out, push_torch(weights, queries, ids, 3))
