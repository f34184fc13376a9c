"""`graphns train link` and `graphns eval link`: what they write and print, a killed run's same end, and mistakes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from graphns.cli import run
from graphns.commands.link_evaluation import table
from graphns.commands.link_run import LinkRun, read_model, read_run
from graphns.compare.link_source import LinkSource
from graphns.compare.specs import Spec
from graphns.data.link_loading import load_links
from graphns.metrics.links import evaluate_links
from graphns.samplers.static.uniform import Uniform
from graphns.scorers.heuristics import HEURISTICS

SHORT = ["--set", "hidden_size=8", "--set", "size=8", "--sampler", "uniform"]


def train(*arguments: str) -> int:
    return run(["train", "link", *arguments])


def test_a_run_folder_and_its_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert train("--epochs", "10", "--decoder", "ncn", "--logger", "csv,tensorboard", "--out", str(out), *SHORT) == 0
    printed = capsys.readouterr().out
    assert "10 epochs, weights of epoch" in printed and "hits@10" in printed
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["data"], config["task"], config["sampler"], config["settings"]["decoder"]) == (
        "digits", "link", "uniform", "ncn")
    assert np.load(out / "embeddings.npy", allow_pickle=False).shape == (1797, 8)
    with (out / "metrics" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(epoch) for epoch in range(1, 11)]
    assert [row["step"] for row in rows if row["validation"]] == ["5", "10"]
    result = json.loads((out / "result.json").read_text())
    assert result["valid"][result["metric"]] == pytest.approx(max(float(row["validation"]) for row in rows
                                                                 if row["validation"]))
    # what was printed, kept and evaluated anew is one and the same
    assert run(["eval", "link", str(out), "--heuristics", "cn,ra", "--out", str(tmp_path / "figures.csv")]) == 0
    printed = capsys.readouterr().out
    assert "digits, random negatives" in printed and "ra, test" in printed
    with (tmp_path / "figures.csv").open() as file:
        figures = {(row["row"], row["part"]): row for row in csv.DictReader(file)}
    assert len(figures) == 6
    for part in ("valid", "test"):
        for name, value in result[part].items():
            assert float(figures["model", part][name]) == pytest.approx(value)
    data = load_links("digits")
    assert float(figures["cn", "test"]["mrr"]) == evaluate_links(HEURISTICS["cn"](data.graph).pairs, data.test).mrr
    source, settings = read_run(out)
    embedded = read_model(out, data, settings).embed(data)
    assert source.data == "digits" and np.array_equal(embedded.numpy(), np.load(out / "embeddings.npy"))


@pytest.mark.parametrize("batches", [[], ["--num-neighbors", "5,3", "--batch-size", "2048"]], ids=["whole", "batches"])
def test_killed_it_ends_with_the_same_model(batches: list[str], tmp_path: Path) -> None:
    arguments = ["--epochs", "20" if batches else "60", "--checkpoint-every", "2", "--threads", "1", "--set",
                 "dropout=0.3", *batches, *SHORT]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = [sys.executable, "-m", "graphns.cli", "train", "link", *arguments, "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, str(cut)], env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (cut / "checkpoint.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (cut / "checkpoint.pt").exists() and not (cut / "embeddings.npy").exists()
    for folder in (cut, whole):
        subprocess.run([*command, str(folder)], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert np.array_equal(np.load(cut / "embeddings.npy"), np.load(whole / "embeddings.npy"))
    first, second = (torch.load(folder / "model.pt", weights_only=True) for folder in (cut, whole))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_mini_batches_by_option_or_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"option": ["--num-neighbors", "-1,3", "--batch-size", "4000"],
               "setting": ["--set", "num-neighbors=[-1, 3]", "--set", "batch-size=4000"]}
    for name, given in options.items():
        assert train("--epochs", "1", "--out", str(tmp_path / name), *given, *SHORT) == 0
        settings = yaml.safe_load((tmp_path / name / "config.yaml").read_text())["settings"]
        assert (settings["num_neighbors"], settings["batch_size"]) == ([-1, 3], 4000)
    first, second = (np.load(tmp_path / name / "embeddings.npy", allow_pickle=False) for name in options)
    assert np.array_equal(first, second)
    capsys.readouterr()
    assert run(["eval", "link", str(tmp_path / "option")]) == 0
    auc = json.loads((tmp_path / "option" / "result.json").read_text())["test"]["auc"]
    assert f"{100 * auc:.2f}" in capsys.readouterr().out


def test_heuristics_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "link", "--data", "digits", "--heuristics", "cn,aa,ra,ppr,katz", "--part", "test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[2:]] == ["cn", "aa", "ra", "ppr", "katz"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--decoder", "dott"], "no decoder is called 'dott'; there are: dot"),
    (["--encoder", "gin"], "no encoder is called 'gin'"),
    (["--set", "k=few"], "k must be int, got 'few'"),
    (["--set", "colour=1"], "link prediction has no setting 'colour'"),
    (["--k", "3", "--set", "k=4"], "k is given twice"),
    (["--sampler", "nosuch"], "no sampler is called 'nosuch'"),
    (["--sampler", "pseudo-typed"], "pseudo-typed needs triples with relations"),
    (["--num-neighbors", "10,x"], "write numbers of neighbours as 10,5, one for each layer, not '10,x'"),
    (["--num-neighbors", "10"], "a number for each layer of the encoder, got [10] and num_layers=2"),
    (["--num-neighbors", "10,5", "--sampler", "nearest"], "Nearest reads the model and has no inner sampler"),
    (["--accelerator", "abacus"], "no accelerator is called 'abacus'; there are: cpu, cuda"),
    (["--logger", "paper"], "no logger is called 'paper'"),
    (["--data", "Coro"], "Coro"),
    (["--evaluation", "harsh"], "harsh"),
    (["--val", "0.9", "--test", "0.2"], "0.9"),
])
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--epochs", "1", "--out", str(tmp_path / "run"), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "name the folder of a run, or --data"),
    (["--data", "digits"], "there is nothing to score by"),
    (["--data", "digits", "--heuristics", "cc"], "no heuristic is called 'cc'; there are: cn"),
    (["--data", "digits", "--heuristics", "cn", "--part", "train"], "no part is called 'train'"),
    (["--data", "digits", "--heuristics", "cn", "--part", ","], "name a part, valid, test, or both"),
    (["--data", "digits", "--heuristics", "cn", "--out", "x.txt"], "must end in .csv"),
    (["."], "it is no run of 'graphns train link'"),
    (["nosuch"], "there is no folder nosuch"),
])
def test_mistakes_of_an_evaluation(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "link", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_node_run_or_an_unfinished_one_is_no_link_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("task: node\n")
    with pytest.raises(ValueError, match="is no config of 'graphns train link'"):
        read_run(tmp_path)
    with pytest.raises(ValueError, match="its training is not finished"):
        read_model(tmp_path, load_links("digits"), LinkRun.make(LinkSource("digits")).config)
    torch.save({"encoder.table": torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="does not fit digits"):
        read_model(tmp_path, load_links("digits"), LinkRun.make(LinkSource("digits")).config)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_refused_training_leaves_a_finished_run_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Config and logs too, which are written anew in every call; and an empty folder stays empty."""
    out = tmp_path / "run"
    assert train("--epochs", "3", "--out", str(out), *SHORT) == 0
    before = files(out)
    assert "metrics/metrics.csv" in before
    assert train("--epochs", "2", "--out", str(out), *SHORT) == 2
    assert "3 epochs done, more than epochs=2" in capsys.readouterr().err
    assert files(out) == before
    assert train("--epochs", "4", "--out", str(out), *SHORT) == 0  # and more epochs go on from it
    with (out / "metrics" / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]
    assert not [path for path in out.iterdir() if path.name[0] == "."]
    (tmp_path / "empty").mkdir()
    assert train("--epochs", "1", "--out", str(tmp_path / "empty"), *SHORT[:4], "--sampler", "hardest", "--set",
                 "corrected=true") == 2  # told in the first step, when the config is written
    assert not files(tmp_path / "empty")
    (out / "config.yaml").write_bytes(b"\xff\xfe")
    assert train("--epochs", "4", "--out", str(out), *SHORT) == 2
    assert "is no config of a training" in capsys.readouterr().err


