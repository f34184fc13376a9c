"""`graphns eval node`: what it reads, the figures it gives, and that mistakes end in a line."""

from __future__ import annotations

import csv
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.cli import run
from graphns.commands.node_evaluation import MOST, OURS, RAW, evaluate_node, percent, read_embeddings
from graphns.data import load
from graphns.metrics.evaluation import evaluate, majority

FAST = ["--set", "hidden_size=8", "--set", "projection_size=8", "--set", "k=4", "--sampler", "uniform"]


def call(*arguments: str | Path) -> int:
    return run(["eval", "node", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pixels(tmp_path: Path) -> Path:
    path = tmp_path / "pixels.npy"
    np.save(path, load("digits").x.numpy())
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """300 nodes of 3 classes that 6 features tell apart badly, without a split of its own."""
    y = torch.arange(300) % 3
    x = 2 * torch.eye(3, 6)[y] + torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "small.pt"
    torch.save({"x": x, "edge_index": torch.tensor([[0], [1]]), "y": y, "embeddings": x}, path)
    return path


def test_a_run_folder_knows_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert run(["train", "node", "--epochs", "1", "--logger", "none", "--out", str(folder), *FAST]) == 0
    capsys.readouterr()
    assert call(folder, "--out", tmp_path / "a.csv") == 0
    out, err = capsys.readouterr()
    assert "digits, protocol public (split 0): accuracy of a linear probe, %" in out and err == ""
    found = rows(tmp_path / "a.csv")
    assert [row["row"] for row in found] == [OURS, RAW, MOST]
    wanted = evaluate(torch.from_numpy(np.load(folder / "embeddings.npy")), load("digits"), "public")
    assert found[0]["accuracy"] == str(wanted.accuracy) and found[0]["C"] == str(wanted.probes[0].strength)
    assert re.search(rf"embeddings +{100 * wanted.accuracy:.2f} ", out)


@pytest.mark.parametrize("protocol", ["random-10-90", "random-10-10-80"])
def test_figures_of_a_random_protocol(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                      protocol: str) -> None:
    arguments = [small, "--data", small, "--protocol", protocol, "--splits", "2", "--seed", "5"]
    assert call(*arguments, "--out", tmp_path / "a.csv", "--threads", "1") == 0
    out = capsys.readouterr().out
    found = rows(tmp_path / "a.csv")
    data = load(small)
    wanted = evaluate(data.dense, data, protocol, splits=2, seed=5)
    assert [(row["row"], row["split_seed"]) for row in found] == [
        (name, seed) for seed in ("5", "6") for name in (OURS, RAW, MOST)]
    assert {(row["protocol"], row["data"]) for row in found} == {(protocol, "small")}
    for name in (OURS, RAW):  # the embeddings are the features
        own = [row for row in found if row["row"] == name]
        assert [float(row["accuracy"]) for row in own] == [probe.accuracy for probe in wanted.probes]
        assert [float(row["validation_accuracy"]) for row in own] == [probe.validation for probe in wanted.probes]
        assert [float(row["C"]) for row in own] == [probe.strength for probe in wanted.probes]
    sizes = wanted.probes[0].sizes
    assert {(row["train"], row["validation"], row["test"]) for row in found} == {tuple(map(str, sizes))}
    assert [float(row["accuracy"]) for row in found if row["row"] == MOST] == [
        majority(data, protocol, seed) for seed in (5, 6)]
    shown = f"{100 * wanted.accuracy:.2f} ± {100 * wanted.std:.2f}"
    assert out.count(shown) == 2 and f"protocol {protocol} (seeds 5 to 6)" in out and "/".join(map(str, sizes)) in out
    assert ("5 folds of the train nodes" in out) == (protocol == "random-10-90")
    assert call(*arguments, "--out", tmp_path / "b.csv") == 0
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()


def test_without_references(pixels: Path, tmp_path: Path) -> None:
    assert call(pixels, "--data", "digits", "--no-references", "--out", tmp_path / "a.csv") == 0
    assert [row["row"] for row in rows(tmp_path / "a.csv")] == [OURS]


def test_every_public_split_by_default(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = torch.rand(300, 3, generator=torch.Generator().manual_seed(0)).argsort(0)
    masks = {"train_mask": order < 20, "val_mask": (order >= 20) & (order < 60), "test_mask": order >= 60}
    many = tmp_path / "many.pt"
    torch.save({**torch.load(small, weights_only=True), **masks}, many)
    found = evaluate_node(small, data=str(many), references=False, threads=1)
    assert [each.split_seed for each in found] == [0, 1, 2] and len({each.accuracy for each in found}) > 1
    second = load(many, split=1)
    assert found[1].accuracy == evaluate(second.dense, second, "public").accuracy
    assert call(small, "--data", many, "--seed", "1", "--splits", "1") == 0
    assert "(split 1)" in capsys.readouterr().out
    assert call(small, "--data", many, "--seed", "2", "--splits", "2") == 2
    assert "many has 3 split(s) of its own, numbered from 0; asked for were 2, from number 2" in capsys.readouterr().err


def test_data_without_a_split_of_its_own(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(small, "--data", small, "--splits", "1", "--no-references") == 0
    assert "small, protocol random-10-10-80 (seed 0)" in capsys.readouterr().out
    assert call(small, "--data", small, "--protocol", "public") == 2
    assert "no split of its own: use protocol='random-10-10-80'" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["float32.npy", "float16.npy", "plain.pt", "dict.pt", "folder", "folder of pt"])
def test_what_is_read(tmp_path: Path, form: str) -> None:
    values = torch.arange(6.0).view(3, 2)
    path = tmp_path / form
    if form.endswith("npy"):
        np.save(path, values.numpy().astype(np.float16 if "16" in form else np.float32))
    elif form.endswith(".pt"):
        torch.save({"embeddings": values, "epoch": 3} if "dict" in form else values, path)
    else:
        path.mkdir()
        (path / "config.yaml").write_text("data: Cora\nroot: null\nmethod: grace\n")
        if "pt" in form:
            torch.save({"embeddings": values}, path / "embeddings.pt")
        else:
            np.save(path / "embeddings.npy", values.numpy())
    found, run = read_embeddings(path)
    assert torch.equal(found, values) and found.dtype == torch.float32
    assert run == ({"data": "Cora"} if "folder" in form else {})


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched-by-evil"),)


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    torch.save({"embeddings": Evil()}, "evil.pt")
    Path("run").mkdir()
    np.save("run/embeddings.npy", np.eye(2))
    Path("run/config.yaml").write_text("data: !!python/object/apply:pathlib.Path.touch [touched-by-evil]")
    for name, message in (("evil.npy", "cannot|can be read"), ("evil.pt", "can be read"), ("run", "is no YAML")):
        with pytest.raises(ValueError, match=message):
            read_embeddings(Path(name))
    assert not Path("touched-by-evil").exists()


@pytest.mark.parametrize(("name", "content", "message"), [
    ("nowhere.npy", None, "there is no file or folder"),
    ("a.csv", b"1,2", "is neither .npy nor .pt"),
    ("a.npy", b"nonsense", "holds no embeddings that can be read"),
    ("a.pt", pickle.dumps([1]), "embeddings"),
    ("a.pt", b"", "holds no embeddings that can be read"),
])
def test_files_that_hold_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None,
                              message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert call(tmp_path / name, "--data", "digits") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(("content", "message"), [
    (torch.zeros(3), r"must hold embeddings \[N, d\].*it holds a tensor \(3,\)"),
    ({"model": torch.zeros(3, 2)}, "it holds a NoneType"),
    ("words", "it holds a str"),
])
def test_content_that_is_none(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "a.pt")


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "does not say of which data set its embeddings are: give --data NAME"),
    (["--data", "digts"], "did you mean 'digits'"),
    (["--data", "digits", "--protocol", "half"], "protocol must be one of public, random-10-90, random-10-10-80"),
    (["--data", "digits", "--splits", "0"], "--splits"),
    (["--data", "digits", "--splits", "2"], "digits has 1 split(s) of its own"),
    (["--data", "digits", "--out", "a.txt"], "cannot write a.txt: the name must end in .csv"),
    (["--data", "digits", "--out", "no/such/folder/a.csv"], "there is no folder no/such/folder"),
])
def test_mistakes(pixels: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                  arguments: list[str], message: str) -> None:
    monkeypatch.chdir(pixels.parent)
    assert call(pixels, *arguments) == 2
    out, error = capsys.readouterr()
    assert out == "" and message in error and error.count("\n") == 1
    assert [each.name for each in pixels.parent.iterdir()] == ["pixels.npy"]


