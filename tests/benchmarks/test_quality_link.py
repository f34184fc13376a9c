"""The quality benchmark of link prediction: equal trials, rows that are not made again, lists of HeaRT's kind."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from graphns.base import Query
from graphns.data.link_loading import load_links
from graphns.streams import Stream


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    pytest.importorskip("optuna", reason="pip install 'graphns[tune]'")
    return load_script("quality/link.py", "quality_link")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_quick_run_stopped_and_gone_on_with(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--out", str(tmp_path), "--set", "hidden_size=8", "--set", "size=8"]
    assert script.main([*arguments, "--minutes", "0"]) == 0  # no time: nothing is begun
    assert not (tmp_path / "runs.csv").exists()
    assert script.main(arguments) == 0
    printed = capsys.readouterr().out
    tuning, runs = read(tmp_path / "tuning.csv"), read(tmp_path / "runs.csv")
    assert len(tuning) == len(runs) == 4
    tried = {name: [row["settings"] for row in tuning if row["sampler"] == name] for name in ("uniform", "heart")}
    assert tried["uniform"] == tried["heart"] and len(set(tried["heart"])) == 2
    assert json.loads(tried["heart"][0]) == {"learning_rate": 0.001, "dropout": 0.0, "k": 1}  # the preset
    for row in runs:
        best = max((each for each in tuning if each["sampler"] == row["sampler"]), key=lambda each: float(
            each["validation"]))
        assert row["settings"] == best["settings"] and float(row["accuracy"]) == pytest.approx(
            json.loads(row["figures"])["auc"], abs=1e-5)
    assert "protocol random negatives, auc" in printed and "above uniform by more than the interval" in printed

    def never(*args: Any, **options: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(script, "train", never)
    assert script.main(arguments) == 0


def test_lists_hold_hard_non_edges_of_each_end(script: ModuleType) -> None:
    data = load_links("digits")
    sampler = script.heart_lists(data)
    source, target = data.train[:, :400]
    for anchor, positive in ((source, target), (target, source)):
        drawn = sampler(Query(anchor, positive, 20, stream=Stream(0)))
        assert bool(drawn.mask.all())
        pairs = anchor[:, None].expand_as(drawn.ids)
        assert not bool(data.graph.has_edge(pairs.flatten(), drawn.ids.flatten()).any())
        # near the anchor: far more often than at random two steps away
        from graphns.scorers.heuristics import HEURISTICS

        common = HEURISTICS["cn"](data.graph)
        near = (common.score(anchor, drawn.ids) > 0).double().mean()
        anywhere = (common.score(anchor, torch.arange(data.num_nodes)[None]) > 0).double().mean()
        assert near > 5 * anywhere