def test_a_run_is_evaluated_on_its_own_split_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On another split of the same data it would be asked for edges that it has learned."""
    out = tmp_path / "run"
    assert train("--epochs", "1", "--split-seed", "3", "--val", "0.1", "--no-features", "--out", str(out), *SHORT) == 0
    capsys.readouterr()
    assert run(["eval", "link", str(out)]) == 0
    own = capsys.readouterr().out
    assert run(["eval", "link", str(out), "--data", "digits"]) == 0  # split and features are the run's
    assert capsys.readouterr().out == own
    for option, value, message in (("--split-seed", "4", "split_seed = 3; with 4"), ("--val", "0.2", "val = 0.1"),
                                   ("--test", "0.2", "test = 0.1; with 0.2")):
        for more in ([], ["--data", "digits"]):
            assert run(["eval", "link", str(out), option, value, *more]) == 2
            assert message in capsys.readouterr().err
    (out / "model.pt").write_text("garbage")
    assert run(["eval", "link", str(out)]) == 2
    error = capsys.readouterr().err
    assert "is no model that can be read" in error and error.count("\n") == 1


class Featured(Uniform):
    """A third party's: it asks for features."""

    @classmethod
    def from_graph(cls, graph: Any, *, features: torch.Tensor) -> Uniform:  # type: ignore[override]
        sampler = Uniform(graph)
        sampler.register_buffer("seen", features)
        return sampler


def test_samplers_get_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "third_party", sys.modules[__name__])
    spec = Spec("featured", "featured", {}, "third_party:Featured")
    source = LinkSource("digits")
    data, bare = load_links("digits"), LinkSource("digits", features=False).load()
    found = LinkRun(source, LinkRun.make(source).config, spec).sampler(data)
    assert found is not None and torch.equal(found.get_buffer("seen"), data.x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="featured needs features, and digits has none"):
        LinkRun(source, LinkRun.make(source).config, spec).sampler(bare)


def test_samplers_get_their_defaults() -> None:
    data = load_links("digits")
    assert LinkRun.make(LinkSource("digits")).sampler(data) is None
    hardest = LinkRun.make(LinkSource("digits"), sampler="hardest", k=3).sampler(data)
    assert hardest is not None and hardest.pool == 12
    assert LinkRun.make(LinkSource("digits"), sampler="nearest").sampler(data) is not None
    assert LinkRun.make(LinkSource("digits"), sampler="global-edges").sampler(data) is not None


def test_a_table_of_nothing() -> None:
    assert table({}) == ""
