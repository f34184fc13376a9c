"""The benchmark beside published figures: bands, rows that are not made again, protocols apart."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("quality/published_node.py", "published_node")


def test_a_quick_run_and_a_second_that_makes_nothing_again(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert script.main(["--quick", "--minutes", "0", "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "runs.csv").exists()
    assert script.main(["--quick", "--out", str(tmp_path)]) == 0
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and all(0 < float(row["accuracy"]) <= 1 and int(row["peak_mb"]) > 0 for row in rows)

    def never(*args: Any, **options: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(script, "fit", never)
    assert script.main(["--quick", "--out", str(tmp_path)]) == 0


def test_bands(script: ModuleType) -> None:
    around = script.Entry("m", "d", "public", (80.0, 80.0), 1.0, "s")
    assert around.reached(79.0) and around.reached(81.0) and not around.reached(81.1) and not around.reached(78.9)
    least = script.Entry("m", "d", "public", (88.5, 88.5), None, "s")
    assert least.reached(95.0) and not least.reached(88.4)
    between = script.Entry("m", "d", "public", (86.5, 89.5), 0.0, "s")
    assert between.reached(88.0) and not between.reached(90.0)


def test_tables_of_protocols_stand_apart(script: ModuleType, tmp_path: Path) -> None:
    runs = script.Rows(tmp_path / "runs.csv", ("key", "seed", "split", "probe", "accuracy", "validation",
                                                    "seconds", "epochs", "peak_mb"))
    for entry in script.ENTRIES:
        for seed in range(2):
            # descent tests better everywhere, and validates better under the public protocol alone
            for probe in script.classifiers(entry.protocol):
                better = probe == "descent"
                runs.add(key=script.key_of(entry, None), seed=seed, split=seed, probe=probe, seconds=1, epochs=5,
                         accuracy=0.8 + 0.01 * seed + 0.1 * better, peak_mb=100,
                         validation=0.7 + 0.1 * better * (1 if entry.protocol == "public" else -1))
    text = script.report(tmp_path, runs, 2)
    sections = text.split("## Protocol ")[1:]
    assert [section.split()[0] for section in sections] == ["public", "random-10-90", "random-10-10-80"]
    assert "| grace | Cora | own | liblinear | 80.50 ± 0.71 | 2, 2 | 83.3 ± 1.0 | GRACE, 2020 | no |" in sections[1]
    assert "| dgi | Cora | own | descent | 90.50 ± 0.71 |" in sections[0]
    assert "| bgrl | Computers | own | liblinear | 80.50 ± 0.71 |" in sections[2]
    assert "Physics" in sections[2] and "Physics" not in sections[0]


def test_nothing_left_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--methods", "no-such"])
    assert "no entry is left" in capsys.readouterr().err
