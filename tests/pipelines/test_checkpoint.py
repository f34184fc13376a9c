"""Checkpoints: whole or not at all, and only for the run that wrote them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from graphns import Graph, Hardest, Uniform
from graphns.data.node import NodeData
from graphns.encoders.sparse import Sparse
from graphns.pipelines import checkpoint as module
from graphns.pipelines.checkpoint import NAME, Checkpoint, Log, fingerprint, ordered_sum, read, sampler_options


def parts(seed: int = 0) -> dict[str, Any]:
    return {"model": nn.Linear(2, 2, device="cpu").requires_grad_(False).apply(
        lambda layer: nn.init.constant_(layer.weight, seed) if isinstance(layer, nn.Linear) else None)}


IDENTITY = {"config": {"epochs": 3, "k": 5}, "sampler": "Uniform", "data": {"num_nodes": 4}}


def test_round_trip(tmp_path: Path) -> None:
    log = Log()
    log.add(1.5, 0.2, 0.1, 7)
    Checkpoint(tmp_path / "new", parts(3), IDENTITY).save(log)
    fresh = parts()
    assert Checkpoint(tmp_path / "new", fresh, IDENTITY).resume() == log
    assert bool((fresh["model"].weight == 3).all())


def test_no_folder_keeps_nothing() -> None:
    run = Checkpoint(None, parts(), IDENTITY)
    run.save(Log([1.0], [1.0], [1.0], 1))
    assert run.resume() == Log()


def test_a_write_cut_off_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Checkpoint(tmp_path, parts(), IDENTITY)
    run.save(Log([1.0], [1.0], [1.0], 1))
    before = (tmp_path / NAME).read_bytes()

    def fails(content: Any, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        run.save(Log([1.0, 0.5], [1.0, 1.0], [1.0, 1.0], 2))
    assert (tmp_path / NAME).read_bytes() == before
    assert len(run.resume().losses) == 1


@pytest.mark.parametrize(("change", "difference"), [
    ({"config": {"epochs": 3, "k": 6}}, "config k=5, not 6"),
    ({"config": {"epochs": 3, "k": 5, "new": 1}}, "config new=None, not 1"),
    ({"sampler": "Degree"}, "sampler='Uniform', not 'Degree'"),
    ({"data": {"num_nodes": 5}}, "data num_nodes=4, not 5"),
    ({"config": {"epochs": 1, "k": 5}}, "2 epochs done, more than epochs=1"),
])
def test_another_run_is_refused(tmp_path: Path, change: dict[str, Any], difference: str) -> None:
    Checkpoint(tmp_path, parts(), IDENTITY).save(Log([1.0, 1.0], [1.0, 1.0], [1.0, 1.0], 1))
    with pytest.raises(ValueError, match=rf"of another run \({difference}\): choose another folder"):
        Checkpoint(tmp_path, parts(), {**IDENTITY, **change}).resume()


def test_more_epochs_are_the_same_run(tmp_path: Path) -> None:
    Checkpoint(tmp_path, parts(), IDENTITY).save(Log([1.0], [1.0], [1.0], 1))
    longer = {**IDENTITY, "config": {"epochs": 9, "k": 5}}
    assert len(Checkpoint(tmp_path, parts(), longer).resume().losses) == 1


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-evil",)


def test_files_that_are_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / NAME
    for content in (b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no checkpoint that can be read"):
            read(path)
    torch.save({"format": 1, "log": Evil()}, path)
    with pytest.raises(ValueError, match=r"no checkpoint that can be read \(UnpicklingError\)"):
        read(path)
    assert not (tmp_path / "made-by-evil").exists()
    torch.save({"format": module._FORMAT + 1}, path)
    with pytest.raises(ValueError, match="no checkpoint of format 1: delete it, or use the graphns that wrote it"):
        read(path)


def test_fingerprints_tell_data_apart() -> None:
    def data(edge: int, x: float = 1.0) -> NodeData:
        return NodeData("any", torch.full((4, 2), x), torch.tensor([[0], [edge]]), torch.zeros(4, dtype=torch.int64))

    assert fingerprint(data(1)) == fingerprint(data(1))
    assert fingerprint(data(1)) != fingerprint(data(2))
    assert fingerprint(data(1)) != fingerprint(data(1, x=2.0))


def test_fingerprints_depend_on_order() -> None:
    edges, x = torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.arange(8.0).view(4, 2)
    made = [fingerprint(NodeData("any", features, edges, torch.zeros(4, dtype=torch.int64)))
            for features in (x, x.flip(0), x.flip(1))]
    assert ordered_sum(edges[0]) != ordered_sum(edges[0].flip(0))
    assert all(one != other for i, one in enumerate(made) for other in made[:i])


def test_sparse_features_have_the_fingerprint_of_dense_ones() -> None:
    x = torch.rand(30, 40, generator=torch.Generator().manual_seed(0))
    x = x * (x > 0.9)
    edges, y = torch.tensor([[0], [1]]), torch.zeros(30, dtype=torch.int64)
    sparse, other = Sparse.from_dense(x), Sparse.from_dense(x.flip(1))
    assert fingerprint(NodeData("any", sparse, edges, y)) == fingerprint(NodeData("any", x, edges, y))
    assert fingerprint(NodeData("any", other, edges, y)) != fingerprint(NodeData("any", x, edges, y))


def test_options_are_plain_and_of_every_sampler_within() -> None:
    base = Uniform(Graph.empty(9), exclude="self")
    base.extra, base.training = numpy.float64(0.5), False  # type: ignore[assignment]
    found = sampler_options(Hardest(base, pool=4))
    assert found["pool"] == 4 and found["base"] == "Uniform" and found["base.exclude"] == "self"
    assert found["base.replace"] is True and type(found["base.extra"]) is float
    assert not [name for name in found if "training" in name or "graph" in name]
