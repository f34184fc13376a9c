"""The benchmark of mining at a small size; beside the peer where it is installed."""

from __future__ import annotations

import importlib.util

import pytest
import torch


def test_ours_alone(load_script):
    script = load_script("mine.py", "mine_script")
    one, every = script.generated(3, 40, 300)
    assert len(one.pairs) == 40 < len(every.pairs)
    for case in (one, every):
        (row,) = script.measure(case, 1, torch.get_num_threads(), {"graphns": script.ours})
        assert set(row) == set(script.COLUMNS)
        assert row["different"] == row["known"] == 0 and row["ratio_wall"] == 1 and row["triplets"] > 0


def test_differences_and_known_positives_would_be_counted(load_script):
    script = load_script("mine.py", "mine_script")
    case = script.generated(3, 40, 300)[0]
    found = script.triplets(script.ours(case))
    worse = found[2].clone()
    worse[:2] = torch.from_numpy(case.pairs[found[0][:2].numpy(), 1])
    scores = found[3].clone()
    scores[0] += 0.1  # the other differs by no more than rounding does
    assert script.different(found, (found[0], found[1], worse, scores)) == 1
    assert script.different(found, tuple(each[1:] for each in found)) == len(found[0])
    assert script.num_known(case, (found[0], found[1], worse, scores)) == 2


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is None, reason="the peer is not installed")
def test_the_same_negatives_as_the_peer(load_script):
    script = load_script("mine.py", "mine_script")
    for case in script.generated(3):
        ours, theirs = script.measure(case, 1, torch.get_num_threads(), {
            "graphns": script.ours, "sentence-transformers": script.peers})
        assert ours["different"] == theirs["different"] == 0 and ours["triplets"] == theirs["triplets"]
        assert ours["known"] == 0
