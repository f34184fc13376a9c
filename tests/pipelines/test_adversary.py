"""Adversaries in a run: their scores as a model, pre-training of either side, turns, and cuts in every phase."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graphns.base import Feedback, Negatives, Query, Sampler
from graphns.data.knowledge_graph import KnowledgeGraph
from graphns.graph.triples import Triples
from graphns.metrics.ranking import rank_triples
from graphns.pipelines.adversary import AdversaryModel, check_adversary, learns, own_scorer, turns
from graphns.pipelines.knowledge_graph import KnowledgeGraphResult, build_sampler, train
from graphns.pipelines.knowledge_graph_config import KnowledgeGraphConfig
from graphns.samplers.adversarial.adversary import Adversary
from graphns.streams import Stream

SMALL = KnowledgeGraphConfig(dim=8, k=2, epochs=6, batch_size=16, validate_every=2, adversary_k=4)


def tiny(num_entities: int = 12) -> KnowledgeGraph:
    """Successors, predecessors, and who is two ahead, on a ring."""
    each = torch.arange(num_entities)
    facts = torch.cat([torch.stack([each, torch.full_like(each, r), (each + step) % num_entities], 1)
                       for r, step in enumerate((1, -1, 2))])
    order = Stream(5).words(torch.arange(len(facts)), 1)[:, 0].argsort()
    parts = (Triples.from_tensor(facts[at], num_entities, 3) for at in (order[:28], order[28:32], order[32:]))
    return KnowledgeGraph("ring", *parts, tuple(map(str, range(num_entities))), ("next", "last", "two"))


def moves(data: KnowledgeGraph, sampler: Sampler, config: KnowledgeGraphConfig) -> tuple[list[bool], list[bool]]:
    """Of every epoch, whether the model moved, and whether the sampler's parameters did."""
    seen: list[tuple[list[Tensor], list[Tensor]]] = []
    made = []

    class Watched(KnowledgeGraphConfig):
        def build(self, num_entities: int, num_relations: int) -> Any:
            made.append(super().build(num_entities, num_relations))
            return made[0]

    def note(*_: Any) -> None:
        seen.append(tuple([each.detach().clone() for each in module.parameters()]  # type: ignore[arg-type]
                          for module in (made[0], sampler)))

    start = (list(config.build(data.num_entities, data.num_relations).parameters()),
             [each.detach().clone() for each in sampler.parameters()])
    train(data, sampler, Watched(**config.to_dict()), progress=note)
    steps = zip([start, *seen], seen, strict=False)
    moved = [[not all(map(torch.equal, old, new)) for old, new in zip(before, after, strict=True)]
             for before, after in steps]
    return [each[0] for each in moved], [each[1] for each in moved]


def same(first: KnowledgeGraphResult, second: KnowledgeGraphResult) -> bool:
    states = [each.model.state_dict() for each in (first, second)]
    logs = [{side: log.losses for side, log in each.pretraining.items()} for each in (first, second)]
    return (all(torch.equal(states[0][name], states[1][name]) for name in states[0])
            and first.losses == second.losses and logs[0] == logs[1] and first.validation == second.validation)


# an adversary as a model


@pytest.mark.parametrize("form", ["distmult", "complex"])
def test_an_adversary_is_a_model(form: Any) -> None:
    scorer = Adversary(5, 7, 4, dim=6, form=form)
    model, anchor, ids = AdversaryModel(scorer), torch.tensor([[0, 3], [4, 1]]), torch.tensor([[2, 6], [0, 1]])
    assert torch.equal(model(anchor, ids), scorer.score(anchor, ids))
    torch.testing.assert_close(model.score_vectors(anchor, model.embed(ids)), scorer.score(anchor, ids))
    by_hand = (model.query_vectors(anchor)[:, None] * model.embed(ids)).sum(2)
    torch.testing.assert_close(model.score(anchor, ids), by_hand)
    assert model.embed(ids, layers=True).shape == (2, 2, 1, 6)
    assert {id(each) for each in model.parameters()} == {id(each) for each in scorer.parameters()}


def test_whose_scores_are_trained() -> None:
    facts = tiny().train
    for name in ("kbgan", "irgan", "ace"):
        sampler = build_sampler(name, facts)
        assert learns(sampler) and own_scorer(sampler) is sampler.adversary
    sampler = build_sampler("adversarial", facts)
    assert learns(sampler) and own_scorer(sampler) is sampler
    assert not learns(build_sampler("uniform", facts)) and not learns(build_sampler("hardest", facts))


# pre-training


def ranks_of(sampler: Sampler, data: KnowledgeGraph) -> float:
    """The mean rank of the train facts under the adversary's scores."""
    scorer = own_scorer(sampler)
    assert scorer is not None
    return rank_triples(AdversaryModel(scorer), data.train, data.known()).mean_rank  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kbgan", "irgan", "adversarial"])
