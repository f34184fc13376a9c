"""Link prediction: what a step computes, what may not leak, that runs repeat and resume, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from graphns.base import Negatives, Query, Sampler
from graphns.data.link import LinkData, LinkPart
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel, message_edges
from graphns.pipelines.link_prediction import default_sampler, evaluate, fit, step, train
from graphns.samplers.dynamic.hardest import Hardest
from graphns.samplers.static.global_edges import GlobalEdges
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream
from tests.pipelines.link_ring import SIZES, ring


@pytest.mark.parametrize("decoder", ["dot", "bilinear", "mlp", "ncn"])
@pytest.mark.parametrize("encoder", ["gcn", "sage", "gat", "mlp", "embedding"])
def test_every_model_trains_and_is_scored(encoder: str, decoder: str) -> None:
    data = ring(features=encoder != "embedding")
    result = train(data, config=LinkConfig(encoder=encoder, decoder=decoder, **SIZES))
    assert len(result.losses) == 3 and result.embeddings.shape == (60, 8)
    assert 0 <= result.test.mrr <= 1 and result.num_drawn == 3 * data.train.shape[1]
    assert result.validation[result.epoch - 1][1] == max(value for _, value in result.validation)


def test_it_learns_the_ring() -> None:
    result = train(ring(), config=LinkConfig(encoder="mlp", decoder="mlp", hidden_size=32, size=32, epochs=60,
                                             learning_rate=0.01))
    assert result.test.auc > 0.9 and result.losses[-1] < 0.7 * result.losses[0]


def test_the_loss_is_that_of_the_formula() -> None:
    data, config = ring(), LinkConfig(decoder="dot", k=3, side="destination", **SIZES)
    model = LinkModel.seeded(data, config)
    sampler, rows, stream = Uniform(data.graph), torch.arange(20), Stream(3)
    adjacency = model.encoder.adjacency(data.graph.edge_index)
    done = step(model, model, data, adjacency, rows, sampler, config, stream)
    assert done.query is not None and done.negatives is not None
    assert torch.equal(torch.stack([done.query.anchor, done.query.positive]), data.train[:, rows])
    table = model.embed(data)
    source, target = data.train[:, rows]
    positive = (table[source] * table[target]).sum(1)
    negative = (table[source][:, None] * table[done.negatives.ids]).sum(2)
    expected = -logsigmoid(positive).mean() - logsigmoid(-negative).mean()
    torch.testing.assert_close(done.loss.detach(), expected)
    known = {tuple(pair) for pair in data.graph.edge_index.T.tolist()}
    drawn = done.negatives.pairs(done.query).T.tolist()
    assert not known & {tuple(pair) for pair in drawn} and all(u != v for u, v in drawn)


def test_either_end_stays_and_both_come() -> None:
    data, config = ring(), LinkConfig(decoder="dot", **SIZES)
    model = LinkModel.seeded(data, config)
    rows = torch.arange(data.train.shape[1])
    done = step(model, model, data, model.encoder.adjacency(data.graph.edge_index), rows, Uniform(data.graph), config,
                Stream(0))
    assert done.query is not None
    kept = done.query.anchor == data.train[0]
    assert 0.3 < float(kept.float().mean()) < 0.7
    pairs = torch.stack([done.query.anchor, done.query.positive])
    assert torch.equal(torch.where(kept, pairs, pairs.flip(0)), data.train)


def test_negatives_of_whole_edges_and_vectors_are_scored() -> None:
    data, config = ring(), LinkConfig(decoder="dot", k=4, **SIZES)
    model = LinkModel.seeded(data, config)
    table = model.embed(data)
    anchor = torch.tensor([0, 7])
    query = Query(anchor, torch.tensor([1, 8]), 4, stream=Stream(0))
    drawn = GlobalEdges(data.graph)(query)
    assert drawn.anchor is not None
    expected = (table[drawn.anchor] * table[drawn.ids.expand_as(drawn.anchor)]).sum(2)
    torch.testing.assert_close(model.negative_scores(table, anchor, drawn), expected)
    vectors = torch.rand(1, 3, 8)
    usable = torch.ones(2, 3, dtype=torch.bool)
    as_vectors = Negatives(torch.zeros(1, 3, dtype=torch.int64), None, usable, None, vectors)
    torch.testing.assert_close(model.negative_scores(table, anchor, as_vectors), table[anchor] @ vectors[0].T)
    ncn = LinkModel.seeded(data, LinkConfig(decoder="ncn", **SIZES))
    with pytest.raises(ValueError, match="a vector is none"):
        ncn.negative_scores(table, anchor, as_vectors)


class Watch(Sampler):
    """Uniform draws, and a note of every query."""

    density = "marginal"

    def __init__(self, inner: Sampler) -> None:
        super().__init__()
        self.inner = inner
        self.seen: list[Query] = []

    def sample(self, query: Query) -> Negatives:
        self.seen.append(query)
        drawn: Negatives = self.inner(query)
        return drawn

    def log_prob(self, query: Query, ids: Tensor) -> Tensor:
        return self.inner.log_prob(query, ids)


def test_held_out_edges_reach_neither_sampler_nor_encoder() -> None:
    data = ring()
    watch = Watch(default_sampler(data))
    result = train(data, watch, LinkConfig(**SIZES))
    held_out = {tuple(sorted(pair)) for part in (data.valid, data.test) for pair in part.positive.T.tolist()}
    asked = {tuple(sorted(pair)) for query in watch.seen
             for pair in torch.stack([query.anchor, query.positive]).T.tolist()}
    assert asked and not asked & held_out
    # other held-out edges, the same training: the same weights
    other = replace(data, test=LinkPart(data.test.positive.flip(1), data.test.negative))
    again = train(other, default_sampler(other), LinkConfig(**SIZES))
    assert torch.equal(result.embeddings, again.embeddings)


@pytest.mark.parametrize("name", ["moco", "xbm", "memory-bank", "cbns", "prebatch", "adco", "in-batch", "nscaching",
                                  "srns", "global-perm", "kbgan", "mcns"])
def test_samplers_with_a_memory_or_parameters_learn_from_the_steps(name: str) -> None:
    from graphns.compare.link_source import link_sampler
    from graphns.compare.specs import parse

    data, config = ring(), LinkConfig(**SIZES)
    sampler = link_sampler(parse(name), data, config.k, config.size)
    before = {key: value.clone() for key, value in sampler.state_dict().items()}
    result = train(data, sampler, config.replace(epochs=2))
    after = sampler.state_dict()
    changed = any(not torch.equal(before[key], after[key]) for key in before if key in after)
    assert changed or not (sampler.stateful or sampler.trainable)
    assert all(abs(loss) < 100 for loss in result.losses)


def test_a_model_aware_sampler_reads_the_step_with_dropout_off() -> None:
    data, config = ring(), LinkConfig(decoder="mlp", dropout=0.5, **SIZES)
    model = LinkModel.seeded(data, config).train()
    sampler = Watch(Hardest(Uniform(data.graph), pool=16))
    step(model, model, data, model.encoder.adjacency(data.graph.edge_index), torch.arange(8), sampler, config,
         Stream(0))
    query = sampler.seen[0]
    assert torch.equal(query.score(torch.arange(9)[None]), query.score(torch.arange(9)[None]))
    assert model.decoder.training


def test_masked_targets_are_no_messages() -> None:
    data = ring()
    from graphns.pipelines.link_step import _without

    rows = torch.arange(0, data.train.shape[1], 3)
    left = {tuple(pair) for pair in _without(data, rows).T.tolist()}
    gone = {tuple(pair) for pair in torch.cat([data.train[:, rows], data.train[:, rows].flip(0)], 1).T.tolist()}
    assert left == {tuple(pair) for pair in data.graph.edge_index.T.tolist()} - gone
    result = train(data, config=LinkConfig(mask_targets=True, **SIZES))
    assert not torch.equal(result.embeddings, train(data, config=LinkConfig(**SIZES)).embeddings)


def test_validation_edges_are_used_for_the_test_alone_and_where_asked() -> None:
    data, config = ring(), LinkConfig(**SIZES)
    model = LinkModel.seeded(data, config)
    plain, over_both = evaluate(model, data, "test"), evaluate(model, data, "test", use_valid_edges=True)
    assert plain.as_dict() != over_both.as_dict()
    result = train(data, config=config.replace(use_valid_edges=True))
    assert result.valid.as_dict() == evaluate(result.model, data, "valid").as_dict()
    assert result.test.as_dict() == evaluate(result.model, data, "test", use_valid_edges=True).as_dict()


def test_directed_edges_keep_their_source_and_send_both_ways() -> None:
    data = ring(undirected=False)
    watch = Watch(Uniform(data.graph))
    train(data, watch, LinkConfig(**SIZES))
    known = {tuple(pair) for pair in data.train.T.tolist()}
    for query in watch.seen:
        assert {tuple(pair) for pair in torch.stack([query.anchor, query.positive]).T.tolist()} <= known
    assert message_edges(data, data.graph).shape[1] == 2 * data.graph.num_edges
    with pytest.raises(ValueError, match="candidates are their destinations"):
        train(data, config=LinkConfig(side="source", **SIZES))


def test_the_same_seed_the_same_run_and_torchs_generator_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    config = LinkConfig(dropout=0.3, **SIZES)
    first = train(ring(), config=config)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    second = train(ring(), config=config)
    assert first.losses == second.losses and torch.equal(first.embeddings, second.embeddings)
    assert train(ring(), config=config.replace(seed=1)).losses != first.losses


def test_a_run_that_was_cut_off_ends_as_a_whole_one(tmp_path: Path) -> None:
    config = LinkConfig(dropout=0.3, **{**SIZES, "epochs": 6})
    whole = train(ring(), Hardest(Uniform(ring().graph), pool=8), config)

    class Cut(Exception):
        pass

    def cut(done: int, of: int, loss: float) -> None:
        if done == 4:
            raise Cut

    with pytest.raises(Cut):
        train(ring(), Hardest(Uniform(ring().graph), pool=8), config, folder=tmp_path, progress=cut, checkpoint_every=3)
    rest = train(ring(), Hardest(Uniform(ring().graph), pool=8), config, folder=tmp_path)
    assert rest.losses == whole.losses and torch.equal(rest.embeddings, whole.embeddings)
    assert rest.validation == whole.validation and rest.test.as_dict() == whole.test.as_dict()
    others = replace(ring(), x=ring().x.flip(1))
    for data, sampler in ((ring(), Uniform(ring().graph)), (others, Hardest(Uniform(ring().graph), pool=8))):
        with pytest.raises(ValueError, match="the checkpoint of another run"):
            train(data, sampler, config, folder=tmp_path)


def test_patience_counts_validations() -> None:
    config = LinkConfig(**{**SIZES, "epochs": 200, "learning_rate": 1e-9}, patience=2)
    assert len(train(ring(), config=config).losses) < 200


@pytest.mark.parametrize(("options", "message"), [
    ({"encoder": "gnc"}, "no encoder is called 'gnc'"), ({"decoder": "dots"}, "no decoder is called 'dots'"),
    ({"side": "left"}, "no side is called 'left'"), ({"dropout": 1.0}, "dropout must be in"),
    ({"k": 0}, "k must be at least 1"), ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"clip": 0.0}, "clip must be above 0"), ({"objective": "warp"}, "objective"),
])
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinkConfig(**options)


def test_settings_round_trip_and_presets() -> None:
    config = LinkConfig.preset("OGBL-ddi", seed=2)
    assert LinkConfig.from_dict(config.to_dict()) == config and config.encoder == "sage"


class Countdown:
    """A validation that likes the first epoch best, and remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, epoch: int, model: LinkModel, data: LinkData) -> float:
        self.seen.append(epoch)
        return -epoch

    def state_dict(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.seen = saved["seen"]


def test_any_validation_chooses_the_epoch_and_its_memory_is_in_the_checkpoint(tmp_path: Path) -> None:
    config, countdown = LinkConfig(**{**SIZES, "epochs": 5, "validate_every": 2}), Countdown()
    short = fit(ring(), None, config.replace(epochs=2), countdown, parts={"countdown": countdown}, folder=tmp_path)
    again = Countdown()
    told: list[list[int]] = []
    done = fit(ring(), None, config, again, parts={"countdown": again}, folder=tmp_path,
               progress=lambda *_: told.append(list(again.seen)))
    assert again.seen == [2, 4, 5] and countdown.seen == [2]
    assert told == [[2], [2, 4], [2, 4, 5]], "progress comes after the validation"
    assert done.chosen.epoch == 2 and done.chosen.history == [(2, -2), (4, -4), (5, -5)]
    table = ring()
    assert torch.equal(done.model.embed(table), short.model.embed(table)) and len(done.log.losses) == 5
    with pytest.raises(ValueError, match="the checkpoint of another run"):
        fit(ring(), None, config, again, parts={"other": again}, folder=tmp_path)
