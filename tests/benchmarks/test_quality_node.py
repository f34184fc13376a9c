"""The quality benchmark of methods on nodes: equal trials, rows that are not made again, and an honest verdict."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    pytest.importorskip("optuna", reason="pip install 'graphns[tune]'")
    return load_script("quality/node.py", "quality_node")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_quick_run_stopped_and_gone_on_with(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--out", str(tmp_path), "--set", "hidden_size=8", "--set", "projection_size=8"]
    assert script.main([*arguments, "--minutes", "0"]) == 0  # no time: nothing is begun
    assert not (tmp_path / "runs.csv").exists()
    assert script.main(arguments) == 0
    printed = capsys.readouterr().out
    tuning, runs = read(tmp_path / "tuning.csv"), read(tmp_path / "runs.csv")
    assert len(tuning) == len(runs) == 4
    tried = {name: [row["settings"] for row in tuning if row["sampler"] == name] for name in ("all", "uniform")}
    assert tried["all"] == tried["uniform"] and len(set(tried["all"])) == 2
    first = json.loads(tried["all"][0])
    assert (first["temperature"], first["k"], first["drop_edge"]) == (0.4, 64, [0.2, 0.4])  # the preset of digits
    for name in ("all", "uniform"):
        best = max((row for row in tuning if row["sampler"] == name), key=lambda row: float(row["validation"]))
        assert {row["settings"] for row in runs if row["sampler"] == name} == {best["settings"]}
    assert {(row["sampler"], row["to"]) for row in read(tmp_path / "differences.csv")} == {
        ("all", "uniform"), ("uniform", "all")}
    assert "no sampler is above both all and uniform" in printed

    def never(*args: Any, **options: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(script, "fit", never)
    assert script.main(arguments) == 0


def test_the_verdict_needs_both_references(script: ModuleType, tmp_path: Path) -> None:
    import argparse

    from sampler_report import report

    options = argparse.Namespace(out=tmp_path, trials=1, seeds=[0, 1, 2], methods=["grace"],
                                 samplers=["all", "uniform", "good", "half"])
    runs = script.Rows(tmp_path / "runs.csv", ("data", "method", "sampler", "protocol", "budget", "trials", "seed",
                                               "settings", "accuracy", "seconds"))
    for seed in range(3):
        for name, base in (("all", 0.70), ("uniform", 0.80), ("good", 0.90), ("half", 0.80)):
            runs.add(data="x", method="grace", sampler=name, protocol="public", budget="{}", trials=1, seed=seed,
                     settings="{}", accuracy=base + 0.001 * seed * (name == "half"), seconds=1)
            if name != "half":  # a shorter budget: a table of its own
                runs.add(data="x", method="grace", sampler=name, protocol="public", budget='{"epochs": 2}', trials=1,
                         seed=seed, settings="{}", accuracy=0.5, seconds=1)
    text = report(options, runs, script.Rows(tmp_path / "t.csv", ("seconds",)),
                  {"versions": {"graphns": "0"}, "machine": {"processor": "p"}})
    assert "- x, grace, {}: good above both all and uniform" in text
    assert '- x, grace, {"epochs": 2}: no sampler is above both' in text
    assert text.count("| half | not run yet |") == 1
    assert "| good | 90.00 ± 0.00 | 3 | +20.00 [+20.00, +20.00] | +10.00 [+10.00, +10.00] |" in text
