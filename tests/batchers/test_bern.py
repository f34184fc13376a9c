"""Bern: the side by counting, every fact once an epoch, the same whatever the batches."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader

from graphns.batchers.bern import Bern
from graphns.graph.triples import Triples
from graphns.registry import find
from graphns.streams import Stream
from tests.samplers.knowledge import facts


def examples(batches: Bern) -> torch.Tensor:
    return torch.tensor([example for batch in batches for example in batch])


def test_heads_are_corrupted_with_probability_tph_over_tph_plus_hpt() -> None:
    """Counted over 6,000 epochs; tph and hpt by a plain loop."""
    data = facts()
    heads = torch.zeros(len(data))
    batches = Bern(data, batch_size=len(data), shuffle=False)
    for epoch in range(6000):
        batches.set_epoch(epoch)
        heads += examples(batches) >= len(data)
    triples = sorted(set(zip(data.head.tolist(), data.relation.tolist(), data.tail.tolist(), strict=True)))
    for r in range(4):
        here = [(h, t) for h, s, t in triples if s == r]
        tph = len(here) / len({h for h, _ in here})
        hpt = len(here) / len({t for _, t in here})
        chance = tph / (tph + hpt)
        error = 4.5 * (chance * (1 - chance) / 6000) ** 0.5
        assert bool(((heads[data.relation == r] / 6000 - chance).abs() < error).all())
    assert float(data.head_chance()[0]) > 0.5 > float(data.head_chance()[1])  # many tails a head; many heads a tail


def test_every_fact_once_an_epoch_each_with_an_order_and_sides_of_its_own() -> None:
    data = facts()
    batches = Bern(data, batch_size=7, seed=3)
    seen = []
    for epoch in range(3):
        batches.set_epoch(epoch)
        made = examples(batches)
        assert sorted((made % len(data)).tolist()) == list(range(len(data)))
        assert torch.equal(made, examples(batches))  # asked again, the same
        seen.append(made)
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])
    assert len(list(batches)) == len(batches) == -(-len(data) // 7)


def test_sides_do_not_depend_on_the_batches() -> None:
    data = facts()
    one, other = examples(Bern(data, 3)), examples(Bern(data, 50, shuffle=False))
    assert torch.equal(one.sort().values, other.sort().values)


def test_a_coin_or_any_chance_may_be_told() -> None:
    data = facts()
    assert bool((examples(Bern(data, chance=1.0)) >= len(data)).all())
    assert bool((examples(Bern(data, chance=torch.zeros(data.num_relations))) < len(data)).all())
    assert 0 < int((examples(Bern(data, chance=0.5)) >= len(data)).sum()) < len(data)


def test_is_a_batch_sampler_of_a_loader() -> None:
    data = facts()
    batches = Bern(data, batch_size=8, drop_last=True)
    loader = DataLoader(range(2 * len(data)), batch_sampler=batches)
    found = [batch.tolist() for batch in loader]
    assert found == list(batches) and len(loader) == len(data) // 8
    anchor, positive = data.asked(torch.tensor(found[0]))
    assert bool(data.known().has_edge(anchor, positive).all())


def test_no_facts_give_no_batch() -> None:
    batches = Bern(facts().part(torch.zeros(0, dtype=torch.int64)), batch_size=4)
    assert list(batches) == [] and len(batches) == 0


def test_is_found_by_its_names() -> None:
    assert find("bernoulli", "batcher") is find("bern", "batcher") and find("bern", "batcher").load() is Bern


def test_refuses() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        Bern(facts(), 0)
    with pytest.raises(ValueError, match="probabilities"):
        Bern(facts(), chance=1.5)
    with pytest.raises(ValueError, match="one for each of 5 relations, got"):
        Bern(facts(), chance=torch.zeros(3))
    with pytest.raises(ValueError, match="one row id per fact"):
        facts().sides(0.5, Stream(0), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"example 2 is outside \[0, 2\)"):
        Triples.from_tensor(torch.tensor([[0, 0, 1]])).asked(torch.tensor([2]))
