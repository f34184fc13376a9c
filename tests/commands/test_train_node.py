"""`graphns train node`: what it writes, that a killed run goes on to the same end, and that mistakes end in a line."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from graphns.cli import run
from graphns.commands.node_run import NodeRun
from graphns.commands.run_folder import setting

SHORT = ["--set", "hidden_size=8", "--set", "projection_size=8", "--set", "k=4", "--sampler", "uniform"]


def train(*arguments: str) -> int:
    return run(["train", "node", *arguments])


def test_a_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert train("--epochs", "3", "--logger", "csv,tensorboard", "--out", str(out), *SHORT) == 0
    assert "3 epochs, loss" in capsys.readouterr().out
    embeddings = np.load(out / "embeddings.npy", allow_pickle=False)
    assert embeddings.shape == (1797, 8) and embeddings.dtype == np.float32
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["data"], config["method"], config["sampler"], config["settings"]["k"]) == (
        "digits", "grace", "uniform", 4)
    with (out / "metrics" / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert any(each.name.startswith("events") for each in (out / "tensorboard").iterdir())
    assert train("--epochs", "5", "--out", str(out), *SHORT) == 0  # longer: it goes on
    with (out / "metrics" / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5"]
    assert not np.array_equal(np.load(out / "embeddings.npy"), embeddings)


def test_features_normalized_or_not_are_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, other = tmp_path / "run", tmp_path / "other"
    assert train("--epochs", "2", "--normalize", "--out", str(out), *SHORT) == 0
    assert yaml.safe_load((out / "config.yaml").read_text())["normalize"] is True
    assert train("--epochs", "2", "--no-normalize", "--out", str(other), *SHORT) == 0
    assert not np.array_equal(np.load(out / "embeddings.npy"), np.load(other / "embeddings.npy"))
    assert train("--epochs", "3", "--out", str(out), *SHORT) == 2
    assert "holds a run with normalize = True, now it is None" in capsys.readouterr().err


def test_killed_at_any_step_it_ends_with_the_same_embeddings(tmp_path: Path) -> None:
    arguments = ["--epochs", "60", "--checkpoint-every", "3", "--threads", "1", *SHORT]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    command = [sys.executable, "-m", "graphns.cli", "train", "node", *arguments, "--out"]
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


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "grcae"], "no method on nodes is called 'grcae'; did you mean 'grace'?"),
    (["--set", "k"], "write a setting as name=value, not 'k'"),
    (["--set", "k=few"], "k must be int, got 'few'"),
    (["--set", "colour=1"], "GRACE has no setting 'colour'"),
    (["--set", "k=3", "--set", "k=4"], "k is given twice"),
    (["--sampler", "nosuch"], "no sampler is called 'nosuch'"),
    (["--sampler", "pseudo-typed"], "pseudo-typed needs triples with relations"),
    (["--logger", "paper"], "no logger is called 'paper'; there are: csv, tensorboard, or none"),
    (["--data", "Coro"], "no data set is called 'Coro'"),
    (["--precision", "64"], "precision must be one of 32-true"),
])
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--out", str(tmp_path / "run"), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_folders_of_others_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert train("--out", str(tmp_path), *SHORT) == 2
    assert "holds other files; name a new folder" in capsys.readouterr().err
    out = str(tmp_path / "run")
    assert train("--epochs", "1", "--out", out, *SHORT) == 0
    assert train("--epochs", "1", "--seed", "1", "--out", out, *SHORT) == 2
    assert "holds a run with seed = 0, now it is 1" in capsys.readouterr().err


def test_presets_do_not_depend_on_how_the_name_is_written() -> None:
    wanted = NodeRun.make("CiteSeer").config
    assert wanted != NodeRun.make("digits").config
    assert NodeRun.make(" citeseer").config == NodeRun.make("planetoid_CiteSeer").config == wanted


def test_settings_are_read_as_yaml_has_them() -> None:
    assert setting("learning-rate=1e-3") == ("learning_rate", 0.001)
    assert setting("drop_edge=[0.1, 0.2]") == ("drop_edge", [0.1, 0.2])
    assert setting("patience=null") == ("patience", None)
    assert setting("activation=prelu") == ("activation", "prelu")
