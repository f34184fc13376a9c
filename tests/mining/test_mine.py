"""Mining against a plain search of every pair: what is found, what never is, and that blocks do not matter."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphns.mining import search as search_module
from graphns.mining.guards import Guards
from graphns.mining.mine import Mined, mine

RNG = np.random.default_rng(7)
CENTERS = RNG.normal(size=(8, 12))
LABELS = np.repeat(np.arange(8), 20)
POINTS = (CENTERS[LABELS] + RNG.normal(size=(160, 12))).astype(np.float32)
QUERIES = (CENTERS[LABELS[::4]] + RNG.normal(size=(40, 12))).astype(np.float32)


def score_table(left: np.ndarray, right: np.ndarray, metric: str) -> np.ndarray:
    left, right = left.astype(np.float64), right.astype(np.float64)
    if metric == "l2":
        return -np.sqrt(((left[:, None] - right) ** 2).sum(2))
    if metric == "cosine":
        left, right = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (left, right))
    return left @ right.T


def peers_top(scores: np.ndarray, known: dict[int, list[int]], guards: Guards) -> dict[int, list[int]]:
    """`mine_hard_negatives` for "top", anchor by anchor: the pool, then the rules, then the ranks."""
    most = max(len(each) for each in known.values())
    found = {}
    for anchor, positives in known.items():
        floor = min(scores[anchor, positives])
        last = guards.last_rank(most)
        pool = np.argsort(-scores[anchor])[: last + most]
        left = [j for j in pool if j not in positives]
        caps = [math.inf if guards.max_score is None else guards.max_score]
        caps.append(math.inf if guards.absolute_margin is None else floor - guards.absolute_margin)
        caps.append(math.inf if guards.relative_margin is None else floor - abs(floor) * guards.relative_margin)
        least = -math.inf if guards.min_score is None else guards.min_score
        left = [j for j in left if least <= scores[anchor, j] <= min(caps)]
        found[anchor] = [int(j) for j in left[guards.range_min : last][: guards.k]]
    return found


def as_lists(mined: Mined) -> dict[int, list[int]]:
    return {int(a): [j for j in row if j >= 0] for a, row in zip(mined.anchor, mined.negatives.tolist(), strict=True)}


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("options", [
    {}, {"range_min": 3, "range_max": 30}, {"relative_margin": 0.05}, {"absolute_margin": 0.1, "range_max": 20},
    {"max_score": 0.4, "min_score": 0.1}, {"range_min": 2, "relative_margin": 0.2, "max_score": 0.5}])
def test_queries_and_corpus_as_the_peer(metric: str, options: dict[str, float]) -> None:
    known = {a: RNG.choice(160, size=1 + a % 3, replace=False).tolist() for a in range(0, 40, 2)}
    pairs = [(a, p) for a, own in known.items() for p in own]
    guards = Guards(k=4, **options)  # type: ignore[arg-type]
    mined = mine(POINTS, anchors=QUERIES, pairs=pairs, guards=guards, metric=metric, block=7)  # type: ignore[arg-type]
    assert as_lists(mined) == peers_top(score_table(QUERIES, POINTS, metric), known, guards)
    table = score_table(QUERIES, POINTS, metric)
    some = mined.negatives >= 0
    assert np.allclose(mined.scores[some], table[mined.anchor[:, None].expand_as(some)[some], mined.negatives[some]],
                       atol=1e-5)
    assert np.allclose(mined.positive_score, table[mined.anchor[mined.owner], mined.positive], atol=1e-5)
    assert mined.positive.tolist() == [p for own in known.values() for p in own]  # in the order of the file


@given(st.lists(st.tuples(st.integers(0, 159), st.integers(0, 159)), min_size=1, max_size=60), st.integers(1, 6),
       st.sampled_from(["top", "random"]), st.booleans())
def test_never_a_known_positive(pairs: list[tuple[int, int]], k: int, strategy: str, labelled: bool) -> None:
    if all(a == p for a, p in pairs):
        return
    mined = mine(POINTS, pairs=pairs, labels=LABELS if labelled else None,
                 guards=Guards(k, strategy=strategy))  # type: ignore[arg-type]
    known = set(pairs)
    for anchor, negatives in as_lists(mined).items():
        assert len(set(negatives)) == len(negatives) == k
        for j in negatives:
            assert j != anchor and (anchor, j) not in known
            assert not labelled or LABELS[j] != LABELS[anchor]


def test_labels_alone_give_a_positive_of_the_label() -> None:
    mined = mine(POINTS, labels=LABELS, guards=Guards(k=3))
    assert mined.anchor.tolist() == list(range(160)) and mined.audit.false_negatives == 0
    assert bool((torch.from_numpy(LABELS)[mined.positive] == torch.from_numpy(LABELS)).all())
    assert bool((mined.positive != mined.anchor).all())
    other = mine(POINTS, labels=LABELS, guards=Guards(k=3), seed=1)
    assert not torch.equal(other.positive, mined.positive)
    words = mine(POINTS, labels=[f"label {each}" for each in LABELS], guards=Guards(k=3))
    assert torch.equal(words.negatives, mined.negatives)
    nearest = mine(POINTS, labels=LABELS, positives="nearest", guards=Guards(k=3))
    table = score_table(POINTS, POINTS, "cosine")
    table[LABELS[:, None] != LABELS] = -np.inf
    np.fill_diagonal(table, -np.inf)
    assert nearest.positive.tolist() == table.argmax(1).tolist()


def test_every_same_label_item_is_drawn_as_a_positive() -> None:
    counts = np.zeros((160, 160))
    for seed in range(300):
        mined = mine(POINTS, labels=LABELS, guards=Guards(k=1), seed=seed)
        counts[mined.anchor, mined.positive] += 1
    wanted = (LABELS[:, None] == LABELS) & ~np.eye(160, dtype=bool)
    assert (counts[~wanted] == 0).all()
    expected = 300 / 19
    statistic = ((counts[wanted] - expected) ** 2 / expected).sum()
    freedom = 160 * 18
    assert abs(statistic - freedom) < 4 * np.sqrt(2 * freedom)


def test_without_pairs_or_labels_the_nearest_is_the_positive() -> None:
    mined = mine(POINTS, guards=Guards(k=2, relative_margin=0.05))
    table = score_table(POINTS, POINTS, "cosine")
    np.fill_diagonal(table, -np.inf)
    assert mined.positive.tolist() == table.argmax(1).tolist()
    assert as_lists(mined) == peers_like_one_table(table, mined, Guards(k=2, relative_margin=0.05))


def peers_like_one_table(table: np.ndarray, mined: Mined, guards: Guards) -> dict[int, list[int]]:
    found = {}
    for anchor, positive in enumerate(mined.positive.tolist()):
        edge = table[anchor, positive] - abs(table[anchor, positive]) * guards.relative_margin
        left = [j for j in np.argsort(-table[anchor]) if j not in (anchor, positive) and table[anchor, j] <= edge]
        found[anchor] = [int(j) for j in left[: guards.k]]
    return found


def test_labels_for_the_audit_only() -> None:
    pairs = np.stack([np.arange(160), (np.arange(160) + 1) % 160], 1)
    blind = mine(POINTS, pairs=pairs, guards=Guards(k=3))
    seen = mine(POINTS, pairs=pairs, labels=LABELS, labels_for="audit", guards=Guards(k=3))
    assert torch.equal(blind.negatives, seen.negatives) and blind.audit.false_negatives is None
    share = float((torch.from_numpy(LABELS)[seen.negatives] == torch.from_numpy(LABELS)[:, None]).float().mean())
    assert seen.audit.false_negatives == pytest.approx(share) and share > 0.3


def test_equal_texts_are_one_item() -> None:
    texts = [f"text {each}" for each in range(160)]
    texts[41], texts[90] = texts[40], texts[2]  # 40, 41 of one label; 2, 90 of two
    mined = mine(POINTS, labels=LABELS, texts=texts, guards=Guards(k=30))
    anchors = mined.anchor.tolist()
    assert 41 not in anchors and 40 in anchors and not {2, 90} & set(anchors)
    assert not {41, 2, 90} & set(mined.negatives.flatten().tolist())
    assert mined.audit.left_out == 1 and len(anchors) == 157
    pairs = [(41, 60), (0, 2)]
    paired = mine(POINTS, pairs=pairs, texts=texts, guards=Guards(k=158, range_max=500))
    assert as_lists(paired)[40] and 41 not in as_lists(paired)
    assert sorted(as_lists(paired)[40]) == sorted(set(range(160)) - {40, 41, 60, 90})
    assert sorted(as_lists(paired)[0]) == sorted(set(range(160)) - {0, 2, 41, 90})


def test_an_anchor_with_the_text_of_an_item_is_that_item() -> None:
    texts = [f"text {each}" for each in range(160)]
    own = [f"query {each}" for each in range(40)]
    own[3] = "text 77"
    mined = mine(POINTS, anchors=QUERIES, texts=texts, anchor_texts=own, pairs=[(3, 5), (4, 5)],
                 guards=Guards(k=158, range_max=500))
    assert sorted(as_lists(mined)[3]) == sorted(set(range(160)) - {5, 77})
    assert 77 in as_lists(mined)[4]


def test_blocks_tiles_and_a_mapped_file_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guards = Guards(k=3, range_min=1, range_max=20, strategy="random")
    whole = mine(POINTS, labels=LABELS, guards=guards)
    np.save(tmp_path / "x.npy", POINTS)
    monkeypatch.setattr(search_module, "TILE", 13)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    cut = mine(mapped, labels=LABELS, guards=guards, block=9)
    assert torch.equal(cut.negatives, whole.negatives) and torch.equal(cut.positive, whole.positive)
    assert cut.audit.skipped == whole.audit.skipped


def test_few_rows_leave_slots_empty() -> None:
    mined = mine(np.eye(4), pairs=[(0, 1), (2, 0)], guards=Guards(k=5))
    assert sorted(as_lists(mined)[0]) == [2, 3] and sorted(as_lists(mined)[2]) == [1, 3]
    assert mined.audit.short == 2 and mined.audit.empty == 0
    none = mine(np.eye(4), pairs=[(0, 1)], guards=Guards(k=1, max_score=-0.5))
    assert none.negatives.tolist() == [[-1]] and none.audit.empty == 1 and np.isnan(none.audit.negative[0])


def test_triplets_are_index_tuples() -> None:
    anchor, positive, negative = mine(POINTS, pairs=[(0, 1), (0, 2), (9, 8)], guards=Guards(k=2)).triplets()
    assert anchor.tolist() == [0] * 4 + [9] * 2 and positive.tolist() == [1, 1, 2, 2, 8, 8]
    assert negative[:2].tolist() == negative[2:4].tolist()
