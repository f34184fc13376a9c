"""Knowledge-graph training: sides, steps, every scorer and objective, and runs that are the same wherever cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Negatives, Query, Sampler
from graphns.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from graphns.graph.triples import Triples
from graphns.metrics.ranking import rank_triples
from graphns.objectives.margin import margin
from graphns.objectives.sampled_softmax import sampled_softmax
from graphns.pipelines.knowledge_graph import build_sampler, train
from graphns.pipelines.knowledge_graph_config import SCORERS, KnowledgeGraphConfig
from graphns.pipelines.questions import Questions, batches, side_chance, step
from graphns.registry import entries
from graphns.samplers.adversarial.adversarial import Adversarial
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream

SMALL = KnowledgeGraphConfig(dim=8, k=3, epochs=6, batch_size=16, validate_every=2)


def tiny(num_entities: int = 12) -> KnowledgeGraph:
    """Successors, predecessors, and who is two ahead, on a ring: what translations can learn."""
    each = torch.arange(num_entities)
    facts = torch.cat([torch.stack([each, torch.full_like(each, r), (each + step) % num_entities], 1)
                       for r, step in enumerate((1, -1, 2))])
    order = Stream(5).words(torch.arange(len(facts)), 1)[:, 0].argsort()
    parts = (Triples.from_tensor(facts[at], num_entities, 3) for at in (order[:28], order[28:32], order[32:]))
    return KnowledgeGraph("ring", *parts, tuple(map(str, range(num_entities))), ("next", "last", "two"))


def grid(side: int = 6) -> KnowledgeGraph:
    """Who is right of, above, and diagonal to whom: translations of the plane, so held-out facts follow from others."""
    x, y = torch.cartesian_prod(torch.arange(side), torch.arange(side)).T
    facts = []
    for r, (right, up) in enumerate(((1, 0), (0, 1), (1, 1))):
        inside = (x + right < side) & (y + up < side)
        head, tail = (x * side + y)[inside], ((x + right) * side + y + up)[inside]
        facts.append(torch.stack([head, torch.full_like(head, r), tail], 1))
    table = torch.cat(facts)
    order = Stream(5).words(torch.arange(len(table)), 1)[:, 0].argsort()
    parts = (Triples.from_tensor(table[at], side**2, 3) for at in (order[:69], order[69:77], order[77:]))
    return KnowledgeGraph("grid", *parts, tuple(map(str, range(side**2))), ("right", "up", "both"))


def questions_of(data: KnowledgeGraph, config: KnowledgeGraphConfig = SMALL, epoch: int = 0) -> list[Questions]:
    return list(batches(data.train, side_chance(data.train, config), config.batch_size, Stream(config.seed, epoch)))


# questions


def test_every_fact_is_asked_once_an_epoch_from_one_side() -> None:
    data = tiny()
    parts = questions_of(data)
    assert [len(part.row) for part in parts] == [16, 12]
    anchor, positive, row = (torch.cat(each) for each in zip(*parts, strict=True))
    assert row.sort().values.tolist() == list(range(28))
    facts = data.train
    for (entity, relation), answer, at in zip(anchor.tolist(), positive.tolist(), row.tolist(), strict=True):
        fact = [int(each[at]) for each in (facts.head, facts.relation, facts.tail)]
        assert fact in ([entity, relation, answer], [answer, relation - 3, entity])
    assert 0 < int((anchor[:, 1] >= 3).sum()) < 28  # both sides
    again, other = questions_of(data), questions_of(data, epoch=1)
    assert all(torch.equal(a, b) for one, two in zip(parts, again, strict=True) for a, b in zip(one, two, strict=True))
    assert not torch.equal(parts[0].row, other[0].row)


def test_sides_follow_bern_or_a_fair_coin() -> None:
    """Counted over epochs: heads are corrupted with tph / (tph + hpt)."""
    facts = Triples.from_tensor(torch.tensor([[0, 0, 1], [0, 0, 2], [0, 0, 3], [1, 1, 2]]))
    assert facts.head_chance().tolist() == [0.75, 0.5]
    for side, wanted in (("bern", 0.75), ("fair", 0.5)):
        chance = side_chance(facts, SMALL.replace(side=side))
        asked = torch.cat([part.anchor[part.row < 3, 1] for epoch in range(700)
                           for part in batches(facts, chance, 4, Stream(0, epoch))])
        share = float((asked >= 2).double().mean())
        assert abs(share - wanted) < 4 * (wanted * (1 - wanted) / len(asked)) ** 0.5


# steps


def test_a_step_is_its_objective() -> None:
    data = tiny()
    config = SMALL.replace(objective_options={"margin": 2.0}, regularization=0.1)
    model = config.build(12, 3)
    sampler = build_sampler("uniform", data.train)
    done = step(model, model, questions_of(data)[0], sampler, config, Stream(0), epoch=4)
    query, negatives = done.query, done.negatives
    assert query.k == 3 and query.epoch == 4 and query.model is model
    positive = model.score(query.anchor, query.positive[:, None])[:, 0]
    plain = margin(positive, model.score(query.anchor, negatives.ids), negatives.mask, margin=2.0)
    torch.testing.assert_close(done.loss, plain + 0.1 * model.penalty(query.anchor, query.positive))
    torch.testing.assert_close(done.feedback.loss, plain.detach())
    torch.testing.assert_close(done.feedback.positive_score, positive.detach())
    assert done.feedback.anchor_vectors is None  # nobody would read them
    assert not bool(data.train.known().has_edge(
        query.anchor.repeat_interleave(3, 0), negatives.ids.flatten()).any())


def test_samplers_with_state_are_told_the_vectors() -> None:
    data = tiny()
    model = SMALL.build(12, 3)
    done = step(model, model, questions_of(data)[0], build_sampler("adversarial", data.train), SMALL, Stream(0))
    assert torch.equal(done.feedback.positive_vectors, model.embed(done.query.positive))
    assert torch.equal(done.feedback.anchor_vectors, model.query_vectors(done.query.anchor))
    assert not done.feedback.anchor_vectors.requires_grad


def test_sampled_softmax_over_everything_is_the_full_softmax() -> None:
    """Corrected where the objective needs it, without being told."""
    data = tiny()
    config = SMALL.replace(objective="sampled-softmax")
    model = config.build(12, 3)
    done = step(model, model, questions_of(data)[0], build_sampler("all", data.train, exclude="self"), config,
                Stream(0))
    scores = model.score(done.query.anchor, torch.arange(12)[None])
    torch.testing.assert_close(done.loss, torch.nn.functional.cross_entropy(scores, done.query.positive))


def test_corrected_objectives_get_the_density() -> None:
    data = tiny()
    config = SMALL.replace(objective="infonce", corrected=True)
    model = config.build(12, 3)
    sampler = build_sampler("degree", data.train)
    done = step(model, model, questions_of(data)[0], sampler, config, Stream(0))
    negatives = done.negatives
    torch.testing.assert_close(done.loss, sampled_softmax(
        model.score(done.query.anchor, done.query.positive[:, None])[:, 0],
        model.score(done.query.anchor, negatives.ids), negatives.mask, log_prob=negatives.log_prob))
    with pytest.raises(ValueError, match="Adversarial has density 'given-pool'"):
        step(model, model, questions_of(data)[0], build_sampler("adversarial", data.train), config, Stream(0))


class Bank(Sampler):
    """Gives vectors of its own."""

    def sample(self, query: Query) -> Negatives:
        ids = torch.zeros(1, query.k, dtype=torch.int64)
        vectors = torch.linspace(-1, 1, query.k * 8).view(1, query.k, 8)
        return Negatives(ids, None, torch.ones(query.batch_size, query.k, dtype=torch.bool), vectors=vectors)


def test_negatives_that_are_vectors_are_scored_as_vectors() -> None:
    data = tiny()
    model = SMALL.build(12, 3)
    done = step(model, model, questions_of(data)[0], Bank(), SMALL, Stream(0))
    torch.testing.assert_close(done.feedback.negative_score,
                               model.score_vectors(done.query.anchor, done.negatives.vectors).detach())


def test_two_ended_negatives_are_refused() -> None:
    class BothEnds(Bank):
        def sample(self, query: Query) -> Negatives:
            return super().sample(query)._replace(anchor=torch.zeros(query.batch_size, query.k, dtype=torch.int64))

    data = tiny()
    model = SMALL.build(12, 3)
    with pytest.raises(ValueError, match="BothEnds draws both ends"):
        step(model, model, questions_of(data)[0], BothEnds(), SMALL, Stream(0))


# samplers


def test_samplers_by_name() -> None:
    data = tiny()
    assert isinstance(build_sampler("rns", data.train), Uniform)
    assert build_sampler("uniform", data.train, exclude="self").exclude == "self"
    adversary = build_sampler("adversarial", data.train, dim=4, pool=7)
    assert isinstance(adversary, Adversarial)
    assert adversary.pool == 7 and adversary.anchor_table.shape == (12, 4) and adversary.relation_table.shape == (6, 4)
    with pytest.raises(ValueError, match="did you mean 'uniform'"):
        build_sampler("unifrom", data.train)


class Typed(Bank):
    """Built from triples where it says so."""

    def __init__(self, facts: Triples) -> None:
        super().__init__()
        self.size = len(facts)

    @classmethod
    def from_triples(cls, facts: Triples) -> Typed:
        return cls(facts)


def test_a_class_of_triples_is_built_from_triples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphns.pipelines.knowledge_graph.load", lambda name: Typed)
    built = build_sampler("typed", tiny().train)
    assert isinstance(built, Typed) and built.size == 28


# training


def test_learns_a_grid() -> None:
    """Better than a constant by far, chosen on valid facts, reported on test facts."""
    data, seen = grid(), []
    config = SMALL.replace(epochs=60, learning_rate=0.03, validate_every=5, k=8, dim=16, objective="bce",
                           scorer_options={"offset": 6.0})
    result = train(data, "uniform", config, progress=lambda *each: seen.append(each))
    assert sum(result.losses[-5:]) < 0.5 * sum(result.losses[:5])
    assert result.test.mean_rank < 9  # of about 35; a constant scorer gets 18
    assert [each[:2] for each in seen] == [(epoch, 60) for epoch in range(1, 61)]
    assert [each[2] for each in seen] == result.losses
    assert len(result.epoch_seconds) == len(result.sample_seconds) == 60
    assert all(0 < drawing < whole for drawing, whole in zip(result.sample_seconds, result.epoch_seconds, strict=True))
    assert result.num_drawn == 60 * 69 * 8
    assert [epoch for epoch, _ in result.validation] == list(range(5, 61, 5))
    best = max(result.validation, key=lambda each: each[1])
    assert (result.epoch, result.valid.mrr) == (best[0], pytest.approx(best[1]))
    assert torch.equal(result.test.ranks, rank_triples(result.model, data.test, data.known()).ranks)


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("objective", ["margin", "bce", "sampled-softmax"])
def test_every_scorer_with_every_kind_of_objective(scorer: str, objective: str) -> None:
    result = train(tiny(), "uniform", SMALL.replace(scorer=scorer, objective=objective, epochs=25, dim=16))
    assert sum(result.losses[-3:]) < sum(result.losses[:3])
    assert result.test.ranks.shape == (2, 4)


def same(first: Any, second: Any) -> bool:
    states: list[dict[str, Tensor]] = [each.model.state_dict() for each in (first, second)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0]) and first.losses == second.losses


def test_same_seed_same_run_and_generators_left_alone() -> None:
    data, state = tiny(), torch.get_rng_state()
    first, second = (train(data, "uniform", SMALL) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first, second)
    assert not same(first, train(data, "uniform", SMALL.replace(seed=1)))


def test_an_adversary_takes_steps_of_its_own() -> None:
    data = tiny()
    sampler = build_sampler("adversarial", data.train)
    before = {name: value.clone() for name, value in sampler.state_dict().items()}
    train(data, sampler, SMALL)
    after = sampler.state_dict()
    assert not torch.equal(after["candidate_table"], before["candidate_table"])
    assert int(after["num_observed"]) == SMALL.epochs * 2
    # steps of Adam are of the size of its rate
    moved = (after["candidate_table"] - before["candidate_table"]).abs().max()
    assert float(moved) < 3 * SMALL.epochs * 2 * SMALL.adversary_rate


class Cut(Exception):
    """The power goes out."""


def cut_after(epochs: int) -> Any:
    def progress(done: int, total: int, loss: float) -> None:
        if done == epochs:
            raise Cut

    return progress


@pytest.mark.parametrize("name", ["uniform", "adversarial", "hardest"])
def test_a_run_cut_off_ends_with_the_same_bits(tmp_path: Path, name: str) -> None:
    data = tiny()
    whole = train(data, name, SMALL)
    with pytest.raises(Cut):
        train(data, name, SMALL, folder=tmp_path, checkpoint_every=3, progress=cut_after(5))
    epochs: list[int] = []
    resumed = train(data, name, SMALL, folder=tmp_path, progress=lambda done, *_: epochs.append(done))
    assert epochs == [4, 5, 6]  # the last checkpoint was of 3
    assert same(resumed, whole) and resumed.num_drawn == whole.num_drawn
    assert resumed.validation == whole.validation and torch.equal(resumed.test.ranks, whole.test.ranks)
    finished = train(data, name, SMALL, folder=tmp_path, progress=cut_after(1))  # nothing left to do
    assert same(finished, whole)


def test_other_runs_are_refused(tmp_path: Path) -> None:
    data = tiny()
    train(data, "uniform", SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .config k=3, not 4"):
        train(data, "uniform", SMALL.replace(k=4), folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .sampler='Uniform', not 'Degree'"):
        train(data, "degree", SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .data num_entities=12, not 10"):
        train(tiny(10), "uniform", SMALL, folder=tmp_path)
    parts = (data.train.part(torch.arange(len(data.train)).flip(0)), data.valid, data.test)
    turned = KnowledgeGraph(data.name, *parts, data.entities, data.relations)
    with pytest.raises(ValueError, match=r"another run .data train=-?\d+, not"):  # rows name the draws
        train(turned, "uniform", SMALL, folder=tmp_path)


def test_a_run_of_other_options_is_refused(tmp_path: Path) -> None:
    data = tiny()
    train(data, build_sampler("hardest", data.train, pool=4), SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .options pool=4, not 5"):
        train(data, build_sampler("hardest", data.train, pool=5), SMALL, folder=tmp_path)
    with pytest.raises(ValueError, match=r"another run .options base\.exclude='neighbors', not 'self'"):
        train(data, build_sampler("hardest", data.train, pool=4, exclude="self"), SMALL, folder=tmp_path)
    train(data, build_sampler("hardest", data.train, pool=4), SMALL, folder=tmp_path)


def test_patience_stops_and_keeps_the_best(tmp_path: Path) -> None:
    config = SMALL.replace(epochs=400, learning_rate=0.3, validate_every=1, patience=3)
    result = train(tiny(), "uniform", config, folder=tmp_path)
    assert len(result.losses) < 400
    assert [epoch for epoch, _ in result.validation] == list(range(1, result.epoch + 4))
    again = train(tiny(), "uniform", config, folder=tmp_path, progress=cut_after(len(result.losses) + 1))
    assert same(again, result)


def test_no_epochs_give_the_untrained_model() -> None:
    result = train(tiny(), "uniform", SMALL.replace(epochs=0))
    assert result.epoch == 0 and result.validation == [] and result.losses == []
    assert torch.equal(result.model.entity_table, SMALL.build(12, 3).entity_table)


def test_a_diverged_run_stops() -> None:
    config = SMALL.replace(scorer="distmult", objective="bce", learning_rate=1e30)
    with pytest.raises(ValueError, match=r"lower learning_rate=1e\+30|diverged loss"):
        train(tiny(), "uniform", config)


# settings


def test_settings_round_trip() -> None:
    config = SMALL.replace(scorer_options={"norm": 2}, patience=4)
    assert KnowledgeGraphConfig.from_dict(config.to_dict()) == config
    assert config.build(5, 2).norm == 2  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(("values", "match"), [
    ({"epoch": 3}, "no setting 'epoch'; there are: scorer, dim"),
    ({"k": 0}, "k must be at least 1, got 0"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
    ({"regularization": -1.0}, "regularization must not be negative, got -1.0"),
    ({"patience": 0}, "patience must be at least 1, or None"),
    ({"side": "head"}, "side must be 'fair' or 'bern', got 'head'"),
    ({"scorer": "transh"}, "no scorer is called 'transh'; there are: transe, distmult"),
    ({"objective": "marginn"}, "did you mean 'margin'"),
    ({"objective": "reinforce"}, "the objective 'reinforce' takes log_prob, reward, mask"),
    ({"objective_options": {"gamma": 1}}, "the objective 'margin' has no option 'gamma'; it has: margin, temp"),
    ({"objective": "warp"}, "the objective 'warp' needs num_candidates: give it in objective_options"),
    ({"objective": "progcl"}, "the objective 'progcl' needs mixture"),
])
def test_bad_settings(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        KnowledgeGraphConfig.from_dict(values)


def test_bad_scorer_options() -> None:
    with pytest.raises(ValueError, match=r"DistMult refuses the options {'norm': 2}"):
        SMALL.replace(scorer="distmult", scorer_options={"norm": 2}).build(5, 2)


NEEDED: dict[str, dict[str, Any]] = {"warp": {"num_candidates": 12}, "progcl": {"mixture": None}}


@pytest.mark.parametrize("entry", entries("objective"), ids=lambda entry: entry.name)
def test_every_objective_of_scores_and_mask_is_taken(entry: Any) -> None:
    try:
        config = SMALL.replace(objective=entry.name, objective_options=NEEDED.get(entry.name, {}))
    except ValueError as error:
        assert "a knowledge graph is trained with one of" in str(error)
        return
    assert config.loss() is entry.load()


@pytest.mark.data
def test_nations_in_seconds(data_root: Path) -> None:
    """DistMult learns more than a constant scorer, whose mean rank is the middle of what the filter leaves."""
    data = load_knowledge_graph("Nations", root=data_root)
    config = KnowledgeGraphConfig(scorer="distmult", objective="bce", dim=16, epochs=40, k=4, batch_size=256,
                                  learning_rate=0.03)
    untrained = train(data, "uniform", config.replace(epochs=0)).test.mrr
    assert train(data, "uniform", config).test.mrr > untrained + 0.1
