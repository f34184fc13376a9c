"""PseudoTyped: PyKEEN's urn of heads and tails by counting, and what it leaves out."""

from __future__ import annotations

import pytest
import torch

from graphns import InfeasibleError, Query, Stream
from graphns.samplers.static.pseudo_typed import PseudoTyped
from graphns.samplers.static.type_constrained import TypeConstrained
from tests.samplers.distribution import ALPHA, SEEDS, check_distribution, chi_square
from tests.samplers.knowledge import NUM_ENTITIES, facts, question


def test_the_chance_of_the_head_is_its_share_of_the_urn() -> None:
    data, sampler = facts(), PseudoTyped(facts())
    for r in range(data.num_relations):
        here = data.relation == r
        heads, tails = len(data.head[here].unique()), len(data.tail[here].unique())
        assert float(sampler.chance[r]) == pytest.approx(heads / (heads + tails) if heads else 0.5)
    torch.testing.assert_close(sampler.chance, 1 - data.head_chance())  # bern's is the other way about


@pytest.mark.parametrize("seed", SEEDS)
def test_sides_and_entities_together_are_draws_from_one_urn(seed: int) -> None:
    """As PyKEEN draws: an entry of H_r and T_r put together, which replaces the side that it came from."""
    data, times = facts(), 20_000
    one = data.part(torch.zeros(times, dtype=torch.int64))  # a fact of relation 0
    head, tail, relation = int(one.head[0]), int(one.tail[0]), 0
    sampler, stream = PseudoTyped(data, exclude="self"), Stream(seed)
    anchor, positive = sampler.questions(one, stream.child(0))
    ids = sampler(Query(anchor, positive, 1, stream=stream.child(1))).ids[:, 0]
    of_head = anchor[:, 1] == relation + data.num_relations
    counts = torch.bincount(ids + NUM_ENTITIES * of_head, minlength=2 * NUM_ENTITIES)
    here = data.relation == relation
    heads, tails = data.head[here].unique(), data.tail[here].unique()
    expected = torch.zeros(2 * NUM_ENTITIES)
    # the original is not drawn, and its share falls to the others of its side
    chance = len(heads) / (len(heads) + len(tails))
    expected[tails[tails != tail]] = (1 - chance) / (len(tails) - 1)
    expected[NUM_ENTITIES + heads[heads != head]] = chance / (len(heads) - 1)
    assert int(counts[expected == 0].sum()) == 0
    assert chi_square(counts[expected > 0], expected[expected > 0]) > ALPHA / len(SEEDS)


def test_given_the_side_it_is_type_constrained_by_the_facts() -> None:
    data, query = facts(), question(9)
    one, other = PseudoTyped(data)(query), TypeConstrained(data.known(), data.slots())(query)
    assert torch.equal(one.ids, other.ids) and torch.equal(one.mask, other.mask)
    assert torch.equal(one.log_prob, other.log_prob)


def test_counts_follow_the_density() -> None:
    check_distribution(PseudoTyped(facts()), question(), NUM_ENTITIES)


def test_no_known_answer_is_drawn_and_a_full_slot_is_masked() -> None:
    data, query = facts(), question(200)
    negatives = PseudoTyped(data)(query)
    assert not (data.known().has_edge(query.anchor, negatives.ids) & negatives.mask).any()
    lonely = query.anchor[:, 1] % data.num_relations == 3
    assert lonely.any() and not negatives.mask[lonely].any()
    with pytest.raises(InfeasibleError, match="has 0 candidates"):
        PseudoTyped(data, infeasible="raise")(query)
