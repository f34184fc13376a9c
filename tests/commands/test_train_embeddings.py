"""`graphns train embeddings`: what it writes and prints, that a longer run goes on with a shorter one, and mistakes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from graphns.cli import run
from tests.pipelines.test_embeddings_data import blobs

SHORT = ["--size", "8", "--neighbors", "3", "--batch-size", "16", "--k", "4", "--set", "validate-every=1"]


def train(*arguments: str) -> int:
    return run(["train", "embeddings", *arguments])


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    data = blobs()
    assert data.labels is not None
    np.save(tmp_path / "x.npy", data.x.numpy())
    (tmp_path / "labels.txt").write_text("\n".join(f"class {each}" for each in data.labels.tolist()))
    return ["--data", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "labels.txt"), *SHORT]


def test_a_run_folder(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert train(*files, "--sampler", "random-walk", "--layers", "2", "--epochs", "3", "--out", str(out)) == 0
    printed = capsys.readouterr().out
    assert "3 epochs, weights of epoch" in printed and "raw vectors, test" in printed
    assert "negatives with the label of their anchor: " in printed
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["task"], config["sampler"], config["settings"]["num_layers"], config["settings"]["k"]) == (
        "embeddings", "random-walk", 2, 4)
    assert np.load(out / "embeddings.npy", allow_pickle=False).shape == (60, 8)
    with (out / "metrics" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    result = json.loads((out / "result.json").read_text())
    assert result["valid"]["map@r"] == pytest.approx(max(float(row["validation"]) for row in rows))
    assert 0 <= result["false_negatives"] <= 1 and len(result["false_by_epoch"]) == 3
    assert f"{result['test']['r@1']:.4f}" in printed and result["num_trained"] == 43


def test_more_epochs_go_on_with_a_run_and_end_the_same(files: list[str], tmp_path: Path) -> None:
    arguments = [*files, "--set", "dropout=0.3", "--layers", "2", "--logger", "none", "--threads", "1"]
    threads = torch.get_num_threads()
    try:
        for folder, epochs in (("cut", "2"), ("cut", "5"), ("whole", "5")):
            assert train(*arguments, "--epochs", epochs, "--out", str(tmp_path / folder)) == 0
    finally:
        torch.set_num_threads(threads)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert np.array_equal(np.load(cut / "embeddings.npy"), np.load(whole / "embeddings.npy"))
    one, other = (json.loads((folder / "result.json").read_text()) for folder in (cut, whole))
    for name in ("valid", "test", "loss", "false_by_epoch", "num_drawn", "epoch"):
        assert one[name] == other[name]


def test_pairs_of_a_file(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pairs.csv").write_text("\n".join(f"{each},{each + 30}" for each in range(30)))
    assert train(*files[:2], *SHORT, "--pairs", str(tmp_path / "pairs.csv"), "--epochs", "1", "--out",
                 str(tmp_path / "run")) == 0
    assert "mrr" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "result.json").read_text())["false_negatives"] is None


@pytest.mark.parametrize(("arguments", "message"), [
    (["--data", "digitz"], "did you mean 'digits'?"),
    (["--data", "nosuch.npy"], "nosuch.npy"),
    (["--data", "x.csv"], "x.csv is no .npy file: save the vectors with numpy.save"),
    (["--labels", "x.txt"], "--labels belongs to a file of vectors"),
    (["--features", "tfidf"], "features must be 'pixels' or 'pca'"),
    (["--sampler", "nosuch"], "no sampler is called 'nosuch'"),
    (["--sampler", "pseudo-typed"], "needs triples with relations"),
    (["--objective", "nosuch"], "nosuch"),
    (["--positives", "pairs"], "positives='pairs' needs pairs, and digits has none"),
    (["--set", "encoder=gcn"], "leave it out"),
    (["--set", "val=2"], "val must be a share"),
    (["--neighbors", "5000"], "k must be a whole number from 1 to 1293"),
    (["--k", "3", "--set", "k=4"], "k is given twice"),
])
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--epochs", "1", "--out", str(tmp_path / "run"), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_files_that_are_no_vectors_or_labels(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "few.txt").write_text("a\nb\n")
    for arguments, message in ((["--data", str(tmp_path / "text.npy")], "text.npy"),
                               ([*files[:2], "--labels", str(tmp_path / "few.txt")], "a label for each of 60 rows")):
        assert train(*arguments, "--out", str(tmp_path / "run")) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1 and not (tmp_path / "run").exists()