@pytest.mark.parametrize("objective", ["infonce", "margin"])
def test_an_adversary_learns_the_facts_beforehand(name: str, objective: str) -> None:
    data = tiny()
    sampler = build_sampler(name, data.train, dim=16)
    before = ranks_of(sampler, data)
    config = SMALL.replace(epochs=0, adversary_pretraining=60, adversary_rate=0.03, adversary_objective=objective)
    result = train(data, sampler, config)
    assert ranks_of(sampler, data) < min(2.0, 0.5 * before)
    log = result.pretraining["adversary"]
    assert list(result.pretraining) == ["adversary"] and len(log.losses) == 60
    assert log.losses[-1] < 0.5 * log.losses[0] and log.num_drawn == 60 * 28 * 4
    assert torch.equal(result.model.entity_table, SMALL.build(12, 3).entity_table)  # the model has not moved
    assert result.losses == [] and result.epoch == 0


def test_the_model_learns_beforehand_with_draws_of_its_own() -> None:
    data = tiny()
    sampler = build_sampler("kbgan", data.train)
    before = {name: value.clone() for name, value in sampler.state_dict().items()}
    result = train(data, sampler, SMALL.replace(epochs=0, model_pretraining=40))
    assert list(result.pretraining) == ["model"] and result.validation == []
    assert result.pretraining["model"].losses[-1] < 0.5 * result.pretraining["model"].losses[0]
    assert all(torch.equal(value, before[name]) for name, value in sampler.state_dict().items())
    other = train(data, sampler, SMALL.replace(epochs=0, model_pretraining=40, pretraining_sampler="dns",
                                               pretraining_options={"pool": 5}))
    assert other.pretraining["model"].losses != result.pretraining["model"].losses
    # draws of pre-training and of the run are independent
    plain = train(data, "uniform", SMALL.replace(epochs=1))
    assert plain.losses[0] != result.pretraining["model"].losses[0]


def test_phases_follow_each_other() -> None:
    """The model's, the adversary's, then turns: in each, one side alone moves."""
    data, seen = tiny(), []
    config = SMALL.replace(model_pretraining=2, adversary_pretraining=1, alternation=(2, 1), adversary_rate=0.01)
    model, adversary = moves(data, build_sampler("kbgan", data.train), config)
    assert model == [True, True, False, True, True, False, True, True, False]
    assert adversary == [False, False, True, False, False, True, False, False, True]
    train(data, "kbgan", config, progress=lambda *each: seen.append(each))
    assert [each[:2] for each in seen] == [(done, 9) for done in range(1, 10)]
    assert moves(data, build_sampler("kbgan", data.train), config.replace(
        alternation=None, epochs=2)) == ([True, True, False, True, True], [False, False, True, True, True])


def test_the_run_counts_its_own_epochs() -> None:
    """Curricula and KBGAN's baseline start at epoch 0 with the run, whatever came before."""
    told = []

    class Told(Sampler):
        def sample(self, query: Query) -> Negatives:
            told.append(query.epoch)
            ids = torch.zeros(query.batch_size, query.k, dtype=torch.int64)
            return Negatives(ids, None, torch.ones_like(ids, dtype=torch.bool))

    result = train(tiny(), Told(), SMALL.replace(model_pretraining=3, epochs=2, validate_every=1))
    assert told == [0, 0, 1, 1]
    assert [epoch for epoch, _ in result.validation] == [1, 2]
    assert len(result.losses) == 2 and len(result.pretraining["model"].losses) == 3


