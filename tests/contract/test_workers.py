"""Samplers in loader workers and other processes: forked or spawned, after threads, with state and without."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from graphns.base import Negatives, Sampler
from graphns.graph.graph import Graph
from graphns.streams import Stream
from tests.contract.cases import NAMES, build, hub_graph, large_graph, part_of, query_of, same, step

GRAPH = hub_graph()
BATCH = 8


class Draw:
    """Collate: a batch of example ids becomes the negatives of every sampler, drawn where the batch is made."""

    def __init__(self, samplers: dict[str, Sampler], graph: Graph) -> None:
        self.samplers, self.graph = samplers, graph

    def __call__(self, items: list[int]) -> dict[str, tuple[Tensor, Tensor]]:
        query = query_of(self.graph, model=None, stream=Stream(4))
        asked = part_of(query, torch.tensor(items))
        drawn = {name: sampler(asked) for name, sampler in self.samplers.items()}
        return {name: (n.ids.clone(), n.mask.clone()) for name, n in drawn.items()}


def held_back(sampler: Sampler) -> bool:
    """Whether a copy in a worker would go stale."""
    return sampler.stateful or sampler.model_aware or sampler.trainable


def loader_capable() -> dict[str, Sampler]:
    """The samplers that a loader may hold: neither stateful nor trainable nor reading the model."""
    made = {name: build(name, GRAPH) for name in NAMES}
    return {name: each for name, each in made.items() if not held_back(each)}


def draw_all(workers: int, way: str | None) -> list[dict[str, tuple[Tensor, Tensor]]]:
    loader: DataLoader[Any] = DataLoader(
        range(2 * GRAPH.num_src),  # type: ignore[arg-type]
        BATCH, collate_fn=Draw(loader_capable(), GRAPH), num_workers=workers, multiprocessing_context=way,
        timeout=120 if workers else 0,
    )
    return list(loader)


# four workers on any machine: their number is the point, not their speed
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_loader_workers_draw_the_same(way: str) -> None:
    here = draw_all(0, None)
    there = draw_all(4, way)
    assert len(here) == len(there) == 2 * GRAPH.num_src // BATCH and here[0]
    for one, other in zip(here, there, strict=True):
        for name in one:
            assert all(torch.equal(a, b) for a, b in zip(one[name], other[name], strict=True)), name


@pytest.mark.parametrize("name", NAMES)
def test_refuses_a_worker_where_it_must(name: str) -> None:
    sampler = build(name, GRAPH)
    if not held_back(sampler):
        assert name in loader_capable()
        return
    why = "reads the model" if sampler.model_aware else "keeps state" if sampler.stateful else "learns"
    loader: DataLoader[Any] = DataLoader(
        range(4), 2, collate_fn=Draw({name: sampler}, GRAPH), num_workers=1,  # type: ignore[arg-type]
        multiprocessing_context="fork", timeout=60,
    )
    with pytest.raises(RuntimeError, match=f"{why}, and a loader worker holds only a copy. Split it: let the loader"):
        list(loader)


def detached(negatives: Negatives) -> Negatives:
    """The answer without the history of its log-probability, which does not travel between processes."""
    return negatives if negatives.log_prob is None else negatives._replace(log_prob=negatives.log_prob.detach())


def in_another_process(pickled: bytes, connection: Any) -> None:
    """Draw with every sampler that was sent, and send back what was drawn."""
    samplers: dict[str, Sampler] = pickle.loads(pickled)
    drawn = {}
    for name, sampler in samplers.items():
        query = query_of(GRAPH, seed=6)
        drawn[name] = detached(sampler(query))
        step(sampler, query)
    connection.send_bytes(pickle.dumps(drawn))
    connection.close()


def test_spawned_process_draws_the_same() -> None:
    """All samplers in one new interpreter, with the state of three steps."""
    samplers = {name: build(name, GRAPH) for name in NAMES}
    for seed in range(3):
        for sampler in samplers.values():
            step(sampler, query_of(GRAPH, seed=seed))
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=in_another_process, args=(pickle.dumps(samplers), send))
    process.start()
    send.close()
    assert receive.poll(120), "no answer from the spawned process"
    drawn: dict[str, Negatives] = pickle.loads(receive.recv_bytes())
    process.join(60)
    assert process.exitcode == 0 and drawn.keys() == samplers.keys()
    for name, sampler in samplers.items():
        assert same(detached(sampler(query_of(GRAPH, seed=6))), drawn[name]), name


def wait_for(pid: int, seconds: float = 60) -> int:
    """Exit status of a child, or -1 if it hangs; then it is ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_after_threaded_draws_survives() -> None:
    """Threads do not cross a fork; a child that waited for them would hang."""
    graph = large_graph()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        samplers = {name: build(name, graph) for name in NAMES}
        query = query_of(graph, 8, times=2)
        # the model scores in the parent alone: torch's own OpenMP pool is not ours to mend
        capable = {name: s for name, s in samplers.items() if not s.model_aware}
        drawn = {name: sampler(query) for name, sampler in capable.items()}
        pid = os.fork()
        if pid == 0:
            try:
                torch.set_num_threads(1)
                small = {name: sampler(query) for name, sampler in capable.items()}
                os._exit(0 if all(torch.equal(small[n].ids, drawn[n].ids) for n in drawn) else 3)
            except BaseException:
                os._exit(4)
        assert wait_for(pid) == 0, "-1: the child hung; 3: it drew otherwise; 4: it failed"
    finally:
        torch.set_num_threads(before)
