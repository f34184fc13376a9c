"""Positional: the index shift, relations for relations, known triples left out."""

from __future__ import annotations

import pytest
import torch

from graphns import EdgeSet, Graph, InfeasibleError, Query, Stream, Uniform
from graphns.graph.triples import HEAD, RELATION, TAIL
from graphns.samplers.static.positional import Positional
from graphns.streams import bounded
from tests.samplers.distribution import check_distribution, hub_graph, hub_query
from tests.samplers.knowledge import NUM_ENTITIES, facts

SCHEME = (HEAD, RELATION, TAIL)
TABLE = NUM_ENTITIES + 5


def blanks(k: int, data=None) -> Query:
    """Every fact with each of its three positions left blank."""
    data = facts() if data is None else data
    sides = [data.blanks(torch.full_like(data.head, position)) for position in SCHEME]
    anchor, positive = (torch.cat(each) for each in zip(*sides, strict=True))
    return Query(anchor, positive, k, stream=Stream(0))


def test_the_support_is_every_value_of_the_kind_that_completes_no_fact() -> None:
    data, query = facts(), blanks(30)
    triples = set(zip(data.head.tolist(), data.relation.tolist(), data.tail.tolist(), strict=True))
    log_prob = Positional.of_triples(data).log_prob(query, torch.arange(TABLE)[None])
    drawn = Positional.of_triples(data)(query)
    for b, (first, second, position) in enumerate(query.anchor.tolist()):
        if position == RELATION:
            want = {NUM_ENTITIES + r for r in range(5) if (first, r, second) not in triples}
        elif position == HEAD:
            want = {e for e in range(NUM_ENTITIES) if (e, first, second) not in triples}
        else:
            want = {e for e in range(NUM_ENTITIES) if (first, second, e) not in triples}
        assert set(log_prob[b].isfinite().nonzero()[:, 0].tolist()) == want
        assert set(drawn.ids[b].tolist()) <= want and bool(drawn.mask[b].all())


def test_only_the_original_left_out_is_the_shift_of_an_index() -> None:
    """j = b + r + [b + r >= original] for r below the number of the kind's values, less one."""
    data, query = facts(), blanks(25)
    drawn = Positional.of_triples(data, exclude="self")(query)
    relation = query.positive >= NUM_ENTITIES
    begin, size = torch.where(relation, NUM_ENTITIES, 0), torch.where(relation, 5, NUM_ENTITIES)
    shifted = begin[:, None] + bounded(query.stream.words(query.row, 25), (size - 1)[:, None])
    assert torch.equal(drawn.ids, shifted + (shifted >= query.positive[:, None]))
    torch.testing.assert_close(drawn.log_prob.exp(), (1 / (size - 1)).expand(25, -1).T)


@pytest.mark.parametrize("exclude", ["neighbors", "self"])
def test_counts_follow_the_density(exclude: str) -> None:
    query = blanks(1)
    part = torch.arange(0, query.batch_size, 5)
    some = Query(query.anchor[part], query.positive[part], 1, stream=Stream(0))
    check_distribution(Positional.of_triples(facts(), exclude=exclude), some, TABLE)


def test_of_one_kind_it_is_uniform() -> None:
    graph, query = hub_graph(), hub_query()
    every = torch.arange(graph.num_dst)[None]
    for exclude in ("neighbors", "self"):
        one, other = (cls(graph, exclude=exclude).log_prob(query, every) for cls in (Positional, Uniform))
        assert torch.equal(one, other)


def test_positions_of_the_scheme_are_alike() -> None:
    data = facts().part(torch.zeros(30_000, dtype=torch.int64))
    for scheme in (SCHEME, (TAIL,), (HEAD, TAIL)):
        counts = torch.bincount(data.positions(Stream(3), scheme=scheme), minlength=3)
        for position in SCHEME:
            share = 1 / len(scheme) if position in scheme else 0.0
            assert float(counts[position] / len(data)) == pytest.approx(share, abs=0.012)


def test_a_kind_of_one_value_is_masked() -> None:
    query = Query(torch.tensor([0]), torch.tensor([3]), 4, stream=Stream(0))
    known = Graph.empty((1, 4))
    assert not Positional(known, (3, 1))(query).mask.any()
    with pytest.raises(InfeasibleError, match="anchor 0 has 0 candidates"):
        Positional(known, (3, 1), infeasible="raise")(query)


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"kinds of \[2, 1\] candidates do not make up a table of 4"):
        Positional(Graph.empty((1, 4)), (2, 1))
    with pytest.raises(ValueError, match="of two kinds"):
        Positional(EdgeSet.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 3]), 4), (3, 1))
    with pytest.raises(ValueError, match=r"scheme must name positions .* got \(3,\)"):
        facts().positions(Stream(0), scheme=(3,))
    with pytest.raises(ValueError, match="one position 0, 1 or 2"):
        facts().part(torch.tensor([0])).blanks(torch.tensor([4]))
