"""The benchmark of GRACE's loss: a quick run of all variants, and what is done where the dense form does not fit."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def grace_loss(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("grace_loss")


def test_quick_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "grace_loss.py"), "--quick", "--out", str(tmp_path / "out")],
                          capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "out" / "grace-loss.csv").read_text()
    rows = {row["variant"]: row for row in csv.DictReader(written.splitlines())}
    assert list(rows) == ["dense", "streamed", "streamed-bf16", "shared-512", "own-64"]
    for row in rows.values():
        assert 0 < float(row["fastest"]) <= float(row["seconds"]) <= float(row["slowest"])
        assert float(row["gradient_norm"]) > 0 and row["threads"] == "1"
    # the same loss, and the same gradient
    for key in ("loss", "gradient_norm"):
        dense, streamed, half = (float(rows[name][key]) for name in ("dense", "streamed", "streamed-bf16"))
        assert streamed == pytest.approx(dense, rel=1e-5) and half == pytest.approx(dense, rel=1e-3)
    assert float(rows["dense"]["memory_ratio"]) == float(rows["dense"]["speed_ratio"]) == 1
    table = (tmp_path / "out" / "grace-loss.md").read_text()
    assert table.count("\n| ") == 1 + len(rows) and "quick run" in table and "times: m" not in table


def test_where_the_dense_form_does_not_fit(grace_loss: ModuleType) -> None:
    assert grace_loss.sizes(19_717, 16 << 30) == [19_717]
    asked, fitting = grace_loss.sizes(19_717, 8 << 30)
    assert asked == 19_717 and fitting < asked
    assert grace_loss.dense_bytes(fitting) <= 8 << 30 < grace_loss.dense_bytes(fitting + 500)
    assert grace_loss.sizes(19_717, 1 << 20) == [19_717]  # nothing worth measuring fits


def test_verdicts(grace_loss: ModuleType) -> None:
    rows = [{"variant": name, "num_nodes": 5, "threads": 1, "seconds": seconds, "cpu_seconds": seconds,
             "peak_mb": peak}
            for name, seconds, peak in [("dense", 40.0, 9_000.0), ("streamed", 20.0, 300.0), ("own-64", 6.0, 100.0)]]
    rows.append({**rows[1], "num_nodes": 6})  # no dense row of as many nodes
    grace_loss.compared(rows)
    assert rows[1]["memory_ratio"] == 30 and rows[1]["speed_ratio"] == rows[1]["processor_ratio"] == 2
    assert [grace_loss.verdict(row) for row in rows] == [
        "", "1/30, 1.5 times: met", "1/20, 8 times: missed", ""]


def test_a_failed_variant_is_an_error(grace_loss: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="dense ended with"):
        grace_loss.in_own_process("dense", -1, 4, 1, 1)
