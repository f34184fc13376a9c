"""Training on vectors: that it learns, repeats, resumes bit for bit, counts false negatives, and takes any sampler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from graphns.base import Negatives, Query
from graphns.compare.link_source import GIVEN, link_sampler
from graphns.compare.specs import parse, unmet
from graphns.data import load_vectors
from graphns.graph.graph import Graph
from graphns.metrics.retrieval import retrieval
from graphns.pipelines.embeddings import EmbeddingResult, FalseNegatives, evaluate, project, train
from graphns.pipelines.embeddings_config import EmbeddingConfig
from graphns.pipelines.embeddings_data import EmbeddingTask
from graphns.pipelines.embeddings_model import EmbeddingModel
from graphns.pipelines.method import Step
from graphns.registry import entries
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.static.uniform import Uniform
from tests.pipelines.test_embeddings_data import blobs

SMALL = EmbeddingConfig(neighbors=3, size=8, hidden_size=8, epochs=3, validate_every=1, batch_size=16, k=4)
FITTING = [entry.name for entry in entries("sampler") if entry.family != "third party" and not unmet(entry, GIVEN)]


def same(one: EmbeddingResult, other: EmbeddingResult) -> bool:
    return (torch.equal(one.embeddings, other.embeddings) and one.losses == other.losses
            and one.validation == other.validation and one.false_by_epoch == other.false_by_epoch
            and one.test == other.test and one.num_drawn == other.num_drawn)


@pytest.mark.parametrize(("positives", "gain"), [("neighbors", 0.01), ("labels", 0.1)])
def test_digits_are_found_better_than_by_pixels_and_than_untrained(positives: str, gain: float) -> None:
    config = EmbeddingConfig.preset("digits", positives=positives)
    task = EmbeddingTask.make(load_vectors("digits"), config)
    untrained = evaluate(task, project(EmbeddingModel.seeded(task.links, config), task.data.x), task.test)
    result = train(task, config=config)
    assert result.test["r@1"] > untrained["r@1"] and result.test["map@r"] > untrained["map@r"] + 0.05
    assert result.test["map@r"] > result.raw["map@r"] + gain
    assert result.losses[-1] < result.losses[0]
    best = max(value for _, value in result.validation)
    assert result.valid["map@r"] == pytest.approx(best) and (result.epoch, best) in result.validation
    assert result.false_negatives is not None
    assert result.false_negatives == 0 if positives == "labels" else 0.05 < result.false_negatives < 0.1


def test_the_test_rows_figures_are_those_of_the_embeddings() -> None:
    task = EmbeddingTask.make(blobs(), SMALL)
    result = train(task, config=SMALL)
    assert task.data.labels is not None
    found = retrieval(result.embeddings[task.test], task.data.labels[task.test])
    assert found.as_dict() == result.test and result.embeddings.shape == (60, 8)
    torch.testing.assert_close(result.embeddings.norm(dim=1), torch.ones(60))


@pytest.mark.parametrize("name", FITTING)
def test_every_sampler_serves(name: str) -> None:
    config = SMALL.replace(epochs=2)
    task = EmbeddingTask.make(blobs(), config)
    result = train(task, link_sampler(parse(name), task.links, config.k, config.size), config)
    assert len(result.losses) == 2 and bool(result.embeddings.isfinite().all())


@pytest.mark.parametrize("objective", ["bpr", "margin", "bce", "sgns"])
def test_every_objective_serves(objective: str) -> None:
    config = SMALL.replace(objective=objective, num_layers=2, dropout=0.2)
    result = train(EmbeddingTask.make(blobs(), config), config=config)
    assert len(result.losses) == 3 and all(loss > 0 for loss in result.losses)


def test_a_run_that_was_cut_off_ends_with_the_same_numbers(tmp_path: Path) -> None:
    config = SMALL.replace(epochs=6, num_layers=2, dropout=0.3)
    task = EmbeddingTask.make(blobs(), config)

    def go(settings: EmbeddingConfig, folder: Path | None) -> EmbeddingResult:
        return train(task, Hardest(Uniform(task.graph), pool=8), settings, folder=folder)

    go(config.replace(epochs=2), tmp_path)
    assert same(go(config, tmp_path), go(config, None))
    with pytest.raises(ValueError, match=r"temperature=0\.1, not 0\.2"):
        go(config.replace(temperature=0.2), tmp_path)


def test_threads_and_the_global_generator_change_nothing() -> None:
    task, threads = EmbeddingTask.make(blobs(), SMALL), torch.get_num_threads()
    results = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            torch.manual_seed(number)
            before = torch.get_rng_state()
            results.append(train(task, config=SMALL))
            assert torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_num_threads(threads)
    assert same(*results)
    assert not same(results[0], train(task, config=SMALL.replace(seed=1)))


def test_a_head_of_ones_own() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Tanh(), nn.Linear(5, 3))
    before = head[0].weight.detach().clone()
    task = EmbeddingTask.make(blobs(), SMALL)
    result = train(task, config=SMALL, head=head)
    assert result.embeddings.shape == (60, 3) and not torch.equal(head[0].weight, before)
    head.eval()
    with torch.no_grad():
        expected = nn.functional.normalize(head(task.data.x))
    torch.testing.assert_close(result.embeddings, expected)
    with pytest.raises(ValueError, match=r"the head must give \[n, d\] of rows \[n, 6\]"):
        train(task, config=SMALL, head=nn.Flatten(0))
    with pytest.raises(ValueError, match=r"the head cannot read rows \[n, 6\]"):
        train(task, config=SMALL, head=nn.Linear(7, 2))


def test_pairs_without_labels_are_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(150, 12, generator=generator)
    noise = torch.randn(300, 30, generator=generator) * 2
    data = replace(blobs(), x=torch.cat([one.repeat(2, 1), noise], 1), labels=None,
                   pairs=torch.stack([torch.arange(150), torch.arange(150, 300)], 1))
    config = SMALL.replace(epochs=40, k=16, batch_size=64, validate_every=5, size=12, learning_rate=0.01)
    result = train(EmbeddingTask.make(data, config), config=config)
    assert result.test["mrr"] > result.raw["mrr"] + 0.2 and result.false_negatives is None
    assert result.validation[-1][1] == pytest.approx(result.valid["mrr"], abs=0.2)


@pytest.mark.parametrize("drawn", ["shared", "edges", "vectors"])
def test_false_negatives_are_counted_as_a_loop_counts_them(drawn: str) -> None:
    labels, anchor = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 2, 4])
    ids = torch.tensor([[1, 3, 4]]) if drawn == "shared" else torch.tensor([[1, 2, 3], [3, 0, 2], [0, 1, 4]])
    mask = torch.tensor([[True, True, True], [True, True, False], [True, False, True]])
    more: dict[str, Any] = {}
    if drawn == "edges":
        more["anchor"] = torch.tensor([[1, 0, 2], [2, 2, 2], [0, 0, 0]])
    if drawn == "vectors":
        more["vectors"] = torch.zeros(3, 3, 2)
    count = FalseNegatives(labels)
    count.see(Step(torch.tensor(0.0), Query(anchor, torch.tensor([1, 3, 0]), 3, epoch=1),
                   Negatives(ids, None, mask, **more)))
    source = more.get("anchor", anchor[:, None].expand(3, 3))
    expected = sum(int(labels[source[i, j]] == labels[ids.expand(3, 3)[i, j]]) for i in range(3) for j in range(3)
                   if mask[i, j])
    if drawn == "vectors":
        assert count.share is None and count.by_epoch == [None, None]
    else:
        assert count.share == expected / 7 and count.by_epoch == [None, expected / 7] and expected
    again = FalseNegatives(labels)
    again.load_state_dict(count.state_dict())
    assert again.by_epoch == count.by_epoch


def test_a_row_without_a_positive_is_no_anchor() -> None:
    task = EmbeddingTask.make(blobs(), SMALL)
    one = Graph.from_edge_index(torch.tensor([[3, 3], [5, 9]]), len(task.rows))
    alone = replace(task, links=replace(task.links, positives=one))
    assert alone.links.num_positives == 1
    assert train(alone, config=SMALL).num_drawn == 3 * SMALL.k