def test_embeddings_of_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "e.npy", np.ones((5, 2)))
    assert call(tmp_path / "e.npy", "--data", "digits") == 2
    assert "need one embedding per node [1797, d], got (5, 2)" in capsys.readouterr().err


def test_an_unfinished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("data: digits\n")
    assert call(tmp_path) == 2
    assert "its training is not finished, or it is no run" in capsys.readouterr().err


def test_a_run_on_links_is_not_taken_for_one_on_nodes(pixels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pixels.parent / "run"
    folder.mkdir()
    np.save(folder / "embeddings.npy", np.load(pixels)[:, :3])
    (folder / "config.yaml").write_text("task: link\ndata: digits\n")
    assert call(folder) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1
    assert "is a run of 'graphns train link', which 'graphns eval link' evaluates; to probe" in error
    assert call(folder, "--data", "digits", "--no-references") == 0, "asked for by name"


def test_percent() -> None:
    assert percent([0.1, 0.2, 0.3]) == "20.00 ± 10.00" and percent([None, 0.5]) == "50.00" and percent([]) == "–"
    assert math.isclose(float(percent([2 / 3])), 66.67)


@pytest.mark.data
def test_all_ten_splits_of_minesweeper(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load("Minesweeper", data_root)
    np.save(tmp_path / "e.npy", data.dense.numpy())
    assert call(tmp_path / "e.npy", "--data", "minesweeper", "--root", data_root, "--out", tmp_path / "a.csv",
                "--no-references") == 0
    assert [row["split_seed"] for row in rows(tmp_path / "a.csv")] == [str(number) for number in range(10)]
    assert "Minesweeper, protocol public (splits 0 to 9)" in capsys.readouterr().out


def test_the_probe_by_descent(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [small, "--data", small, "--protocol", "random-10-10-80", "--splits", "1", "--classifier", "descent"]
    assert call(*arguments, "--out", tmp_path / "a.csv") == 0
    shown = capsys.readouterr().out
    assert "softmax regression by Adam" in shown and "liblinear" not in shown and "C chosen" not in shown
    found = rows(tmp_path / "a.csv")
    data = load(small)
    wanted = evaluate(data.dense, data, "random-10-10-80", splits=1, classifier="descent").probes[0]
    assert float(found[0]["accuracy"]) == wanted.accuracy and found[0]["C"] == ""
    assert {row["classifier"] for row in found} == {"descent"}


@pytest.mark.parametrize(("given", "message"), [
    (["--classifier", "svm"], "unknown classifier 'svm': choose one of liblinear, descent"),
    (["--classifier", "descent", "--protocol", "random-10-90"], "random-10-90 has none: take 'liblinear'"),
])
def test_classifiers_that_are_not_there(small: Path, capsys: pytest.CaptureFixture[str], given: list[str],
                                        message: str) -> None:
    assert call(small, "--data", small, *given) != 0
    assert message in " ".join(capsys.readouterr().err.split())
