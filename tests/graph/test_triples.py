"""Triples: questions from both sides, known answers, slots, and bern's side."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch

from graphns.graph.triples import HEAD, RELATION, TAIL, Triples
from graphns.streams import Stream

FACTS = torch.tensor([[0, 0, 1], [0, 0, 2], [0, 0, 3], [4, 0, 1], [3, 1, 0], [3, 1, 0], [1, 2, 1]])


def test_bern_side_by_counting() -> None:
    """tph / (tph + hpt), counted by hand: many tails per head, so the head is corrupted more often."""
    facts = Triples.from_tensor(FACTS, num_entities=6, num_relations=4)
    for relation in range(3):
        tails, heads = defaultdict(set), defaultdict(set)
        for h, r, t in FACTS.tolist():
            if r == relation:
                tails[h].add(t)
                heads[t].add(h)
        tph = sum(map(len, tails.values())) / len(tails)
        hpt = sum(map(len, heads.values())) / len(heads)
        assert float(facts.head_chance()[relation]) == pytest.approx(tph / (tph + hpt))
    assert float(facts.head_chance()[0]) > 0.5
    assert float(facts.head_chance()[3]) == 0.5  # no facts


def test_known_and_slots_against_sets() -> None:
    facts = Triples.from_tensor(FACTS, num_entities=6, num_relations=4)
    known, slots = facts.known(), facts.slots()
    for entity in range(6):
        for relation in range(8):
            expected = {t for h, r, t in FACTS.tolist() if (h, r) == (entity, relation)} if relation < 4 else {
                h for h, r, t in FACTS.tolist() if (t, r + 4) == (entity, relation)}
            row = int(known.rows(torch.tensor([[entity, relation]])))
            assert (set(known.neighbors(row).tolist()) if row >= 0 else set()) == expected
    for relation in range(8):
        expected = {(h if relation >= 4 else t) for h, r, t in FACTS.tolist() if r == relation % 4}
        row = int(slots.rows(torch.tensor([relation])))
        assert (set(slots.neighbors(row).tolist()) if row >= 0 else set()) == expected


def test_questions_by_side() -> None:
    facts = Triples.from_tensor(FACTS)
    anchor, positive = facts.questions(torch.tensor([True] + [False] * 6))
    assert anchor[:2].tolist() == [[1, 3], [0, 0]] and positive[:2].tolist() == [0, 2]


@pytest.mark.parametrize(("table", "match"), [
    (torch.zeros(2, 2, dtype=torch.int64), r"\[n, 3\]"),
    (torch.zeros(2, 3), "float32"),
    (torch.tensor([[0, -1, 0]]), "relation ids must be >= 0, got -1"),
])
def test_bad_input(table: torch.Tensor, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Triples.from_tensor(table)
    with pytest.raises(ValueError, match="num_entities=1"):
        Triples.from_tensor(torch.tensor([[0, 0, 5]]), num_entities=1)
    with pytest.raises(ValueError, match="corrupt_head"):
        Triples.from_tensor(FACTS).questions(torch.tensor([True]))


def test_sides_are_drawn_by_the_chance_and_keyed_by_the_row() -> None:
    facts = Triples.from_tensor(FACTS, num_entities=6, num_relations=4)
    chance = torch.tensor([1.0, 0.0, 0.5, 0.5])
    assert facts.sides(chance, Stream(0)).tolist()[:6] == [True] * 4 + [False] * 2
    many = facts.part(torch.zeros(20_000, dtype=torch.int64))
    for given in (many.head_chance()[0].item(), 0.5, 0.1):
        assert float(many.sides(given, Stream(1)).double().mean()) == pytest.approx(given, abs=0.016)
    rows = torch.arange(20_000)
    whole, at = many.sides(0.5, Stream(2)), torch.tensor([7, 19_000, 3])
    assert torch.equal(many.part(at).sides(0.5, Stream(2), rows[at]), whole[at])
    torch.testing.assert_close(facts.slot_chance(), 1 - facts.head_chance())


def test_a_fact_is_asked_for_its_tail_or_its_head() -> None:
    facts = Triples.from_tensor(FACTS)
    anchor, positive = facts.asked(torch.tensor([4, 7 + 4, 0]))
    assert anchor.tolist() == [[3, 1], [0, 1 + 3], [0, 0]] and positive.tolist() == [0, 3, 1]


def test_the_graph_of_entities_forgets_relations_and_directions() -> None:
    graph = Triples.from_tensor(FACTS, num_entities=6).entity_graph()
    joined = {frozenset((h, t)) for h, _, t in FACTS.tolist()}
    assert {tuple(edge) for edge in graph.edge_index.T.tolist()} == {
        (u, v) for pair in joined for u in pair for v in pair if u != v or len(pair) == 1}
    assert graph.num_nodes == 6


def test_blanks_and_what_is_known_of_them() -> None:
    facts = Triples.from_tensor(FACTS, num_entities=6, num_relations=4)
    known = facts.known_blanks()
    for position in (HEAD, RELATION, TAIL):
        anchor, positive = facts.blanks(torch.full((7,), position))
        assert bool(known.has_edge(anchor, positive).all())
        value = positive[:, None] - 6 * (position == RELATION)
        filled = torch.cat([anchor[:, :position], value, anchor[:, position:2]], 1)
        assert torch.equal(filled, FACTS)
    assert known.num_dst == 10 and known.num_edges == 3 * 6  # one fact stands twice
