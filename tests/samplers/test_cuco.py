"""CuCo: what is open in an epoch, the limit where it is the base, and the halving by the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import pairwise

import pytest
import torch

from graphns.base import Feedback, Query
from graphns.graph.graph import Graph
from graphns.samplers.dynamic.cuco import CuCo
from graphns.samplers.pacing import Pace, paced
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.samplers.distribution import ALPHA, SEEDS, chi_square
from tests.samplers.toys import Given, Scores, repeated

N = 12
SCORES = Scores(torch.linspace(-1, 1, N).repeat(N, 1)[:, torch.randperm(N, generator=torch.Generator().manual_seed(1))])


@pytest.mark.parametrize("epoch", [0, 1, 4, 8, 9, 30])
def test_what_is_open(epoch: int) -> None:
    ids = [7, 3, 9, 2, 5, 4, 8]
    sampler = CuCo(Given(ids), pool=7, ramp=10)
    drawn = sampler(repeated(0, 1, 300, k=4, model=SCORES, stream=Stream(0), epoch=epoch))
    num_open = math.ceil(math.sqrt(min(1, (epoch + 1) / 10)) * 7)
    easiest = sorted(ids, key=SCORES.matrix[0].tolist().__getitem__)[:num_open]
    assert set(drawn.ids.flatten().tolist()) == set(easiest)
    torch.testing.assert_close(drawn.log_prob, torch.full((300, 4), -math.log(num_open)))


EXACT: dict[str, Callable[[Decimal], Decimal]] = {
    "root": lambda x: x.sqrt(), "linear": lambda x: x, "quadratic": lambda x: x * x,
    "logarithm": lambda x: (1 + (Decimal(1).exp() - 1) * x).ln(),
    "exponential": lambda x: (x.exp() - 1) / (Decimal(1).exp() - 1),
}


@pytest.mark.parametrize("pace", list(EXACT))
@pytest.mark.parametrize("ramp", [10, 25])
def test_rounding_opens_no_further_candidate(pace: Pace, ramp: int) -> None:
    """Against 40 digits: 7 of 25 epochs open 7 of 25 candidates, though 7 / 25 * 25 is above 7 in floating point."""
    sampler = CuCo(Given(list(range(100, 125))), pool=25, ramp=ramp, pace=pace)
    model = Scores(torch.arange(125.0)[None])
    for epoch in range(ramp):
        drawn = sampler(Query(torch.tensor([0]), torch.tensor([1]), 1, model=model, stream=Stream(0), epoch=epoch))
        with localcontext() as context:
            context.prec = 40
            opened = (25 * EXACT[pace](Decimal(epoch + 1) / ramp)).quantize(Decimal("1e-30"))
        torch.testing.assert_close(drawn.log_prob, torch.tensor([[-math.log(max(1, math.ceil(opened)))]]))


def test_the_paces() -> None:
    for pace in ("root", "linear", "quadratic", "logarithm", "exponential"):
        shares = [paced(epoch, 10, pace) for epoch in range(12)]
        assert 0 < shares[0] < 0.5 and shares[9:] == pytest.approx([1, 1, 1])
        assert all(a < b for a, b in pairwise(shares[:10])) and paced(0, 0, pace) == 1
    half = {pace: paced(4, 10, pace) for pace in ("root", "linear", "quadratic", "logarithm", "exponential")}
    assert half == pytest.approx({
        "root": 0.5**0.5, "linear": 0.5, "quadratic": 0.25, "logarithm": math.log((1 + math.e) / 2),
        "exponential": (math.e**0.5 - 1) / (math.e - 1)})


@pytest.mark.parametrize("seed", SEEDS)
def test_when_all_is_open_it_is_the_base_distribution(seed: int) -> None:
    query = repeated(0, 1, 20_000, k=1, model=SCORES, stream=Stream(seed), epoch=19)
    ids = CuCo(Uniform(Graph.empty(N)), pool=6)(query).ids
    counts = torch.bincount(ids[:, 0], minlength=N)
    assert counts[:2].tolist() == [0, 0]
    assert chi_square(counts[2:], torch.full((N - 2,), 1 / (N - 2))) > ALPHA / len(SEEDS)


def test_masked_candidates_are_never_open_and_copies_are_summed() -> None:
    best = int(SCORES.matrix[0].argmin())
    sampler = CuCo(Given([best, 4, 5, 4, 6], [False, True, True, True, False]), pool=5, ramp=0)
    drawn = sampler(repeated(0, 1, 200, k=3, model=SCORES, stream=Stream(0)))
    assert set(drawn.ids.flatten().tolist()) == {4, 5} and bool(drawn.mask.all())
    expected = torch.where(drawn.ids == 4, 2 / 3, 1 / 3).log()
    torch.testing.assert_close(drawn.log_prob, expected)
    nothing = CuCo(Given([3, 4], [False, False]), pool=2)(repeated(0, 1, 2, k=1, model=SCORES, stream=Stream(0)))
    assert not nothing.mask.any()


def test_the_pool_halves_when_the_loss_stops_falling() -> None:
    sampler = CuCo(Uniform(Graph.empty(N)), pool=8, patience=2)
    query = Query(torch.tensor([0]), torch.tensor([1]), 2, model=SCORES, stream=Stream(0))
    shares = []
    for epoch, losses in enumerate([(4.0, 2.0), (2.0, 2.0), (2.0, 2.5), (1.0, 3.1), (1.0, 1.0), (5.0, 5.0), (5.0, 5.0),
                                    (0.0, 0.0)]):
        asked = replace(query, epoch=epoch)
        for loss in losses:
            sampler.update(asked, sampler(asked), Feedback(loss=torch.tensor(loss)))
        shares.append(float(sampler.share))
    # means 3, 2, 2.25, 2.05: two in a row without a better one, seen when the next epoch begins; then 1, 5, 5
    assert shares == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    before = float(sampler.loss_sum)
    sampler.update(query, sampler(query))
    assert float(sampler.loss_sum) == before
    never = CuCo(Uniform(Graph.empty(N)), patience=0)
    never.update(query, never(query), Feedback(loss=torch.tensor(1.0)))
    assert int(never.num_losses) == 0


def test_refuses() -> None:
    graph = Graph.empty(N)
    for options, match in (
        ({"pool": 0}, "pool must be at least 1, got 0"), ({"ramp": -1}, "ramp must be at least 0, got -1"),
        ({"patience": -1}, "patience must be at least 0"), ({"pace": "cubic"}, "pace must be one of 'root'"),
    ):
        with pytest.raises(ValueError, match=match):
            CuCo.from_graph(graph, **options)
    with pytest.raises(ValueError, match="model=model"):
        CuCo.from_graph(graph)(Query(torch.tensor([0]), torch.tensor([1]), 1))
