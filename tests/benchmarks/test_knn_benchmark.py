"""The benchmark of nearest neighbours: every row is measured, and the exact ones are exact."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "knn.py"


def test_quick_run(tmp_path: Path) -> None:
    out = tmp_path / "knn.csv"
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick", "--out", str(out)], capture_output=True, text=True,
                          timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    rows = {(row["data"], row["what"]): row for row in csv.DictReader(out.read_text().splitlines())}
    assert {("exact", "graphns exact"), ("exact", "scikit-learn"), ("clustered", "graphns nn-descent"),
            ("clustered", "scikit-learn")} <= rows.keys()
    for (_, what), row in rows.items():
        assert float(row["wall_seconds"]) > 0 and int(row["peak_mb"]) > int(row["data_mb"])
        assert float(row["recall"]) >= (0.9 if what in ("graphns nn-descent", "hnswlib") else 0.999)
    assert float(rows["exact", "graphns exact"]["ratio"]) == 1
