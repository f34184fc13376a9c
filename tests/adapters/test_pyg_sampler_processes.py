"""Batches of `NeighborSampler` are the same in any process and for any state of the world."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.loader import NodeLoader

from graphns.pyg import NeighborSampler
from tests.adapters.pyg_data import assert_same
from tests.adapters.pyg_nodes import DATA, batches, random_options, sampled


@pytest.mark.parametrize("per_worker", [True, False])
@pytest.mark.parametrize(("workers", "way"), [(2, "fork"), (1, "spawn")])
def test_workers_give_the_same_batches(workers: int, way: str, per_worker: bool) -> None:
    if way == "spawn" and not per_worker:
        return  # one new interpreter is enough: where filtering happens is the loader's affair
    sampler = NeighborSampler(DATA, [3, 2], **random_options())
    sampler.set_epoch(6)
    here = batches(sampler)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    there = batches(sampler, num_workers=workers, multiprocessing_context=way, filter_per_worker=per_worker,
                    timeout=120)
    assert_same(here, there)
    assert here[0].negative_id.shape == (7, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_generators_are_left_alone(workers: int) -> None:
    """The draws take nothing from the global generators, and their states change nothing."""
    sampler = NeighborSampler(DATA, [3, 2], **random_options())
    states = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index,union-attr]
    before = torch.get_rng_state()
    out = [sampled(sampler, [4, 9]) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index,union-attr]
    assert torch.equal(out[0].node, out[1].node)
    torch.manual_seed(5)
    first = batches(sampler, num_workers=workers, timeout=120 if workers else 0)
    torch.manual_seed(6)
    assert_same(first, batches(sampler, num_workers=workers, timeout=120 if workers else 0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_every_pass_draws_anew_where_it_is_told(workers: int, persistent: bool) -> None:
    if persistent and not workers:
        return
    sampler = NeighborSampler(DATA, [1, 1], **random_options())
    loader = NodeLoader(DATA, sampler, input_nodes=None, batch_size=20, num_workers=workers, **sampler.hooks(),
                        persistent_workers=persistent, timeout=120 if workers else 0)
    passes = []
    for epoch in (0, 1, 0, 2):
        sampler.set_epoch(epoch)
        assert sampler.epoch == epoch
        passes.append(list(loader))
    loader._iterator = None  # ends the workers now; left to the garbage collector, torch waits 5 s for each
    assert_same(passes[0], passes[2])
    for other in (1, 3):
        assert not torch.equal(passes[0][0].n_id, passes[other][0].n_id)
        assert not torch.equal(passes[0][0].n_id[passes[0][0].negative_id],
                               passes[other][0].n_id[passes[other][0].negative_id])


def test_a_node_keeps_what_was_drawn_for_it_in_any_batch() -> None:
    sampler = NeighborSampler(DATA, [2], **random_options())
    found: dict[int, set[tuple[Any, ...]]] = {}
    for size in (1, 6, 40):
        for batch in batches(sampler, batch_size=size, input_nodes=torch.arange(40)):
            for place, node in enumerate(batch.n_id[: batch.batch_size].tolist()):
                drawn = batch.n_id[batch.negative_id[place]].tolist()
                edges = batch.e_id[batch.edge_index[1] == place].tolist()
                found.setdefault(node, set()).add((tuple(drawn), tuple(edges)))
    assert len(found) == 40 and all(len(each) == 1 for each in found.values())


def test_copies_are_alike_and_apart() -> None:
    sampler = NeighborSampler(DATA, [2, 2], **random_options())
    sampler.set_epoch(3)
    for other in (copy.deepcopy(sampler), pickle.loads(pickle.dumps(sampler))):
        assert other.epoch == 3 and torch.equal(sampled(other, [7]).node, sampled(sampler, [7]).node)
        other.set_epoch(4)
        assert sampler.epoch == 3 and other._epoch.is_shared()
