"""The comparison of GRACE's losses: a quick run, a second that makes nothing again, differences by split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("quality/losses_node.py", "losses_node")


def test_a_quick_run_and_a_second(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "SPLITS", 2)
    assert script.main(["--quick", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "losses.md").read_text()
    assert all(f"| {loss} |" in table for loss in script.LOSSES) and "| +0.00 |" in table

    def never(*args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(script, "measure", never)
    assert script.main(["--quick", "--out", str(tmp_path)]) == 0


def test_differences_are_paired(script: ModuleType, tmp_path: Path) -> None:
    runs = script.Rows(tmp_path / "losses.csv", ("data", "loss", "seed", "split", "accuracy", "epochs", "seconds",
                                                 "peak_mb"))
    common = {"data": "d", "epochs": 7, "seconds": 1, "peak_mb": 2}
    for split, accuracy in ((0, 0.5), (1, 0.7)):
        runs.add(loss="streamed", seed=0, split=split, accuracy=accuracy, **common)
        runs.add(loss="own-64", seed=0, split=split, accuracy=accuracy - 0.01, **common)
    runs.add(loss="own-64", seed=1, split=2, accuracy=0.9, **common)  # nothing to compare it with
    assert "| own-64 | uniform, k=64 | 69.33 ± 20.50 | 2 | -1.00 | 1 | 2 |" in script.report(tmp_path, runs, "d", 7)


def test_an_unknown_loss_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--losses", "dense"])
    assert "no loss dense: choose among shared-512, own-64, streamed" in capsys.readouterr().err
