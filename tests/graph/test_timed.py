"""Timed edges: the past of a source, what happens now, wrong input."""

from __future__ import annotations

import pytest
import torch

from graphns.graph.timed import TimedEdges

EDGES = torch.tensor([[0, 0, 1, 0, 0], [1, 2, 2, 1, 3]])
TIME = torch.tensor([5.0, 3.0, 4.0, 2.0, 5.0])


def both(found: tuple[torch.Tensor, torch.Tensor]) -> list[tuple[int, int]]:
    return sorted(zip(*(each.tolist() for each in found), strict=True))


def test_before_is_strict_and_during_is_the_very_time() -> None:
    events = TimedEdges.from_events(EDGES, TIME, num_nodes=4)
    anchor, time = torch.tensor([0, 1, 0, 3]), torch.tensor([5.0, 5.0, 2.5, 9.0])
    assert both(events.before(anchor, time)) == [(0, 1), (0, 2), (1, 2), (2, 1)]
    assert both(events.during(anchor, time)) == [(0, 1), (0, 3)]


def test_after_keeps_pairs_that_are_new_since() -> None:
    events = TimedEdges.from_events(EDGES, TIME, num_nodes=4)
    found = events.before(torch.tensor([0]), torch.tensor([6.0]), after=2)
    assert both(found) == [(0, 2), (0, 3)]  # the pair (0, 1) was there at 2


def test_whole_and_broken_times_and_none() -> None:
    whole = TimedEdges.from_events(EDGES, TIME.long(), num_nodes=4)
    for time in (torch.tensor([4]), torch.tensor([3.5]), torch.tensor([4], dtype=torch.int32)):
        assert both(whole.before(torch.tensor([0]), time)) == [(0, 1), (0, 2)]
    none = TimedEdges.from_events(EDGES[:, :0], TIME[:0], num_nodes=(2, 3))
    assert both(none.before(torch.tensor([1]), torch.tensor([1.0]))) == []
    assert repr(none) == "TimedEdges(num_src=2, num_dst=3, num_events=0, num_times=0)"


@pytest.mark.parametrize("stored", [torch.float32, torch.float64])
@pytest.mark.parametrize("asked", [torch.float32, torch.float64])
def test_broken_times_are_equal_in_any_precision(stored: torch.dtype, asked: torch.dtype) -> None:
    time = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    if asked == torch.float32:
        time = time.float()  # what cannot be told apart any more
    events = TimedEdges.from_events(torch.tensor([[0, 0, 0], [1, 2, 3]]), time.to(stored), num_nodes=4)
    for i, at in enumerate(time.to(asked)):
        assert both(events.during(torch.tensor([0]), at[None])) == [(0, i + 1)]
        assert both(events.before(torch.tensor([0]), at[None])) == [(0, j + 1) for j in range(i)]
        left = events.before(torch.tensor([0]), torch.tensor([1.0]), after=float(at))
        assert both(left) == [(0, j + 1) for j in range(i + 1, 3)]


def test_moves_with_its_sampler_and_keeps_its_times() -> None:
    events = TimedEdges.from_events(EDGES, TIME.double() + 1.7e9, num_nodes=4)
    half = events.map(lambda tensor: tensor.half() if tensor.is_floating_point() else tensor)
    assert half.times.dtype == torch.float64 and torch.equal(half.times, events.times)
    assert both(half.before(torch.tensor([0]), torch.tensor([1.7e9 + 5], dtype=torch.float64))) == [(0, 1), (0, 2)]


def test_refuses() -> None:
    with pytest.raises(ValueError, match="one time per edge"):
        TimedEdges.from_events(EDGES, TIME[:2], num_nodes=4)
    with pytest.raises(ValueError, match=r"destination 3 is outside \[0, 3\)"):
        TimedEdges.from_events(EDGES, TIME, num_nodes=3)
    with pytest.raises(ValueError, match="a time is NaN"):
        TimedEdges.from_events(EDGES, TIME * torch.nan, num_nodes=4)
    for ids in (EDGES + 0.7, EDGES.bool()):
        with pytest.raises(ValueError, match=f"integer ids, got dtype {ids.dtype}"):
            TimedEdges.from_events(ids, TIME, num_nodes=4)
    events = TimedEdges.from_events(EDGES, TIME, num_nodes=4)
    for ask in (events.before, events.during):
        with pytest.raises(ValueError, match="a time of the query is NaN"):
            ask(torch.tensor([0, 1]), torch.tensor([1.0, torch.nan]))
    with pytest.raises(ValueError, match=r"anchor 4 is outside \[0, 4\)"):
        events.before(torch.tensor([4]), torch.tensor([1.0]))
    with pytest.raises(ValueError, match=r"one time per anchor \[2\]"):
        events.during(torch.tensor([0, 1]), torch.tensor([1.0]))
    with pytest.raises(ValueError, match="one id per anchor"):
        events.rows(torch.tensor([[0, 1]]))
