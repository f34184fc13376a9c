"""The peers benchmark: a quick run without peers, its report, and the graphs that it makes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(FOLDER / "peers.py"), *options], capture_output=True, text=True,
                          timeout=500, check=False)


def test_quick_run(tmp_path: Path) -> None:
    """Ours alone, beside two peers that are not installed here: their rows say so, and ours are measured."""
    done = run("--quick", "--peers", "DGL,GRAPE", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "peers.json").read_text())
    graph = result["graphs"][0]
    assert {row["task"] for row in graph["kernels"]} == {
        "pairs-call", "pairs", "edges-call", "edges", "batch", "per-source", "weighted", "walks", "visits"}
    for row in graph["kernels"]:
        assert 0 < row["ours"]["fastest"] <= row["ours"]["seconds"] <= row["ours"]["slowest"]
        assert row["ours"]["limit"] == pytest.approx(row["ours"]["lines"] / max_rate(result))
    assert {row["peer"] for row in graph["rows"]} == {"DGL", "GRAPE"}
    for row in graph["rows"]:
        assert row["theirs"] is not None or row["note"]
    assert {"torch", "dgl", "grape", "graphns"} <= set(result["versions"])
    assert result["machine"]["cpu"] and result["quick"] is True
    table = (tmp_path / "out" / "peers.md").read_text()
    assert "2,000 nodes" in table and "A quick run" in table
    assert table.count("| verified negatives per source, 19,142 x 5 |") == 3  # beside two calls of DGL's, and the limit


def max_rate(result: dict) -> float:  # type: ignore[type-arg]
    rates = result["gather"]["lines_per_second"]
    return float(rates[max(rates, key=int)])


def test_missing_peers_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = module("libraries", monkeypatch)
    monkeypatch.setitem(sys.modules, "ensmallen", None)
    assert libraries.available("GRAPE") == "not installed"
    monkeypatch.setitem(libraries.PEERS, "broken", libraries.Peer("torch.nothing_of_the_kind", (), None))
    assert libraries.available("broken") == "not installed"
    assert libraries.available("PyG") == ""


def test_pyg_tasks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyG is always here: each of its calls does what its row says."""
    libraries, tasks = module("libraries", monkeypatch), module("tasks", monkeypatch)
    edge_index = torch.randint(50, (2, 300), generator=torch.Generator().manual_seed(0))
    work = tasks.Work(edge_index, 50, batch=64, starts=8)
    seen = [(key, name, call()) for key, name, call in libraries.pyg(work)]
    assert [(key, name) for key, name, _ in seen] == list(libraries.PEERS["PyG"].tasks)
    assert all(key in tasks.TASKS for peer in libraries.PEERS.values() for key, _ in peer.tasks)
    assert [len(result) for _, _, result in seen[4:5]] == [64]
    assert len(seen[6][2]) == 64 * 5


def test_graphs_are_the_same_from_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = module("graphs", monkeypatch)
    shape = graphs.Shape("test", 500, 6_000, seed=3)
    edges = graphs.load(shape, tmp_path / "one")
    assert torch.equal(edges, graphs.load(shape, tmp_path / "two"))
    assert torch.equal(edges, graphs.load(shape, tmp_path / "one"))  # now from the file
    assert not torch.equal(edges[:, :9], graphs.load(graphs.Shape("test", 500, 6_000, seed=4), tmp_path)[:, :9])
    assert len({tuple(pair) for pair in edges.T.tolist()}) == edges.shape[1]
    degree = torch.bincount(edges[0], minlength=500)
    assert int(degree.min()) >= 1
    assert int(degree.max()) > 8 * degree.double().mean()  # hubs
    assert (edges[0].diff() < 0).any()  # not sorted


def test_gather_reads_every_line_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = module("gather", monkeypatch)
    table, total = np.ones(1 << 12, dtype=np.int64), np.zeros(1000, dtype=np.int64)
    gather._gather(0, 400, table, 5, total)
    gather._gather(400, 1000, table, 5, total)
    assert total.sum() == 1000
    assert gather.rate(1 << 15, 1000, 1, repeats=1) > 0


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    done = run("--peers", "Neo4j", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "'Neo4j' is no graph (tiny, small, large) and no peer (PyG, DGL" in done.stderr
