"""Links with HeaRT's negatives in the place of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graphns.data import load_links
from graphns.data.link_heart import heart_links
from graphns.data.link_split import random_links
from tests.data.test_link_files import same
from tests.metrics.test_heart_negatives import plain_graph


def test_negatives_of_both_parts_and_their_file(tmp_path: Path) -> None:
    made = random_links(plain_graph(), val=8, test=9, seed=1, x=torch.rand(40, 5))
    data = heart_links(made, n=12, seed=2)
    assert (data.setting, data.metric) == ("heart", "mrr") and torch.equal(data.train, made.train)
    assert data.valid.negative.shape == (2, 8, 12) and data.test.negative.shape == (2, 9, 12)
    for part, known in (("valid", ("train",)), ("test", ("train", "valid"))):
        assert not data.joined(*known).has_edge(*data.part(part).negative.reshape(2, -1)).any()
        assert torch.equal(data.part(part).positive, made.part(part).positive)
    same(heart_links(made, n=12, seed=2), data)
    data.save(tmp_path / "mine.npz")
    same(load_links(tmp_path / "mine.npz"), data)
    without = heart_links(made, n=12, heuristics=["ra", "ppr"], seed=2)
    assert not torch.equal(without.test.negative, data.test.negative)
    with pytest.raises(ValueError, match="n must be even"):
        heart_links(made, n=7)
