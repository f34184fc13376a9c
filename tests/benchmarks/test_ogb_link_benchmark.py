"""The leaderboard script for links on small data in OGB's format: figures, what is kept, refused, and what leaks."""

from __future__ import annotations

import csv
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from graphns.data.link import LinkData
from graphns.data.link_loading import load_links
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel
from graphns.pipelines.link_prediction import evaluate
from tests.adapters.ogb_links import as_downloaded

if importlib.util.find_spec("ogb") is None:  # importorskip would import it, and with it its question to PyPI
    pytest.skip("pip install 'graphns[ogb]'", allow_module_level=True)

NODES, SETS = 60, ("ogbl-ddi", "ogbl-collab", "ogbl-ppa", "ogbl-citation2")
METRICS = {"ogbl-ddi": ["hits@10", "hits@20", "hits@30"], "ogbl-citation2": ["mrr"]}
MANY = ["hits@10", "hits@50", "hits@100"]  # of the two others
FIGURES = ("highest_train", "highest_valid", "final_train", "final_test")
QUICK = ("--epochs", "4", "--eval_steps", "2", "--hidden_channels", "16", "--lr", "0.01", "--batch_size", "64",
         "--runs", "2", "--device", "-1")


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("ogb/link.py", "ogb_link")


def planted(own: bool, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Three groups of 20 nodes: edges inside, negatives between; training edges are the same for every seed."""
    group = np.arange(NODES) // 20
    pairs = np.stack(np.triu_indices(NODES, 1), 1)
    inside = group[pairs[:, 0]] == group[pairs[:, 1]]
    train, rest = np.split(np.random.default_rng(0).permutation(pairs[inside]), [320])
    random = np.random.default_rng(seed)
    valid, test, _ = np.split(random.permutation(rest), [100, 200])
    never = random.permutation(pairs[~inside])
    parts: dict[str, dict[str, Any]] = {"train": {"edge": train}, "valid": {"edge": valid, "edge_neg": never[:300]},
                                        "test": {"edge": test, "edge_neg": never[300:600]}}
    if not own:
        return parts
    for name, part in parts.items():
        source, target = part["edge"].T
        parts[name] = {"source_node": source, "target_node": target}
        if name != "train":
            away = (source[:, None] // 20 * 20 + 20 + random.integers(40, size=(len(source), 9))) % NODES
            parts[name]["target_node_neg"] = away
    return parts


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in SETS:
        as_downloaded(folder, name, planted(name == "ogbl-citation2"), NODES)
    return folder


@pytest.fixture
def run(script: ModuleType, root: Path) -> Callable[..., int]:
    """The script on small data."""
    def go(out: Path, *arguments: str) -> int:
        code: int = script.main(["--root", str(root), "--out", str(out), *QUICK, *arguments])
        return code

    return go


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def untimed(path: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in read(path)]


def never(*args: Any, **options: Any) -> None:
    raise AssertionError("made anew")


@pytest.mark.parametrize("name", SETS)
def test_two_runs_of_each_data_set(
    script: ModuleType, run: Callable[..., int], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:
    out, metrics = tmp_path / "new" / "results.csv", METRICS.get(name, MANY)
    assert run(out, "--dataset", name) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Namespace("), "the arguments come first"
    rows, about = read(out), json.loads(out.with_suffix(".json").read_text())
    assert [(row["run"], row["seed"], row["metric"]) for row in rows] == [
        (str(number + 1), str(number), metric) for number in range(2) for metric in metrics]
    labels = [metric.upper() if metric == "mrr" else f"Hits@{metric[5:]}" for metric in metrics]
    # the summary: a block a metric
    tail = printed.splitlines()[-6 * len(metrics):]
    for number, (metric, label) in enumerate(zip(metrics, labels, strict=True)):
        block = tail[6 * number : 6 * number + 6]
        assert block[:2] == [label, "All runs:"]
        for figure, line in zip(FIGURES, block[2:], strict=True):
            values = [float(row[figure]) for row in rows if row["metric"] == metric]
            mean, deviation = statistics.mean(values), statistics.stdev(values)
            assert about["statistics"][metric][figure] == pytest.approx({"mean": mean, "std": deviation})
            assert line.strip() == f"{figure.replace('_', ' ').title()}: {100 * mean:.2f} ± {100 * deviation:.2f}"
    # every second epoch was told, and the figures of a run follow from what was told
    lines = printed.splitlines()
    told = {label: [lines[at + 1] for at, line in enumerate(lines[:-1])
                    if line == label and lines[at + 1].startswith("Run: 02, Epoch: 0")] for label in labels}
    for row, label in zip(rows[len(metrics):], labels, strict=True):
        assert [line.split(", ")[1] for line in told[label]] == ["Epoch: 02", "Epoch: 04"]
        shares = [[float(word.rstrip("%,")) for word in line.split() if "%" in word] for line in told[label]]
        best = max(range(2), key=lambda number: shares[number][1])
        assert int(row["epoch"]) == 2 * best + 2 and row["epochs"] == "4"
        assert 100 * float(row["final_test"]) == pytest.approx(shares[best][2], abs=0.006)
        assert 100 * float(row["highest_train"]) == pytest.approx(max(each[0] for each in shares), abs=0.006)
    assert about["runs"] == 2 and about["parameters"]["total"] == about["parameters"]["model"] > 0
    assert int(rows[0]["num_drawn"]) == 4 * 320, "one negative for each positive and epoch"
    with monkeypatch.context() as patch:
        for function in ("fit", "read"):
            patch.setattr(script, function, never)
        before = out.read_bytes()
        assert run(out, "--dataset", name) == 0
        assert out.read_bytes() == before and capsys.readouterr().out.splitlines()[-6 * len(metrics):] == tail


def test_it_learns_and_samplers_differ(run: Callable[..., int], tmp_path: Path) -> None:
    more = ("--epochs", "40", "--eval_steps", "5", "--use_sage", "--hidden_channels", "32", "--runs", "1")
    for sampler in ("global-edges", "hardest:pool=8"):
        assert run(tmp_path / f"{sampler[:6]}.csv", *more, "--sampler", sampler) == 0
    ours, hard = read(tmp_path / "global.csv"), read(tmp_path / "hardes.csv")
    assert float(ours[0]["final_test"]) > 0.9 and ours[0]["loss"] != hard[0]["loss"]  # 10 of 300 by chance: 0.03
    assert int(ours[0]["model_parameters"]) == 60 * 32 + 2 * (2 * 32 * 32 + 32) + 32 * 32 + 32 + 32 + 1


def test_cut_off_it_ends_as_if_it_had_not_been(
    script: ModuleType, run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, more = script.fit, ("--epochs", "7", "--sampler", "hardest:pool=4")

    def cut(data: Any, sampler: Any, config: LinkConfig, *args: Any, progress: Callable[..., None], **options: Any
            ) -> Any:
        def stop(done: int, of: int, loss: float) -> None:
            progress(done, of, loss)
            if config.seed == 1 and done == 5:  # the second run, an epoch after its checkpoint
                raise KeyboardInterrupt

        return fit(data, sampler, config, *args, progress=stop, **options)

    with monkeypatch.context() as patch:
        patch.setattr(script, "fit", cut)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut.csv", *more)
    assert len(read(tmp_path / "cut.csv")) == 3 and (tmp_path / "cut" / "run-02" / "checkpoint.pt").exists()
    assert run(tmp_path / "cut.csv", *more) == 0 and run(tmp_path / "whole.csv", *more) == 0
    assert untimed(tmp_path / "cut.csv") == untimed(tmp_path / "whole.csv")
    assert run(tmp_path / "cut.csv", *more, "--runs", "3") == 0  # more of the same
    assert untimed(tmp_path / "cut.csv")[:6] == untimed(tmp_path / "whole.csv") and len(read(tmp_path / "cut.csv")) == 9


def test_training_never_sees_what_is_held_out(
    script: ModuleType, run: Callable[..., int], tmp_path: Path
) -> None:
    """Other validation and test edges, chosen from the same rest: the same draws, losses and weights."""
    as_downloaded(tmp_path / "other", "ogbl-ddi", planted(False, seed=1), NODES)
    out, other = tmp_path / "one.csv", tmp_path / "two.csv"
    assert run(out) == 0 and run(other, "--root", str(tmp_path / "other")) == 0
    assert [row["loss"] for row in read(out)] == [row["loss"] for row in read(other)]
    assert [row["final_test"] for row in read(out)] != [row["final_test"] for row in read(other)]
    data = load_links("ogbl-ddi", tmp_path / "other")
    sampler = script.plan(script.parse(["--sampler", "uniform"]), 0).sampler(data)
    assert bool(torch.isfinite(sampler.log_prob(*asked(data, data.test.positive))).all()), "test edges may be drawn"
    assert not bool(torch.isfinite(sampler.log_prob(*asked(data, data.train))).any()), "training edges may not"


def asked(data: LinkData, pairs: torch.Tensor) -> tuple[Any, torch.Tensor]:
    from graphns.base import Query

    nobody = torch.full_like(pairs[0], -1)
    return Query(pairs[0], nobody, 1), pairs[1][:, None]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("use_valid_edges", [False, True])
def test_figures_of_every_part(script: ModuleType, root: Path, name: str, use_valid_edges: bool) -> None:
    data, own = load_links(name, root), name == "ogbl-citation2"
    model = LinkModel.seeded(data, LinkConfig(hidden_size=8, size=8, dropout=0.5))
    figures = sys.modules["link_figures"].LinkFigures(data, 3, use_valid_edges)
    value = figures(2, model, data)
    (epoch, found), = figures.history
    valid, test = evaluate(model, data, "valid").as_dict(), evaluate(model, data, "test", use_valid_edges).as_dict()
    metrics = METRICS.get(name, MANY)
    assert (epoch, list(found), value) == (2, metrics, pytest.approx(valid[data.metric]))
    for metric in metrics:
        if metric in valid:
            assert found[metric][1:] == pytest.approx((valid[metric], test[metric]))
    # training edges: distinct, as many as validation edges, chosen by the seed; among the validation's negatives
    assert len(figures.rows.unique()) == 100 == len(figures.rows) < data.train.shape[1]
    others = sys.modules["link_figures"].LinkFigures(data, 4).rows
    assert not torch.equal(figures.rows, others) and torch.equal(
        figures.rows, sys.modules["link_figures"].LinkFigures(data, 3).rows)
    source, target = data.train[:, figures.rows]
    score = model.scorer(data)
    scores = score(source, target).detach()
    if own:
        among = torch.stack([score(source, away) for away in data.valid.negative[1].T], 1).detach()
        rank = 1 + (among > scores[:, None]).sum(1) + (among == scores[:, None]).sum(1) / 2
        assert found["mrr"][0] == pytest.approx(float((1 / rank).mean()))
    else:
        among = score(*data.valid.negative).detach()
        for metric in metrics:
            bar = among.topk(int(metric[5:])).values[-1]
            assert found[metric][0] == pytest.approx(float((scores > bar).double().mean()))
    again = sys.modules["link_figures"].LinkFigures(data, 3)
    again.load_state_dict(json.loads(json.dumps(figures.state_dict())))
    assert again.history == figures.history and again.seconds == figures.seconds > 0


def test_fewer_training_edges_than_validation_edges(script: ModuleType, root: Path) -> None:
    data = load_links("ogbl-citation2", root)
    small = LinkData(data.name, NODES, data.train[:, :7], data.valid, data.test, data.x, undirected=False)
    figures = sys.modules["link_figures"].LinkFigures(small, 0)
    figures(1, LinkModel.seeded(small, LinkConfig(hidden_size=8, size=8)), small)
    assert len(figures.rows) == 7 and 0 < figures.history[0][1]["mrr"][0] <= 1


def test_validation_edges_are_let_in_for_collab(run: Callable[..., int], tmp_path: Path) -> None:
    common = ("--dataset", "ogbl-collab", "--runs", "1")
    assert run(tmp_path / "with.csv", *common, "--use_valedges_as_input") == 0
    assert run(tmp_path / "without.csv", *common) == 0
    ours, plain = read(tmp_path / "with.csv")[0], read(tmp_path / "without.csv")[0]
    assert ours["loss"] == plain["loss"] and ours["highest_valid"] == plain["highest_valid"]
    assert run(tmp_path / "without.csv", *common, "--use_valedges_as_input") == 2, "another evaluation"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--dataset", "ogbl-biokg"], "ogbl-biokg is not among the data sets of this script: ogbl-ddi, ogbl-collab"),
    (["--use_valedges_as_input"], "OGB lets validation edges in for ogbl-collab alone, not for ogbl-ddi"),
    (["--set", "use_valid_edges=true"], "say --use_valedges_as_input instead"),
    (["--sampler", "hardst"], "did you mean 'hardest'?"),
    (["--sampler", "pseudo-typed"], "pseudo-typed needs triples with relations"),
    (["--set", "colour=1"], "link prediction has no setting 'colour'"),
    (["--set", "epochs=3"], "epochs is given twice"),
    (["--use_sage", "--set", "encoder=gat"], "encoder is given twice"),
    (["--set", "seed=1"], "give the first one's by --seed"),
    (["--eval_steps", "0"], "--eval_steps must be at least 1, got 0"),
    (["--dropout", "1"], "--dropout must be in [0, 1), got 1.0"),
    (["--lr", "nan"], "--lr must be above 0, got nan"),
    (["--out", "results.txt"], "--out must end in .csv"),
    (["--colour"], "unrecognized arguments: --colour"),
])
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    run: Callable[..., int], arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "results.csv", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("link.py: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
