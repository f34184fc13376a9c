"""What is held out of vectors, which positives a row has, and what samplers see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Query
from graphns.data.vectors import VectorData
from graphns.graph.knn import knn_graph
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.pipelines.embeddings_data import EmbeddingTask
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

SMALL = EmbeddingConfig(neighbors=3)


def blobs(number: int = 60, classes: int = 4) -> VectorData:
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(number) % classes
    return VectorData("blobs", torch.randn(number, 6, generator=generator) + 3 * torch.eye(classes, 6)[labels], labels)


def edge_set(pairs: Tensor) -> set[tuple[int, int]]:
    return {tuple(pair) for pair in pairs.T.tolist()}


def test_labelled_rows_are_held_out_and_in_no_graph() -> None:
    data = blobs()
    task = EmbeddingTask.make(data, SMALL)
    assert (len(task.test), len(task.valid), len(task.rows)) == (12, 5, 43)
    assert sorted(torch.cat([task.test, task.valid, task.rows]).tolist()) == list(range(60))
    near = knn_graph(data.x[task.rows], 3)
    assert edge_set(task.links.positives.edge_index) == edge_set(near.edge_index)
    assert edge_set(task.graph.edge_index) == edge_set(torch.cat([near.edge_index, near.edge_index.flip(0)], 1))
    again, other = EmbeddingTask.make(data, SMALL), EmbeddingTask.make(data, SMALL.replace(split_seed=1))
    assert torch.equal(again.rows, task.rows) and not torch.equal(other.test, task.test)


def test_a_published_split_is_kept() -> None:
    split = {"train": torch.arange(40), "test": torch.arange(40, 60)}
    task = EmbeddingTask.make(replace(blobs(), split=split), SMALL)
    assert task.test.tolist() == list(range(40, 60)) and len(task.valid) == 4
    assert max(*task.rows.tolist(), *task.valid.tolist()) == 39
    task = EmbeddingTask.make(replace(blobs(), split={**split, "valid": torch.arange(30, 40),
                                                      "train": torch.arange(30)}), SMALL)
    assert task.valid.tolist() == list(range(30, 40)) and task.rows.tolist() == list(range(30))


def test_one_positive_a_row_and_epoch_drawn_evenly() -> None:
    task = EmbeddingTask.make(blobs(), SMALL)
    links, rows = task.links, torch.arange(task.links.num_positives)
    assert links.num_positives == len(task.rows)
    count = torch.zeros(len(task.rows), len(task.rows))
    for epoch in range(600):
        anchor, positive = links.train_pairs(rows, Stream(0, epoch))
        assert torch.equal(anchor, rows)
        count[anchor, positive] += 1
    assert bool((count[links.positives.edge_index[0], links.positives.edge_index[1]] > 0).all())
    assert int((count > 0).sum()) == links.positives.num_edges  # nothing else
    drawn = count[count > 0]
    assert float(((drawn - 200) ** 2 / 200).sum()) < 160  # 43 rows x 2 degrees of freedom: mean 86, p ~ 1e-6
    part = links.train_pairs(rows[10:20], Stream(0, 7))
    assert torch.equal(part, links.train_pairs(rows, Stream(0, 7))[:, 10:20])


def test_same_label_rows_are_positives_and_never_drawn() -> None:
    task = EmbeddingTask.make(blobs(), SMALL.replace(positives="labels"))
    labels = task.labels
    assert labels is not None
    source, target = task.links.positives.edge_index
    assert bool((labels[source] == labels[target]).all()) and bool((source != target).all())
    counts = torch.bincount(labels)
    assert task.links.positives.num_edges == int((counts * (counts - 1)).sum())
    query = Query(source, target, 8, stream=Stream(0))
    assert not bool((labels[Uniform(task.graph)(query).ids] == labels[source][:, None]).any())


def test_known_pairs_of_labelled_rows_join_the_graph() -> None:
    data = blobs()
    pairs = torch.stack([torch.arange(0, 60, 2), torch.arange(59, 0, -2)], 1)
    task = EmbeddingTask.make(replace(data, pairs=pairs), SMALL)
    place = {row: at for at, row in enumerate(task.rows.tolist())}
    inside = {(place[a], place[b]) for a, b in pairs.tolist() if a in place and b in place}
    both = inside | {(b, a) for a, b in inside}
    assert 5 < len(inside) < 30 and edge_set(task.links.positives.edge_index) == both
    near = edge_set(knn_graph(data.x[task.rows], 3).edge_index)
    assert edge_set(task.graph.edge_index) == both | near | {(b, a) for a, b in near}


@pytest.mark.parametrize("given", [True, False])
def test_without_labels_pairs_are_held_out(given: bool) -> None:
    pairs = torch.stack([torch.arange(59), torch.arange(1, 60)], 1)
    data = replace(blobs(), labels=None, pairs=pairs if given else None)
    task = EmbeddingTask.make(data, SMALL)
    assert len(task.rows) == 60 and task.known is not None
    held_out = edge_set(torch.cat([task.valid, task.test], 1))
    assert len(held_out) == task.valid.shape[1] + task.test.shape[1]
    known = edge_set(task.known.edge_index)
    learned = edge_set(task.links.positives.edge_index)
    assert learned | held_out | {(b, a) for a, b in held_out} == known
    assert not learned & held_out and not learned & {(b, a) for a, b in held_out}
    if given:
        assert known == edge_set(torch.cat([pairs.T, pairs.T.flip(0)], 1))
    else:  # nor do they come back by the graph that samplers see
        assert not edge_set(task.graph.edge_index) & held_out


def test_compared_pairs_count_from_their_score_and_keep_their_split() -> None:
    pairs = torch.stack([torch.arange(40), torch.arange(20, 60)], 1)
    scores = torch.tensor([5.0, 1.0]).repeat(20).double()
    split = {"train": torch.arange(20), "valid": torch.arange(20, 30), "test": torch.arange(30, 40)}
    task = EmbeddingTask.make(replace(blobs(), labels=None, pairs=pairs, scores=scores, split=split), SMALL)
    assert edge_set(task.test) == {(each, each + 20) for each in range(30, 40, 2)}
    assert edge_set(task.valid) == {(each, each + 20) for each in range(20, 30, 2)}


@pytest.mark.parametrize(("changes", "settings", "message"), [
    ({"x": torch.ones(60)}, {}, r"x must be vectors \[N, d\]"),
    ({"x": torch.full((60, 2), torch.nan)}, {}, "row 0"),
    ({"x": torch.ones(3, 2), "labels": None}, {}, "has 3 rows"),
    ({"labels": torch.zeros(59, dtype=torch.int64)}, {}, r"labels \[60\], got torch.int64 \(59,\)"),
    ({"labels": torch.zeros(60)}, {}, "one whole number a row"),
    ({}, {"positives": "pairs"}, "positives='pairs' needs pairs"),
    ({"labels": None}, {"positives": "labels"}, "positives='labels' needs labels"),
    ({"labels": torch.arange(60)}, {"positives": "labels"}, "no row of blobs that is trained on has a positive"),
    ({}, {"neighbors": 50}, "k must be a whole number from 1 to 42, for 43 rows to train on; set neighbors"),
    ({"pairs": torch.tensor([[0, 60]])}, {}, r"the row 60, outside \[0, 60\)"),
    ({"pairs": torch.tensor([[1, 1]])}, {}, "none of the pairs joins two rows"),
    ({"pairs": torch.ones(4, 3).long()}, {}, r"whole numbers \[P, 2\]"),
    ({"labels": None, "pairs": torch.tensor([[0, 1], [2, 3]])}, {}, "has 2 pairs"),
    ({"labels": None, "pairs": torch.tensor([[0, 1]] * 9)}, {}, "held out comes in training too"),
])
def test_what_is_refused(changes: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingTask.make(replace(blobs(), **changes), SMALL.replace(**settings))


@pytest.mark.parametrize(("settings", "message"), [
    ({"positives": "friends"}, "no kind of positives is called 'friends'"),
    ({"metric": "l1"}, "no metric is called 'l1'"),
    ({"temperature": 0.0}, "temperature must be above 0"),
    ({"val": 1.0}, r"val must be a share in \(0, 1\)"),
    ({"encoder": "gcn"}, "has encoder='mlp', got 'gcn': leave it out"),
    ({"colour": 1}, "training on vectors has no setting 'colour'"),
])
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddingConfig.from_dict(settings)
