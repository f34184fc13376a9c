"""The profile of a short call: every layer is measured, and each holds the one before."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "short_call.py"


def test_quick_run(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick", "--out", str(tmp_path / "out"), "--cache",
                           str(tmp_path / "cache")], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "short-call.csv").read_text().splitlines()))
    assert len(rows) == 6 and all(float(row["microseconds"]) > 0 for row in rows)
    # the whole call holds the compiled loop, and more
    assert float(rows[-1]["microseconds"]) > float(rows[1]["microseconds"])
    assert sum(float(row["added"]) for row in rows) - float(rows[-1]["microseconds"]) < 0.6  # rounded to 0.1
    assert not list((tmp_path / "out").glob("*.part"))
