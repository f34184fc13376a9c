"""The streamed loss against the dense one: the official code's, the pipeline's with `All`, and a plain definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from graphns.base import Query
from graphns.graph.graph import Graph
from graphns.objectives import streamed_infonce as module
from graphns.objectives.streamed_infonce import streamed_infonce
from graphns.pipelines.grace import direction_loss
from graphns.pipelines.grace_config import GraceConfig
from graphns.samplers.compose.all import All


def views(n: int = 23, d: int = 5, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Unit vectors times `scale`; the second view resembles the first."""
    generator = torch.Generator().manual_seed(n)
    first = torch.randn(n, d, dtype=torch.float64, generator=generator)
    second = first + 0.7 * torch.randn(n, d, dtype=torch.float64, generator=generator)
    return (scale * F.normalize(first, dim=1).to(dtype)).requires_grad_(), \
        (scale * F.normalize(second, dim=1).to(dtype)).requires_grad_()


def random_graph(n: int = 23, directed: bool = False) -> Graph:
    """Some edges, self-loops among them; node 1 is everyone's neighbour, and everyone is its."""
    generator = torch.Generator().manual_seed(1)
    edges = torch.randint(n, (2, 3 * n), generator=generator)
    every = torch.arange(n)
    edges = torch.cat([edges, torch.stack([torch.ones_like(every), every])], 1)
    return Graph.from_edge_index(edges if directed else torch.cat([edges, edges.flip(0)], 1), num_nodes=n)


GRAPHS = {"none": None, "undirected": random_graph(), "directed": random_graph(directed=True)}


def defined(first: Tensor, second: Tensor, temperature: float, anchors: Tensor | None = None,
            excluded: Graph | None = None) -> Tensor:
    """The definition, in float64, with every matrix whole."""
    first, second = first.double(), second.double()
    allowed = ~torch.eye(len(first), dtype=torch.bool)
    if excluded is not None:
        allowed[tuple(excluded.edge_index)] = False
    losses = []
    for u, v in ((first, second), (second, first)):
        between, within = u @ v.T / temperature, u @ u.T / temperature
        positive = between.diag()
        all_logits = torch.cat([positive[:, None], between.masked_fill(~allowed, -torch.inf),
                                within.masked_fill(~allowed, -torch.inf)], 1)
        losses.append(all_logits.logsumexp(1) - positive)
    loss = torch.stack(losses).mean(0)
    return (loss if anchors is None else loss[anchors]).mean()


