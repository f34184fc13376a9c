"""The share of corruptions that are known facts: counted against expected, on UMLS and on the large sets."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "quality" / "corruptions.py"


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corruptions", FILE)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.data
def test_umls(data_root: Path, tmp_path: Path) -> None:
    """Without a filter what the numbers of answers say; with it none; the same table again from the same seed."""
    out = tmp_path / "corruptions.csv"
    arguments = ["--data", str(data_root / "kg"), "--names", "UMLS", "--k", "20", "--seeds", "1", "--out", str(out)]
    corruptions = module()
    corruptions.main(arguments)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["method"], row["filter"]) for row in rows] == [
        (method, filtered) for method in corruptions.METHODS for filtered in ("no", "yes")]
    for row in rows:
        assert int(row["triples"]) == 5216 and int(row["entities"]) == 135
        drawn, share, expected = int(row["corruptions"]), float(row["share"]), float(row["expected"])
        assert drawn + int(row["masked"]) == 20 * 5216
        if row["filter"] == "yes":
            assert int(row["known"]) == 0
        else:
            # draws of a triple are alike, so the error is at most that of independent ones
            assert abs(share - expected) < 4 * (expected * (1 - expected) / drawn) ** 0.5 + 1e-6
            both = float(row["expected_with_original"])
            assert both > expected
            assert abs(float(row["share_with_original"]) - both) < 4 * (both * (1 - both) / drawn) ** 0.5 + 1e-6
    before = out.read_text()
    corruptions.main(arguments)
    assert out.read_text() == before


@pytest.mark.data
def test_the_shares_of_the_large_sets(data_root: Path) -> None:
    """Known before this script was written, counted with the original among the draws; the table says the same."""
    table = list(csv.DictReader((FILE.parents[1] / "results" / "corruptions.csv").read_text().splitlines()))
    corruptions = module()
    facts = corruptions.read(data_root / "kg" / "WN18RR")
    assert (facts.num_entities, facts.num_relations, len(facts)) == (40_943, 11, 86_835)
    for method in corruptions.METHODS:
        rows = [row for row in table if row["data"] == "WN18RR" and row["method"] == method]
        again = corruptions.expected(facts, method, facts.known(), 1)
        assert {row["expected_with_original"] for row in rows if row["filter"] == "no"} == {f"{again:.6f}"}
    for data, method, share in (
        ("FB15k-237", "uniform", 0.00993), ("FB15k-237", "bern", 0.00117), ("FB15k-237", "pseudo-typed", 0.2004),
        ("WN18RR", "uniform", 0.00037), ("WN18RR", "bern", 0.00015), ("WN18RR", "pseudo-typed", 0.0069),
    ):
        rows = {row["filter"]: row for row in table if row["data"] == data and row["method"] == method}
        assert float(rows["no"]["share_with_original"]) == pytest.approx(share, rel=0.03, abs=3e-5)
        assert float(rows["yes"]["share"]) == 0 and int(rows["yes"]["k"]) == 20
