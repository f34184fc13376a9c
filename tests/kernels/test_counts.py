"""Visit counts: both versions agree, and equal a plain count over stored walks."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from graphns.graph.graph import Graph
from graphns.graph.walks import visit_counts
from graphns.kernels import counts
from graphns.kernels.walks import walk
from graphns.streams import GOLDEN, Stream, to_signed
from tests.kernels.plain import run_as_python
from tests.kernels.test_walks import hub_graph, setting


@pytest.mark.parametrize("num_walks", [1, 7, 64, 100])
@pytest.mark.parametrize(("restart", "stop"), [(0.0, False), (0.4, False), (0.4, True), (0.0, True)])
@pytest.mark.parametrize("exclude", [(True, False, 0), (True, True, 0), (False, False, 20)])
def test_versions_agree(num_walks: int, restart: float, stop: bool, exclude: tuple[bool, bool, int]) -> None:
    graph, start, keys = setting(100)
    arguments = (graph.indptr, graph.indices, start, keys, num_walks, 5, restart, 8, stop, *exclude)
    found, expected = counts.count_visits(*arguments), counts.count_visits_torch(*arguments)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


def test_python_source_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, start, keys = setting(6)
    several = [
        (graph.indptr, graph.indices, start, keys, walks, 4, 0.3, 5, stop, True, stop, 1)
        for walks, stop in ((3, True), (40, False))
    ]
    compiled = [counts.count_visits(*arguments) for arguments in several]
    run_as_python(monkeypatch, counts)
    for arguments, (ids, visits) in zip(several, compiled, strict=True):
        found = counts.count_visits(*arguments)
        assert torch.equal(found[0], ids) and torch.equal(found[1], visits)


def test_equals_counting_stored_walks() -> None:
    graph = hub_graph()
    stream, num_walks, length = Stream(9), 30, 6
    ids, visits = visit_counts(graph, torch.tensor([5, 0]), stream, num_walks=num_walks, length=length, restart=0.2,
                               top=4)
    for b, start in enumerate((5, 0)):
        key = stream.row_keys(torch.tensor([b])) + torch.arange(num_walks) * (2 * length) * to_signed(GOLDEN)
        nodes = walk(graph.indptr, graph.indices, torch.full((num_walks,), start), key, length, 0.2)[:, 1:]
        seen = Counter(nodes.flatten().tolist())
        del seen[start]
        expected = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:4]
        assert list(zip(ids[b].tolist(), visits[b].tolist(), strict=True)) == expected


def test_threads_give_the_same_counts() -> None:
    graph, start, _ = setting(2000)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(visit_counts(graph, start, Stream(0), num_walks=10, length=5, top=3))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_a_lonely_start_visits_nobody() -> None:
    ids, visits = visit_counts(Graph.empty(2), torch.tensor([1]), Stream(0), num_walks=2, length=2, top=2)
    assert ids.tolist() == [[-1, -1]] and visits.tolist() == [[0, 0]]
