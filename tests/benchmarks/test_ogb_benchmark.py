"""The leaderboard script on a small data set in OGB's own format: its figures, what it keeps, and what it refuses."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
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

from graphns.adapters.ogb.node import accuracy as official
from graphns.pipelines.methods import METHODS

if importlib.util.find_spec("ogb") is None:  # importorskip would import it, and with it its question to PyPI
    pytest.skip("pip install 'graphns[ogb]'", allow_module_level=True)

FOLDER = Path(__file__).parents[2] / "benchmarks" / "ogb"
NODES, CLASSES = 300, 4
FIGURES = ("highest_train", "highest_valid", "final_train", "final_test")
QUICK = ["--runs", "2", "--epochs", "20", "--pretrain_epochs", "10", "--num_layers", "2", "--hidden_channels", "64",
         "--sampler", "shared", "--set", "hidden_size=32", "--set", "projection_size=16", "--set", "k=16", "--device",
         "-1"]


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("ogb/node.py", "ogb_node")


@pytest.fixture(scope="module")
def planted() -> dict[str, Any]:
    """Four groups of 75 nodes that keep to themselves, with features that tell a little of the group."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(CLASSES), NODES // CLASSES)
    chance = np.where(y[:, None] == y, 0.1, 0.01)
    edge_index = np.stack(np.nonzero(np.triu(rng.random((NODES, NODES)) < chance, 1)))
    x = rng.normal(size=(NODES, 16)).astype(np.float32) + np.eye(CLASSES, 16, dtype=np.float32)[y]
    order = rng.permutation(NODES)
    split = {"train": order[:100], "valid": order[100:200], "test": order[200:]}
    return {"x": x, "edge_index": edge_index, "y": y, "split": split}


