"""The share of draws that are held-out facts, on a graph small enough to count."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality" / "held_out_draws.py"


def test_uniform_draws_them_at_their_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One relation on 4 entities, (0, r, 1) for training and (0, r, 2), (3, r, 1) held out: of 3 candidates of either
    question, 1 is held out."""
    for name, facts in (("train", "a\tr\tb\n"), ("valid", "a\tr\tc\n"), ("test", "d\tr\tb\n")):
        (tmp_path / f"{name}.txt").write_text(facts)
    spec = importlib.util.spec_from_file_location("held_out_draws", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = ["--data", str(tmp_path), "--epochs", "1", "--pretraining", "1", "--dim", "4", "--k", "30000"]
    assert module.main(arguments) == 0
    uniform, kbgan = capsys.readouterr().out.splitlines()
    share = float(uniform.split()[1])
    assert uniform.endswith("of 30000 draws are valid or test facts") and abs(share - 100 / 3) < 1.5
    assert kbgan.startswith("kbgan: ")
