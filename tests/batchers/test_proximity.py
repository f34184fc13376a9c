"""BatchSampler's batches: near each other, distinct, repeatable, and full whatever the walk meets."""

import pytest
import torch
from torch.utils.data import DataLoader

from graphns.batchers.proximity import Proximity
from graphns.registry import find, load

CENTRES = torch.eye(4).repeat_interleave(10, 0)  # four groups of ten
GROUPS = CENTRES + 0.01 * torch.sin(torch.arange(160.0)).view(40, 4)


def group_share(batcher):
    """How often two of a batch are of one group."""
    shares = []
    for batch in batcher:
        label = torch.tensor(batch) // 10
        same = label[:, None] == label
        shares.append((same.sum() - len(batch)) / (len(batch) * (len(batch) - 1)))
    return float(torch.stack(shares).mean())


def test_rows_are_the_most_similar_of_the_candidates():
    batcher = Proximity(GROUPS, 5, pool=39, neighbors=9)
    scores = GROUPS @ GROUPS.T
    scores.fill_diagonal_(-torch.inf)
    for node in range(40):
        assert batcher.graph.neighbors(node).tolist() == sorted(scores[node].topk(9).indices.tolist())
    # with few candidates the K best of them are not the K best of all, and never the node itself
    few = Proximity(GROUPS, 5, pool=6, neighbors=3).graph
    assert few.degree.tolist() == [3] * 40 and not few.has_self_loops


def test_batches_are_near_distinct_and_full():
    batcher = Proximity(GROUPS, 8, pool=39, neighbors=9, restart=0.3)
    batches = list(batcher)
    assert len(batches) == len(batcher) == 5
    for batch in batches:
        assert len(batch) == len(set(batch)) == 8 and all(0 <= i < 40 for i in batch)
    assert group_share(batcher) > 0.95
    assert len({batch[0] for batch in batches}) == 5  # starts are distinct


def test_the_pool_sets_the_hardness():
    """M = K: neighbours are random candidates, so batches are as uniform ones."""
    near, far = (Proximity(GROUPS, 8, pool=pool, neighbors=6, num_batches=40) for pool in (39, 6))
    assert group_share(near) > 0.75 and group_share(far) < 0.4


def test_restart_keeps_the_walk_at_home():
    angle = torch.arange(200) * torch.pi / 100
    ring = torch.stack([angle.cos(), angle.sin()], 1)

    def spread(restart):
        batches = torch.tensor(list(Proximity(ring, 10, pool=199, neighbors=4, restart=restart, num_batches=40)))
        distance = (batches - batches[:, :1]).abs()
        return float(torch.minimum(distance, 200 - distance).double().mean())

    assert spread(0.6) < spread(0.0)


def test_a_short_walk_is_filled_up():
    """With restart 1 the walk never leaves its start."""
    for batch in Proximity(GROUPS, 6, restart=1.0):
        assert len(set(batch)) == 6
    assert sorted(next(iter(Proximity(GROUPS, 40)))) == list(range(40))


def test_equal_seeds_and_epochs_give_equal_batches():
    batcher = Proximity(GROUPS, 6, seed=1)
    first = list(batcher)
    assert list(batcher) == first == list(Proximity(GROUPS, 6, seed=1))
    batcher.set_epoch(1)
    assert list(batcher) != first != list(Proximity(GROUPS, 6, seed=2))
    batcher.set_epoch(0)
    assert list(batcher) == first
    state = torch.get_rng_state()
    list(batcher)
    assert torch.equal(state, torch.get_rng_state())


def test_refresh_follows_the_embeddings():
    batcher = Proximity(torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), 8, pool=39, neighbors=9)
    before = group_share(batcher)
    batcher.refresh(GROUPS.requires_grad_())
    GROUPS.requires_grad_(False)
    assert group_share(batcher) > 0.9 > before


def test_chunks_of_candidates_change_nothing(monkeypatch):
    whole = Proximity(GROUPS, 6, pool=10, neighbors=4).graph.indices
    monkeypatch.setattr("graphns.batchers.proximity._CHUNK", 70)
    assert torch.equal(Proximity(GROUPS, 6, pool=10, neighbors=4).graph.indices, whole)


def test_a_loader_takes_it():
    loader = DataLoader(torch.arange(40), batch_sampler=Proximity(GROUPS, 8))
    assert [len(batch) for batch in loader] == [8] * 5


def test_its_names():
    assert load("proximity", "batcher") is Proximity and find("batchsampler", "batcher").name == "proximity"


def test_refuses():
    for options, message in (({"batch_size": 0}, "batch_size must be between 1 and the 40 examples, got 0"),
                             ({"batch_size": 41}, "got 41"), ({"neighbors": 0}, "neighbors must be between 1 and pool"),
                             ({"pool": 5, "neighbors": 6}, "pool=5, got 6"), ({"restart": 1.5}, r"restart must be in"),
                             ({"num_batches": 0}, "num_batches must be between 1")):
        with pytest.raises(ValueError, match=message):
            Proximity(GROUPS, **{"batch_size": 4} | options)
    with pytest.raises(ValueError, match=r"vectors \[n, d\] of at least 2 examples, got \(40,\)"):
        Proximity(torch.ones(40), 4)
    with pytest.raises(ValueError, match="1 that are not finite"):
        Proximity(torch.where(torch.arange(160).view(40, 4) == 7, torch.nan, GROUPS), 4)
    with pytest.raises(ValueError, match="of the 40 examples"):
        Proximity(GROUPS, 4).refresh(GROUPS[:30])
