"""The quality benchmark of knowledge graphs: equal trials, rows that are not made again, and what is missing."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality" / "knowledge_graph.py"


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("quality/knowledge_graph.py", "quality_knowledge_graph")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Successors and predecessors on a ring of 9."""
    facts = [f"{a}\t{name}\t{(a + step) % 9}" for name, step in (("next", 1), ("last", -1)) for a in range(9)]
    made = tmp_path / "ring"
    made.mkdir()
    for name, part in (("train", facts[2:-2]), ("valid", facts[:2]), ("test", facts[-2:])):
        (made / f"{name}.txt").write_text("\n".join(part) + "\n")
    return made


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_quick_run_and_a_second_that_makes_nothing_again(
    script: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(script.METHODS, "absent", script.Method("no-such-sampler"))
    arguments = ["--quick", "--data", str(folder), "--methods", "uniform,bern,adversarial,absent", "--out",
                 str(tmp_path / "out")]
    assert script.main(arguments) == 0
    printed = capsys.readouterr()
    assert "missing: absent (no sampler no-such-sampler in the registry)" in printed.err
    assert "| absent | no sampler no-such-sampler | | | | | | |" in printed.out
    assert "Distinct settings among the trials" in printed.out and "uniform 2, bern 2, adversarial 2" in printed.out
    tuning, runs = read(tmp_path / "out" / "tuning.csv"), read(tmp_path / "out" / "runs.csv")
    assert len(tuning) == 2 * 3 * 2 and len(runs) == 2 * 3 * 2
    for scorer in ("transe", "distmult"):
        rows = [row for row in tuning if row["scorer"] == scorer]
        tried = {name: [row["settings"] for row in rows if row["method"] == name]
                 for name in ("uniform", "adversarial")}
        assert tried["uniform"] == tried["adversarial"] and len(set(tried["uniform"])) == 2
        best = max((row for row in rows if row["method"] == "bern"), key=lambda row: float(row["valid_mrr"]))
        assert {row["settings"] for row in runs if (row["scorer"], row["method"]) == (scorer, "bern")} == {
            best["settings"]}
    assert {row["seed"] for row in runs} == {"0", "1"}
    differences = read(tmp_path / "out" / "differences.csv")
    assert {(row["method"], row["metric"]) for row in differences} == {
        (name, metric) for name in ("bern", "adversarial") for metric in ("mrr", "hits@10")}

    def never(*args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(script, "train", never)
    assert script.main(arguments) == 0
    assert capsys.readouterr().out == printed.out


def test_a_row_cut_off_is_made_again(script: ModuleType, tmp_path: Path) -> None:
    rows = script.Rows(tmp_path / "rows.csv", ("seed", "value"))
    rows.add(seed=0, value=1.5)
    with (tmp_path / "rows.csv").open("a") as file:
        file.write("1")
    again = script.Rows(tmp_path / "rows.csv", ("seed", "value"))
    assert again.find(seed=0) is not None and again.find(seed=1) is None
    again.add(seed=1, value=2.5)
    assert [row["value"] for row in script.Rows(tmp_path / "rows.csv", ("seed", "value")).rows] == ["1.5", "2.5"]
    with pytest.raises(ValueError, match="has the columns seed, value, not seed"):
        script.Rows(tmp_path / "rows.csv", ("seed",))


def test_a_methods_objective_and_the_gap(script: ModuleType) -> None:
    options = argparse.Namespace(dim=4, batch_size=8, epochs=1, validate_every=1, patience=None, pretraining=2)
    trial = {"objective": "bce", "gap": 4.0, "learning_rate": 0.01, "norm": 2, "k": 4}
    config = script.config_of("transe", script.Method("uniform", "bern"), trial, options, 3)
    assert (config.side, config.objective, config.scorer_options, config.seed) == (
        "bern", "bce", {"norm": 2, "offset": 4.0}, 3)
    own = script.config_of("transe", script.Method("uniform", "fair", "margin"), trial, options, 3)
    assert (own.objective, own.objective_options, own.scorer_options) == ("margin", {"margin": 4.0}, {"norm": 2})
    both = script.config_of("transe", script.METHODS["kbgan"], trial, options, 3)
    assert (both.model_pretraining, both.adversary_pretraining, config.model_pretraining) == (2, 2, 0)
    assert len({json.dumps(each) for each in script.trials("transe", 12)}) == 12


def test_trials_that_are_the_same_training_are_counted_once(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = argparse.Namespace(dim=4, batch_size=8, epochs=1, validate_every=1, patience=None, pretraining=2,
                                 trials=4)
    grid = {"objective": ("margin", "bce"), "gap": (1.0, 2.0), "learning_rate": (0.01,), "k": (4,)}
    monkeypatch.setattr(script, "GRIDS", {"distmult": grid, "transe": grid})
    method, own = script.Method("uniform"), script.Method("uniform", "fair", "self-adversarial")
    assert script.distinct_settings("distmult", method, options) == 3  # bce does not read the gap
    assert script.distinct_settings("transe", method, options) == 4  # there it is the offset
    assert script.distinct_settings("distmult", own, options) == 1
    assert script.distinct_settings("transe", own, options) == 2


def test_wrong_names_are_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--methods", "unifrom"], ["--scorers", "transh"], ["--seeds", "1000"]):
        with pytest.raises(SystemExit):
            script.main(arguments)
    assert "none of uniform, bern" in capsys.readouterr().err
