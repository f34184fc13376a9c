"""The rules against a plain loop over candidates that says them one by one, as the peer's source has them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphns.mining.guards import RULES, Guards, choose
from graphns.streams import Stream

CANDIDATE = st.tuples(st.sampled_from([-0.9, -0.4, 0.0, 0.1, 0.3, 0.5, 0.7, 0.95]), st.booleans(), st.booleans())
LIMIT = st.none() | st.sampled_from([-0.5, 0.0, 0.2, 0.6])


def by_loop(candidates: list[tuple[float, int, bool]], floor: float, guards: Guards,
            last_rank: int) -> tuple[list[tuple[int, float]], dict[str, int]]:
    """The first k survivors of one anchor, and what each rule left out."""
    left, skipped = [], dict.fromkeys(RULES, 0)
    for score, index, known in candidates:
        rules = {
            "known": known,
            "absolute_margin": guards.absolute_margin is not None and score + guards.absolute_margin > floor,
            "relative_margin": guards.relative_margin is not None
            and score > floor - abs(floor) * guards.relative_margin,
            "max_score": guards.max_score is not None and score > guards.max_score,
            "min_score": guards.min_score is not None and score < guards.min_score,
        }
        broken = [name for name, holds in rules.items() if holds]
        if broken:
            skipped[broken[0]] += 1
        else:
            left.append((index, score))
    skipped["range_min"] = len(left[: guards.range_min])
    skipped["range_max"] = len(left[last_rank:])
    return left[guards.range_min : last_rank][: guards.k], skipped


@given(st.lists(st.lists(CANDIDATE, min_size=9, max_size=9), min_size=1, max_size=4), LIMIT, LIMIT, LIMIT, LIMIT,
       st.integers(0, 3), st.integers(1, 4), st.integers(0, 4), st.sampled_from([-0.5, 0.0, 0.55]))
def test_top_is_what_the_loop_leaves(rows: list[list[tuple[float, bool, bool]]], most: float | None,
                                     least: float | None, absolute: float | None, relative: float | None,
                                     range_min: int, k: int, more: int, floor: float) -> None:
    if most is not None and least is not None and least > most:
        most, least = least, most
    guards = Guards(k, range_min, range_min + k + more, most, least, absolute, relative)
    last = guards.last_rank(1)
    # binary fractions of the scores, so that the loop's double precision rounds as single precision does
    single = np.float32
    table = [sorted(((float(single(s)), i, known) for i, (s, known, missing) in enumerate(row) if not missing),
                    key=lambda each: -each[0]) for row in rows]
    ids = torch.full((len(rows), 9), -1)
    scores = torch.full((len(rows), 9), -torch.inf)
    known = torch.zeros(len(rows), 9, dtype=torch.bool)
    for at, candidates in enumerate(table):
        for slot, (score, index, is_known) in enumerate(candidates):
            ids[at, slot], scores[at, slot], known[at, slot] = index, score, is_known
    floors = torch.full((len(rows),), floor)
    chosen, reached, skipped = choose(ids, scores, known, floors, guards, last, Stream(0), torch.arange(len(rows)))
    total: Counter[str] = Counter()
    for at, candidates in enumerate(table):
        wanted, left_out = by_loop(candidates, float(single(floor)), guards, last)
        if any(_on_the_edge(score, floor, guards) for score, _, _ in candidates):
            return  # rounding decides there
        total.update(left_out)
        assert chosen[at].tolist() == [i for i, _ in wanted] + [-1] * (k - len(wanted))
        assert reached[at].tolist() == pytest.approx([s for _, s in wanted] + [-math.inf] * (k - len(wanted)))
    assert dict(zip(RULES, skipped.tolist(), strict=True)) == dict(total)


def _on_the_edge(score: float, floor: float, guards: Guards) -> bool:
    edges = [guards.max_score, guards.min_score]
    edges.append(None if guards.absolute_margin is None else floor - guards.absolute_margin)
    edges.append(None if guards.relative_margin is None else floor - abs(floor) * guards.relative_margin)
    return any(edge is not None and abs(score - edge) < 1e-6 for edge in edges)


def test_a_random_choice_gives_every_subset_alike() -> None:
    anchors, width = 6000, 7
    ids = torch.arange(width).expand(anchors, width)
    scores = torch.linspace(0.9, 0.3, width).expand(anchors, width)
    known = (ids == 0) | (ids == 3)
    guards = Guards(2, range_min=1, range_max=4, strategy="random")  # left: 1 2 4 5 6, of which 2 4 5 are in the window
    chosen, reached, _ = choose(ids, scores, known, torch.ones(anchors), guards, 4, Stream(5), torch.arange(anchors))
    assert bool((reached[:, 0] > reached[:, 1]).all())  # best first, as the peer sorts them
    seen = Counter(tuple(row) for row in chosen.tolist())
    assert set(seen) == set(combinations((2, 4, 5), 2))
    assert chisquare(list(seen.values())).pvalue > 0.01
    again = choose(ids[2:], scores[2:], known[2:], torch.ones(anchors - 2), guards, 4, Stream(5),
                   torch.arange(2, anchors))[0]
    assert torch.equal(again, chosen[2:])  # keyed by the anchor, not by its place in a block


def test_too_few_for_a_random_choice_are_all_taken() -> None:
    ids = torch.tensor([[3, 1, -1, -1]])
    scores = torch.tensor([[0.5, 0.4, -torch.inf, -torch.inf]])
    none = torch.zeros(1, 4, dtype=torch.bool)
    guards = Guards(3, strategy="random")
    chosen, _, _ = choose(ids, scores, none, torch.ones(1), guards, 9, Stream(0), torch.zeros(1, dtype=torch.int64))
    assert chosen.tolist() == [[3, 1, -1]]


def test_the_last_rank_is_the_peers() -> None:
    assert Guards(3, range_min=2).last_rank(4) == 2 + 3 + 4
    assert Guards(3, range_min=2, relative_margin=0.05).last_rank(4) == 2 + 30 + 4
    assert Guards(3, min_score=0.1).last_rank(4) == 7  # the peer asks for more only where the nearest are cut off
    assert Guards(3, range_max=50, max_score=0.1).last_rank(4) == 50


@pytest.mark.parametrize(("options", "message"), [
    ({"k": 0}, "k must be at least 1, got 0"),
    ({"range_min": -1}, "range_min must be at least 0, got -1"),
    ({"k": 5, "range_min": 10, "range_max": 12}, "leave 2 ranks for k=5"),
    ({"range_min": 10, "range_max": 5}, "leave 0 ranks"),
    ({"max_score": math.nan}, "max_score must be a finite number, got nan"),
    ({"min_score": 0.5, "max_score": 0.1}, "min_score=0.5 is above max_score=0.1"),
    ({"strategy": "best"}, "strategy must be one of top, random, drawn, got 'best'"),
])
def test_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Guards(**options)  # type: ignore[arg-type]