def official(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """As the authors' `semi_loss` computes it."""
    def half(u: Tensor, v: Tensor) -> Tensor:
        within, between = torch.exp(u @ u.T / temperature), torch.exp(u @ v.T / temperature)
        return -torch.log(between.diag() / (within.sum(1) + between.sum(1) - within.diag()))

    return ((half(first, second) + half(second, first)) / 2).mean()


def gradients(loss: Tensor, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(1.7 * loss, inputs)


def agree(ours: Tensor, theirs: Tensor, inputs: tuple[Tensor, Tensor], tolerance: float) -> None:
    """Loss and gradients agree, relative to their size."""
    assert ours.shape == () and ours.item() == pytest.approx(theirs.item(), rel=tolerance)
    for one, other in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        assert bool(torch.isfinite(one).all())
        assert float((one - other).norm()) <= tolerance * float(other.norm())


@pytest.mark.parametrize("anchors", [None, torch.tensor([4, 0, 22, 4, 1])], ids=["every node", "anchors"])
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("temperature", [1.0, 0.2, 1e-3])  # at the last no exponential is in range
@pytest.mark.parametrize("block", [None, 1, 7, 23])
def test_equals_the_definition(block: int | None, temperature: float, graph: str, anchors: Tensor | None) -> None:
    inputs, excluded = views(), GRAPHS[graph]
    ours = streamed_infonce(*inputs, temperature=temperature, anchors=anchors, excluded=excluded, block=block)
    agree(ours, defined(*inputs, temperature, anchors, excluded), inputs, 1e-10)


@pytest.mark.parametrize("temperature", [0.4, 0.9])
@pytest.mark.parametrize("n", [1100, 2100])  # 1024 a block by default: two and three of them, not whole
def test_equals_the_official_code_in_float32(n: int, temperature: float) -> None:
    inputs = views(n, 32, torch.float32)
    agree(streamed_infonce(*inputs, temperature=temperature), official(*inputs, temperature), inputs, 1e-5)
    agree(streamed_infonce(*inputs, temperature=temperature), defined(*inputs, temperature), inputs, 1e-5)


@pytest.mark.parametrize("exclude", ["self", "neighbors"])
@pytest.mark.parametrize("graph", ["undirected", "directed"])
@pytest.mark.parametrize("anchors", [None, torch.tensor([5, 1, 11, 22])], ids=["every node", "anchors"])
def test_equals_grace_with_the_sampler_all(exclude: str, graph: str, anchors: Tensor | None) -> None:
    inputs, known = views(dtype=torch.float32), GRAPHS[graph]
    assert known is not None
    sampler = All.from_graph(known, exclude=exclude)
    nodes = torch.arange(23) if anchors is None else anchors
    query = Query(nodes, nodes, 1)
    negatives = sampler(query)
    config = GraceConfig(temperature=0.4)
    theirs = (direction_loss(*inputs, sampler, query, negatives, config)
              + direction_loss(*inputs[::-1], sampler, query, negatives, config)) / 2
    ours = streamed_infonce(*inputs, temperature=0.4, anchors=anchors, block=6,
                            excluded=known if exclude == "neighbors" else None)
    agree(ours, theirs, inputs, 1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("temperature", [0.02, 1e-4])
def test_extremes_stay_exact_in_float32(scale: float, temperature: float) -> None:
    inputs = views(60, 8, torch.float32, scale)
    ours = streamed_infonce(*inputs, temperature=temperature, block=16)
    # the logits themselves are rounded to float32, and a loss moves as far as they do
    theirs, rounding = defined(*inputs, temperature), 1e-6 * scale**2 / temperature
    assert abs(ours.item() - theirs.item()) <= 1e-5 * theirs.item() + rounding
    for one, other in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        assert bool(torch.isfinite(one).all()) and float((one - other).norm()) <= 1e-3 * float(other.norm())


def test_with_and_without_maxima_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = views(90, 8, torch.float32)
    plain = streamed_infonce(*inputs, temperature=0.3, block=32, excluded=random_graph(90))
    grads = gradients(plain, inputs)
    monkeypatch.setitem(module._BOUND, torch.float32, 0.0)
    careful = streamed_infonce(*inputs, temperature=0.3, block=32, excluded=random_graph(90))
    torch.testing.assert_close(careful, plain)
    for one, other in zip(gradients(careful, inputs), grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("temperature", [0.5, 2e-3])
@pytest.mark.parametrize("anchors", [None, torch.tensor([1, 4])])
def test_gradients_by_finite_differences(graph: str, temperature: float, anchors: Tensor | None) -> None:
    excluded = None if graph == "none" else random_graph(6, graph == "directed")
    generator = torch.Generator().manual_seed(0)
    inputs = [(torch.randn(6, 3, dtype=torch.float64, generator=generator) * temperature**0.5).requires_grad_()
              for _ in range(2)]
    inputs[0].data[2] *= 20  # one long vector: with the low temperature it needs the maxima
    assert torch.autograd.gradcheck(
        lambda u, v: streamed_infonce(u, v, temperature=temperature, anchors=anchors, excluded=excluded, block=4),
        inputs)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.sampled_from([0.5, 1e-3]), st.booleans())
def test_the_block_does_not_matter(n: int, block: int, temperature: float, with_graph: bool) -> None:
    inputs = views(n, 4)
    excluded = random_graph(n) if with_graph and n > 1 else None
    ours = streamed_infonce(*inputs, temperature=temperature, block=block, excluded=excluded)
    whole = streamed_infonce(*inputs, temperature=temperature, block=n, excluded=excluded)
    torch.testing.assert_close(ours, whole, rtol=1e-10, atol=1e-12)
    for one, other in zip(gradients(ours, inputs), gradients(whole, inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gave."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, tuple | list) else [out]:
            if isinstance(each, Tensor):
                self.numel = max(self.numel, each.numel())
        return out


@pytest.mark.parametrize("temperature", [0.5, 1e-3])
@pytest.mark.parametrize("precision", ["full", "bf16"])
@pytest.mark.parametrize("anchors", [None, torch.arange(0, 600, 2)], ids=["every node", "anchors"])
def test_no_tensor_grows_with_the_square(temperature: float, precision: str, anchors: Tensor | None) -> None:
    n, d, block = 600, 8, 64
    inputs = views(n, d, torch.float32)
    first, second = (each.detach() for each in inputs)
    options = (temperature, block, precision == "bf16")
    with Largest() as largest:  # of what the operators do inside
        loss, log_denominator, pull = module.streamed_forward(first, second, anchors, None, None, *options)
        gradient = module.streamed_backward(loss.new_ones(()), first, second, anchors, None, None, log_denominator,
                                            pull, *options)
    assert block * block // 2 < largest.numel <= max(n * d, block * block)
    public = streamed_infonce(*inputs, temperature=temperature, anchors=anchors, block=block, precision=precision)
    assert torch.equal(public, loss)
    assert all(torch.equal(*pair) for pair in zip(torch.autograd.grad(public, inputs), gradient, strict=True))


@pytest.mark.parametrize("temperature", [1.0, 0.4, 0.1])
def test_bf16_is_close(temperature: float) -> None:
    """Unit vectors of GRACE's width: the loss to 1e-4, the gradient to 1 %, both relative."""
    inputs = views(900, 256, torch.float32)
    ours = streamed_infonce(*inputs, temperature=temperature, precision="bf16")
    theirs = defined(*inputs, temperature)
    assert ours.dtype == torch.float32 and ours.item() == pytest.approx(theirs.item(), rel=1e-4)
    exact = gradients(theirs, inputs)
    for one, other in zip(gradients(ours, inputs), exact, strict=True):
        assert one.dtype == torch.float32 and 0 < float((one - other).norm()) <= 0.01 * float(other.norm())


def test_bf16_with_maxima_anchors_and_graph() -> None:
    inputs, excluded = views(200, 64, torch.float32), random_graph(200, directed=True)
    for anchors in (None, torch.arange(0, 200, 3)):
        for temperature in (0.5, 0.02):
            ours = streamed_infonce(*inputs, temperature=temperature, precision="bf16", anchors=anchors,
                                    excluded=excluded, block=64)
            theirs = defined(*inputs, temperature, anchors, excluded)
            assert ours.item() == pytest.approx(theirs.item(), rel=1e-3, abs=1e-8)
            for one, other in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
                assert float((one - other).norm()) <= 0.1 * float(other.norm())


def test_autocast_changes_nothing() -> None:
    inputs = views(50, 8, torch.float32)
    plain = streamed_infonce(*inputs, temperature=0.4, block=16)
    grads = gradients(plain, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        cast = streamed_infonce(*inputs, temperature=0.4, block=16)
        assert torch.equal(cast, plain)
        assert all(torch.equal(*pair) for pair in zip(gradients(cast, inputs), grads, strict=True))


def test_a_node_without_negatives_is_no_loss() -> None:
    n = 5
    every = torch.arange(n)
    complete = Graph.from_edge_index(torch.stack([every.repeat_interleave(n), every.repeat(n)]), num_nodes=n)
    inputs = views(n)
    for temperature in (1.0, 1e-3):
        loss = streamed_infonce(*inputs, temperature=temperature, excluded=complete)
        assert loss.item() == 0 and all(bool((each == 0).all()) for each in gradients(loss, inputs))
    alone = views(1)
    assert streamed_infonce(*alone).item() == 0


def test_a_well_solved_loss_keeps_its_digits() -> None:
    """Where the positive towers above the rest, the loss is the small rest, not a difference of logarithms."""
    first = (6 * torch.eye(4)).requires_grad_()
    loss = streamed_infonce(first, first.detach().clone().requires_grad_(), block=2)
    assert loss.item() == pytest.approx(6 * torch.tensor(-36.0, dtype=torch.float64).exp().item(), rel=1e-5)


def test_one_view_may_be_without_gradient() -> None:
    first, second = views()
    expected = gradients(streamed_infonce(first, second), (first, second))
    one = streamed_infonce(first, second.detach())
    assert torch.equal(torch.autograd.grad(1.7 * one, first)[0], expected[0])
    with torch.no_grad():
        quiet = streamed_infonce(first, second)
    assert not quiet.requires_grad and torch.equal(quiet, one.detach())
    same = torch.autograd.grad(streamed_infonce(first, first), first)[0]
    torch.testing.assert_close(same, torch.autograd.grad(defined(first, first, 1.0), first)[0])


def test_a_second_derivative_is_refused() -> None:
    inputs = views()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    grad = torch.autograd.grad(scale * streamed_infonce(*inputs), inputs, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        torch.autograd.grad(grad.sum(), inputs)


def test_a_gradient_may_be_asked_for_twice() -> None:
    inputs = views()
    loss = streamed_infonce(*inputs)
    once = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert all(torch.equal(*pair) for pair in zip(once, torch.autograd.grad(loss, inputs), strict=True))


@pytest.mark.parametrize("graph", ["none", "undirected"])
def test_torch_compile_takes_it_in_whole(graph: str) -> None:
    inputs, excluded = views(), GRAPHS[graph]
    torch._dynamo.reset()
    compiled = torch.compile(lambda u, v: streamed_infonce(2 * u, v, block=8, excluded=excluded) * 3,
                             backend="aot_eager", fullgraph=True)
    ours = compiled(*inputs)
    theirs = streamed_infonce(2 * inputs[0], inputs[1], block=8, excluded=excluded) * 3
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_operators_keep_torchs_rules(graph: str) -> None:
    inputs, excluded = views(9), None if graph == "none" else random_graph(9, graph == "directed")
    rows = (None, None) if excluded is None else (excluded.indptr, excluded.indices)
    for anchors in (None, torch.tensor([3, 1])):
        torch.library.opcheck(module._forward, (*inputs, anchors, *rows, 0.5, 4, False))


def test_not_finite_is_seen() -> None:
    first, second = views()
    first.data[3, 0] = torch.nan
    assert bool(streamed_infonce(first, second).isnan())


def test_refuses() -> None:
    first, second = views(4, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"need two views \[N, d\] with N at least 1, got \(4, 5\) and \(3, 5\)"):
        streamed_infonce(first, second[:3])
    with pytest.raises(ValueError, match=r"got \(0, 5\)"):
        streamed_infonce(first[:0], second[:0])
    with pytest.raises(ValueError, match=r"float32 or both float64, got torch\.float32 and torch\.float64"):
        streamed_infonce(first, second.double())
    with pytest.raises(ValueError, match=r"got torch\.bfloat16.*convert"):
        streamed_infonce(first.bfloat16(), second.bfloat16())
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        streamed_infonce(first, second, temperature=0)
    with pytest.raises(ValueError, match="block must be at least 1, got 0"):
        streamed_infonce(first, second, block=0)
    with pytest.raises(ValueError, match="precision must be 'full' or 'bf16', got 'half'"):
        streamed_infonce(first, second, precision="half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'bf16' is for float32 views, got torch\.float64"):
        streamed_infonce(first.double(), second.double(), precision="bf16")
    with pytest.raises(ValueError, match=r"anchors must be \[B\] int64 with B at least 1, got torch\.int32"):
        streamed_infonce(first, second, anchors=torch.tensor([1], dtype=torch.int32))
    with pytest.raises(ValueError, match=r"anchor 4 is outside \[0, 4\)"):
        streamed_infonce(first, second, anchors=torch.tensor([0, 4]))
    with pytest.raises(ValueError, match=r"anchor -1 is outside"):
        streamed_infonce(first, second, anchors=torch.tensor([0, -1]))
    with pytest.raises(ValueError, match="homogeneous graph of the 4 nodes, got Graph"):
        streamed_infonce(first, second, excluded=random_graph(5))
    with pytest.raises(ValueError, match=r"excluded is on meta, the views on cpu; use excluded\.to\('cpu'\)"):
        streamed_infonce(first, second, excluded=random_graph(4).to("meta"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_the_cpu() -> None:
    inputs, excluded = views(300, 16, torch.float32), random_graph(300)
    loss = streamed_infonce(*inputs, temperature=0.4, excluded=excluded)
    moved = tuple(each.detach().cuda().requires_grad_() for each in inputs)
    there = streamed_infonce(*moved, temperature=0.4, excluded=excluded.to("cuda"), block=64)
    assert there.item() == pytest.approx(loss.item(), rel=1e-5)
    for one, other in zip(gradients(there, moved), gradients(loss, inputs), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-7)
