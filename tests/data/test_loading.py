"""Names and what they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graphns.data import load, loading, named, names
from graphns.data.features import normalize_rows
from graphns.data.named import SOURCES


@pytest.mark.parametrize(("wrong", "near"), [
    ("corra", "Cora"), ("digit", "digits"), ("pub-med", "PubMed"), ("romanempire", "Roman-empire"),
    ("ogbn-arxive", "ogbn-arxiv"), ("citationfull-citeser", "CitationFull-CiteSeer"),
])
def test_wrong_names_get_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no data set is called '{wrong}'; did you mean '{near}'?"):
        load(wrong)


def test_a_name_like_no_other_gets_all() -> None:
    with pytest.raises(ValueError, match="there are: digits, Cora, CiteSeer"):
        load("zzzzzzzz")
    assert names() == ["digits", *SOURCES]


def test_every_name_is_one_data_set() -> None:
    plain = [loading._plain(name) for name in names()]
    assert len(set(plain)) == len(plain)
    assert len({(source.family, source.name) for source in SOURCES.values()}) == len(SOURCES)


@pytest.mark.parametrize(("written", "name"), [
    ("cora", "Cora"), (" PUBMED ", "PubMed"), ("cora-ml", "Cora_ML"), ("roman_empire", "Roman-empire"),
    ("citationfull_cora", "CitationFull-Cora"), ("CitationFull-DBLP", "DBLP"), ("Planetoid-Cora", "Cora"),
    ("amazon-computers", "Computers"), ("HeterophilousGraph-Tolokers", "Tolokers"), ("OGBN_Products", "ogbn-products"),
])
def test_case_dashes_and_families_are_free(monkeypatch: pytest.MonkeyPatch, written: str, name: str) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(named, "named", lambda *arguments: asked.append(arguments))
    load(written, "somewhere", 3)
    assert asked == [(name, "somewhere", 3, None)]


def test_features_are_normalized_where_asked(tmp_path: Path) -> None:
    own = tmp_path / "own.pt"
    torch.save({"x": torch.tensor([[2.0, 6.0], [1.0, 1.0]]), "edge_index": torch.tensor([[0, 1], [1, 0]]),
                "y": torch.tensor([0, 1])}, own)
    for name in ("digits", own):
        plain, unchanged, divided = (load(name, normalize=each).x for each in (None, False, True))
        assert isinstance(plain, torch.Tensor) and torch.equal(plain, unchanged)
        assert torch.equal(divided, normalize_rows(plain)) and not torch.equal(divided, plain)


def test_the_one_split_of_digits() -> None:
    assert load("Digits").num_splits == 1
    with pytest.raises(ValueError, match=r"digits has 1 split.* of its own.* there is no split 1"):
        load("digits", split=1)
