"""Triples: questions from both sides, known answers, slots, and bern's side."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch

from graphns.graph.triples import Triples

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