@pytest.fixture(scope="module")
def saved(script: ModuleType, planted: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description of the planted graph, as written by OGB."""
    y = torch.zeros(1, dtype=torch.long)
    official("ogbn-arxiv", y, y)  # imports ogb without its question to PyPI
    from ogb.io import DatasetSaver

    folder = tmp_path_factory.mktemp("ogb")
    mapping = folder / "mapping"
    mapping.mkdir()
    (mapping / "README.md").write_text("no names")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        saver = DatasetSaver("ogbn-planted", is_hetero=False, version=1, root=str(folder / "saved"))
        saver.save_graph_list([
            {"edge_index": planted["edge_index"], "num_nodes": NODES, "node_feat": planted["x"]}])
        saver.save_target_labels(planted["y"][:, None])
        saver.save_split(planted["split"], "random")
        saver.copy_mapping_dir(str(mapping))
        saver.save_task_info("multiclass classification", "acc", CLASSES)
        saver.get_meta_dict()
    return folder / "saved_ogbn_planted" / "meta_dict.pt"


@pytest.fixture
def run(script: ModuleType, saved: Path) -> Callable[..., int]:
    """The script, on the planted graph."""
    def go(out: Path, *arguments: str) -> int:
        code: int = script.main(["--dataset", "ogbn-planted", "--meta_dict", str(saved), "--evaluator", "ogbn-arxiv",
                                 "--out", str(out), *QUICK, *arguments])
        return code

    return go


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def untimed(path: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in read(path)]


def never(*args: Any, **options: Any) -> None:
    raise AssertionError("made anew")


def test_two_runs_and_their_statistics(
    script: ModuleType, run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "results.csv"
    assert run(out) == 0
    printed = capsys.readouterr().out
    rows, about = read(out), json.loads(out.with_suffix(".json").read_text())
    assert [(row["run"], row["seed"], row["pretrain_epochs"]) for row in rows] == [("1", "0", "10"), ("2", "1", "10")]
    assert rows[0]["final_test"] != rows[1]["final_test"] or rows[0]["loss"] != rows[1]["loss"]
    tail = printed[printed.index("All runs:"):].splitlines()[1:]
    for name, line in zip(FIGURES, tail, strict=True):
        values = [float(row[name]) for row in rows]
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        assert about["statistics"][name] == pytest.approx({"mean": mean, "std": deviation})
        assert line.strip() == f"{name.replace('_', ' ').title()}: {100 * mean:.2f} ± {100 * deviation:.2f}"
    assert about["statistics"]["final_test"]["mean"] > 0.7  # chance is 0.25
    assert about["runs"] == 2 and about["versions"]["ogb"] and about["arguments"]["pretrain_epochs"] == "10"
    parts = about["parameters"]
    method = (16 * 64 + 64 + 64 * 32 + 32) + (32 * 16 + 16 + 16 * 32 + 32)  # encoder and projector
    probe = 32 * 64 + 64 + 2 * 64 + 64 * CLASSES + CLASSES
    assert parts == {"method": method, "sampler": 0, "probe": probe, "total": method + probe}
    # every epoch was told, and the figures follow from what was told
    lines = [line for line in printed.splitlines() if line.startswith("Run: 02, Epoch")]
    told = [[float(word.rstrip("%,")) for word in line.split() if "%" in word] for line in lines]
    best = max(range(20), key=lambda epoch: told[epoch][1])
    assert len(told) == 20 and int(rows[1]["epoch"]) == best + 1
    assert 100 * float(rows[1]["final_test"]) == pytest.approx(told[best][2])
    with monkeypatch.context() as patch:
        for name in ("fit", "train_epochs", "read"):
            patch.setattr(script, name, never)
        before = out.read_bytes()
        assert run(out) == 0
        assert out.read_bytes() == before and printed[printed.index("All runs:"):] in capsys.readouterr().out
    assert run(out, "--runs", "3") == 0  # more of the same
    assert untimed(out)[:2] == [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]
    assert len(read(out)) == 3
    assert run(out, "--lr", "0.1") == 2
    assert capsys.readouterr().err == (f"node.py: {out} holds runs with lr=0.01, now it is 0.1: name another --out, or "
                                       "delete it and its .json\n")


def test_cut_off_it_ends_as_if_it_had_not_been(
    script: ModuleType, run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--pretrain_epochs", "30", "--probe", "linear", "--use_features")
    fit = script.fit

    def cut(*args: Any, progress: Callable[..., None], **options: Any) -> Any:
        def stop(done: int, of: int, loss: float) -> None:
            progress(done, of, loss)
            if args[3].seed == 1 and done == 27:  # the second run, two epochs after its checkpoint
                raise KeyboardInterrupt

        return fit(*args, progress=stop, **options)

    with monkeypatch.context() as patch:
        patch.setattr(script, "fit", cut)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut.csv", *more)
    assert len(read(tmp_path / "cut.csv")) == 1 and (tmp_path / "cut" / "run-02" / "checkpoint.pt").exists()
    seen: list[int] = []
    monkeypatch.setattr(script, "fit", lambda *args, **options: seen.append(args[3].seed) or fit(*args, **options))
    assert run(tmp_path / "cut.csv", *more) == 0
    assert seen == [1]
    assert run(tmp_path / "whole.csv", *more) == 0
    assert untimed(tmp_path / "cut.csv") == untimed(tmp_path / "whole.csv")
    assert read(tmp_path / "whole.csv")[0]["probe_parameters"] == str((32 + 16) * CLASSES + CLASSES)


@pytest.mark.parametrize("method", METHODS)
def test_any_method_is_trained(script: ModuleType, saved: Path, method: str, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    assert script.main(["--dataset", "ogbn-planted", "--meta_dict", str(saved), "--evaluator", "ogbn-arxiv", "--out",
                        str(out), "--method", method, "--runs", "1", "--pretrain_epochs", "1", "--epochs", "1",
                        "--set", "hidden_size=16", "--device", "-1"]) == 0
    row, = read(out)
    assert row["pretrain_epochs"] == "1" and int(row["method_parameters"]) > 0
    assert json.loads(out.with_suffix(".json").read_text())["asked"]["method"] == method


def test_mini_batches(run: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    assert run(out, "--set", "num_neighbors=[5,5]", "--set", "batch_size=64", "--pretrain_epochs", "2") == 0
    assert json.loads(out.with_suffix(".json").read_text())["asked"]["settings"]["num_neighbors"] == [5, 5]
    assert run(out, "--set", "batch_size=64", "--pretrain_epochs", "2") == 2  # another training


@pytest.mark.parametrize(("arguments", "message"), [
    (["--method", "grcae"], "no method on nodes is called 'grcae'; did you mean 'grace'?"),
    (["--sampler", "pseudo-typed"], "pseudo-typed needs triples with relations"),
    (["--set", "colour=1"], "GRACE has no setting 'colour'"),
    (["--set", "seed=1"], "give the first one's by --seed"),
    (["--evaluator", "ogbn-proteins"], "--evaluator: invalid choice: 'ogbn-proteins'"),
    (["--probe", "tree"], "invalid choice: 'tree'"),
    (["--runs", "0"], "--runs must be at least 1, got 0"),
    (["--dropout", "1"], "--dropout must be in [0, 1), got 1.0"),
    (["--lr", "nan"], "--lr must be above 0, got nan"),
    (["--out", "results.txt"], "--out must end in .csv"),
    (["--meta_dict", "no/meta_dict.pt"], "no/meta_dict.pt is no meta_dict.pt of ogb.io.DatasetSaver"),
    (["--colour"], "unrecognized arguments: --colour"),
])
def test_a_mistake_ends_in_one_line_and_leaves_nothing(
    run: Callable[..., int], arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "results.csv", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_other_files_are_left_alone(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.csv"
    out.write_text("a,b\n1,2\n")
    assert run(out) == 2
    assert "but no results.json beside it: name another --out" in capsys.readouterr().err
    out.with_suffix(".json").write_text("[]")
    assert run(out) == 2
    assert "is not of this script" in capsys.readouterr().err
    assert out.read_text() == "a,b\n1,2\n"


def test_data_that_are_not_there(
    script: ModuleType, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["--dataset", "ogbn-planted"], "there is no evaluator of ogbn-planted: name another's by --evaluator"),
        (["--dataset", "ogbn-mag", "--evaluator", "ogbn-arxiv"], "ogbn-mag cannot be read: it has several kinds"),
        ([], f"no ogbn-arxiv in {tmp_path}, and downloading it failed (OSError: no way to http"),
    ):
        def unreachable(url: str) -> None:
            raise OSError(f"no way to {url}")

        monkeypatch.setattr(sys.modules["ogb.nodeproppred.dataset_pyg"], "decide_download", unreachable)
        assert script.main([*arguments, "--root", str(tmp_path), "--out", str(tmp_path / "results.csv")]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"node.py: {message}")
        assert not list(tmp_path.iterdir())


def test_what_ogb_wrote_is_read_whole(script: ModuleType, planted: dict[str, Any], saved: Path) -> None:
    options = script.parse(["--dataset", "ogbn-planted", "--meta_dict", str(saved), "--evaluator", "ogbn-arxiv"])
    for _ in range(2):  # first from OGB's raw files, then from what OGB has kept
        data = script.read(options)
        assert (data.x.numpy() == planted["x"]).all() and (data.y.numpy() == planted["y"]).all()
        for mask, part in (("train_mask", "train"), ("val_mask", "valid"), ("test_mask", "test")):
            assert getattr(data, mask).nonzero()[:, 0].tolist() == sorted(planted["split"][part].tolist())
        pairs = {tuple(pair) for pair in planted["edge_index"].T.tolist()}
        assert {tuple(pair) for pair in data.edge_index.T.tolist()} == pairs | {pair[::-1] for pair in pairs}