def test_a_pretraining_sampler_sees_its_own_steps_alone() -> None:
    seen = []

    class Watching(Sampler):
        def sample(self, query: Query) -> Negatives:
            ids = torch.zeros(query.batch_size, query.k, dtype=torch.int64)
            return Negatives(ids, None, torch.ones_like(ids, dtype=torch.bool))

        def observe(self, query: Query, negatives: Negatives, feedback: Feedback) -> None:
            seen.append(feedback.positive_vectors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphns.pipelines.knowledge_graph.build_sampler", lambda *_, **__: Watching())
        train(tiny(), build_sampler("kbgan", tiny().train, dim=10),
              SMALL.replace(model_pretraining=2, adversary_pretraining=1, epochs=1))
    assert [each.shape[1] for each in seen] == [8, 8, 8, 8, 10, 10]  # the vectors of the side that learns


@pytest.mark.parametrize(("side", "rate"), [("model", "learning_rate"), ("adversary", "adversary_rate")])
def test_a_diverged_phase_names_its_rate(side: str, rate: str) -> None:
    config = SMALL.replace(scorer="distmult", objective="bce", adversary_objective="bce", epochs=0,
                           **{f"{side}_pretraining": 5, rate: 1e30})
    with pytest.raises(ValueError, match=rf"epoch \d of the {side}'s pre-training: lower {rate}=1e\+30|diverged loss"):
        train(tiny(), "kbgan", config)


# turns


def test_turns() -> None:
    config = SMALL.replace(alternation=(2, 3))
    assert [turns(config, epoch) for epoch in range(6)] == [
        (True, False), (True, False), (False, True), (False, True), (False, True), (True, False)]
    assert turns(SMALL, 4) == (True, True)


def test_an_endless_turn_of_the_model_is_a_run_without_learning() -> None:
    data = tiny()
    sampler = build_sampler("adversarial", data.train)
    table = sampler.candidate_table.detach().clone()
    train(data, sampler, SMALL.replace(alternation=(100, 1)))
    assert torch.equal(sampler.candidate_table, table)


# cuts


class Cut(Exception):
    """The power goes out."""


def cut_after(epochs: int) -> Any:
    def progress(done: int, total: int, loss: float) -> None:
        if done == epochs:
            raise Cut

    return progress


@pytest.mark.parametrize(("name", "drawn_by"), [("kbgan", "nscaching"), ("irgan", "dns"), ("adversarial", "uniform")])
def test_a_run_cut_off_in_any_phase_ends_with_the_same_bits(tmp_path: Path, name: str, drawn_by: str) -> None:
    """Checkpoints after 2, 4, … epochs, so that some lie inside of phases and turns and some between them."""
    data = tiny()
    config = SMALL.replace(model_pretraining=3, adversary_pretraining=3, alternation=(2, 1), adversary_rate=0.01,
                           pretraining_sampler=drawn_by)
    whole = train(data, name, config)
    for cut in (1, 3, 4, 5, 7, 9, 11):
        folder = tmp_path / str(cut)
        with pytest.raises(Cut):
            train(data, name, config, folder=folder, checkpoint_every=2, progress=cut_after(cut))
        done: list[int] = []
        again = train(data, name, config, folder=folder, progress=lambda at, *_, done=done: done.append(at))
        assert done == list(range(cut - cut % 2 + 1, 13))
        assert same(again, whole), cut
    finished = train(data, name, config, folder=folder, progress=cut_after(1))  # nothing left to do
    assert same(finished, whole)


def test_more_epochs_may_follow_pretraining(tmp_path: Path) -> None:
    data, config = tiny(), SMALL.replace(model_pretraining=2, adversary_pretraining=2)
    train(data, "kbgan", config.replace(epochs=0), folder=tmp_path)
    assert same(train(data, "kbgan", config, folder=tmp_path), train(data, "kbgan", config))
    with pytest.raises(ValueError, match=r"another run .config model_pretraining=2, not 3"):
        train(data, "kbgan", config.replace(model_pretraining=3), folder=tmp_path)


# settings


@pytest.mark.parametrize(("name", "values", "match"), [
    ("uniform", {"adversary_pretraining": 2}, "adversary_pretraining=2 takes an adversary, and Uniform has nothing"),
    ("hardest", {"alternation": (1, 1)}, r"alternation=\(1, 1\) takes an adversary, and Hardest has nothing"),
    ("kbgan", {"model_pretraining": 1, "pretraining_sampler": "adversarial"}, "'adversarial' would have to learn"),
    ("kbgan", {"model_pretraining": 1, "pretraining_sampler": "unifrom"}, "did you mean 'uniform'"),
])
def test_settings_that_do_not_fit_the_sampler(name: str, values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        train(tiny(), name, SMALL.replace(**values))


def test_an_adversary_without_scores_of_candidates_is_refused() -> None:
    class Learner(Sampler):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def sample(self, query: Query) -> Negatives:
            raise AssertionError

        def loss(self, negatives: Negatives, feedback: Feedback, query: Query) -> Tensor:
            raise AssertionError

    check_adversary(Learner(), SMALL.replace(alternation=(1, 1)))
    with pytest.raises(ValueError, match="own scores of candidates, and Learner has none: leave it 0"):
        check_adversary(Learner(), SMALL.replace(adversary_pretraining=1))


@pytest.mark.parametrize(("values", "match"), [
    ({"model_pretraining": -1}, "model_pretraining must be at least 0, got -1"),
    ({"adversary_pretraining": -1}, "adversary_pretraining must be at least 0, got -1"),
    ({"adversary_k": 0}, "adversary_k must be at least 1, got 0"),
    ({"alternation": (0, 2)}, r"both at least 1, got \(0, 2\)"),
    ({"alternation": (1, 2, 3)}, r"alternation must be .*, got \(1, 2, 3\)"),
    ({"adversary_pretraining": 1, "adversary_objective": "marginn"}, "did you mean 'margin'"),
    ({"adversary_pretraining": 1, "adversary_objective_options": {"gamma": 1}}, "'infonce' has no option 'gamma'"),
])
def test_bad_settings(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        KnowledgeGraphConfig.from_dict(values)


def test_settings_go_through_json() -> None:
    config = SMALL.replace(alternation=(3, 2), pretraining_options={"pool": 5}, pretraining_sampler="dns")
    assert KnowledgeGraphConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
