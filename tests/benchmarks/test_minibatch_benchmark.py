"""The benchmark of mini-batches: a row tells what a pass took and held."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "minibatch.py"


def row(what: str, workers: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(SCRIPT), "--graph", "tiny", "--batches", "2", "--row", what,
                           str(workers)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_rows() -> None:
    made = row("minibatches", 1)
    assert made["batches"] == 2 and made["workers"] == 1 and made["cpu_seconds"] > 0 and made["peak_mb"] > 50
    assert 1500 < made["nodes"] <= 2000 and made["edges"] > made["nodes"]  # of 2,000 nodes, 2 hops reach most
    parts = row("parts", 0)["parts"]
    assert len(parts) == 5 and all(seconds > 0 for seconds in parts.values())
