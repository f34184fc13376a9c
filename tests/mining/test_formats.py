"""The columns of every format, and that each kind of file gives them back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graphns.mining import formats
from graphns.mining.figure import histogram, sparkline
from graphns.mining.formats import check_format, columns
from graphns.mining.guards import Guards
from graphns.mining.mine import Mined, mine
from graphns.mining.writing import write

# on a line: from anchor 0 (at 0) the negatives are 2 and 3; anchor 4 (at 9) finds one within the cap of the distance
LINE = np.array([[0.0], [0.5], [2.0], [3.0], [9.0], [9.5], [6.5]])
TEXTS = ["zero", "half", "two, or 2", 'th"ree', "nine", "line\nbreak", "six"]


def mined(texts: list[str] | None = None) -> Mined:
    return mine(LINE, pairs=[(0, 1), (4, 5), (0, 6)], metric="l2", guards=Guards(k=2, min_score=-5.0, range_max=6),
                texts=texts)


TRIPLETS = {"anchor": [0, 0, 0, 0, 4], "positive": [1, 1, 6, 6, 5], "negative": [2, 3, 2, 3, 6]}
EXPECTED = {
    ("triplet", False): TRIPLETS,
    ("triplet", True): {**TRIPLETS, "scores": [[-0.5, -2.0], [-0.5, -3.0], [-6.5, -2.0], [-6.5, -3.0], [-0.5, -2.5]]},
    ("n-tuple", False): {"anchor": [0, 0], "positive": [1, 6], "negative_1": [2, 2], "negative_2": [3, 3]},
    ("n-tuple", True): {"anchor": [0, 0], "positive": [1, 6], "negative_1": [2, 2], "negative_2": [3, 3],
                        "scores": [[-0.5, -2.0, -3.0], [-6.5, -2.0, -3.0]]},
    ("labeled-pair", False): {"anchor": [0, 0, 0, 0, 4, 4], "document": [1, 6, 2, 3, 5, 6],
                              "label": [1, 1, 0, 0, 1, 0]},
    ("labeled-pair", True): {"anchor": [0, 0, 0, 0, 4, 4], "document": [1, 6, 2, 3, 5, 6],
                             "score": [-0.5, -6.5, -2.0, -3.0, -0.5, -2.5]},
    ("labeled-list", False): {"anchor": [0, 0, 4], "documents": [[1, 2, 3], [6, 2, 3], [5, 6]],
                              "labels": [[1, 0, 0], [1, 0, 0], [1, 0]]},
    ("labeled-list", True): {"anchor": [0, 0, 4], "documents": [[1, 2, 3], [6, 2, 3], [5, 6]],
                             "scores": [[-0.5, -2.0, -3.0], [-6.5, -2.0, -3.0], [-0.5, -2.5]]},
}
CASES = pytest.mark.parametrize(("form", "scores"), list(EXPECTED))


def joined(result: Mined, form: str, scores: bool) -> dict[str, list[object]]:
    pieces = list(columns(result, form, scores))  # type: ignore[arg-type]
    return {name: [each for piece in pieces for each in piece[name]] for name in pieces[0]}


@CASES
def test_columns(form: str, scores: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert joined(mined(), form, scores) == EXPECTED[form, scores]
    monkeypatch.setattr(formats, "_STEP", 1)  # a piece for each pair
    assert joined(mined(), form, scores) == EXPECTED[form, scores]


def named(value: object) -> object:
    return [named(each) for each in value] if isinstance(value, list) else TEXTS[value]  # type: ignore[index]


@CASES
@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("texts", [None, TEXTS])
def test_files_give_them_back(form: str, scores: bool, ending: str, texts: list[str] | None, tmp_path: Path) -> None:
    path = tmp_path / f"negatives{ending}"
    wanted = {name: named(values) if texts and name not in ("label", "labels", "score", "scores") else values
              for name, values in EXPECTED[form, scores].items()}
    assert write(mined(texts), path, form, scores) == len(wanted["anchor"])  # type: ignore[arg-type]
    if ending == ".parquet":
        found = pq.read_table(path).to_pydict()
    elif ending == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        plain = str if texts else int
        read = {"label": int, "score": float}
        found = {name: [json.loads(line[name]) if isinstance(wanted[name][0], list) else read.get(name, plain)(
            line[name]) for line in lines] for name in lines[0]}
    assert found == wanted and list(found) == list(wanted)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_no_row_is_a_file_all_the_same(tmp_path: Path) -> None:
    nothing = mine(np.eye(3), pairs=[(0, 1)], guards=Guards(k=1, max_score=-0.5), texts=["a", "b", "c"])
    for ending in (".parquet", ".jsonl", ".csv"):
        assert write(nothing, tmp_path / f"n{ending}") == 0
    table = pq.read_table(tmp_path / "n.parquet")
    assert table.column_names == ["anchor", "positive", "negative"]
    assert [str(field.type) for field in table.schema] == ["string"] * 3
    assert (tmp_path / "n.csv").read_text() == "anchor,positive,negative\n"


def test_pandas_and_datasets_columns_come_in_the_order_that_trainers_read(tmp_path: Path) -> None:
    """Trainers take the inputs in the order of the columns, and the target from `label` or `score`."""
    write(mined(), tmp_path / "n.parquet", "labeled-pair", True)
    assert pq.read_table(tmp_path / "n.parquet").column_names == ["anchor", "document", "score"]


def test_names_of_formats() -> None:
    assert check_format("triplets") == ("triplet", False) and check_format("n-tuple-scores") == ("n-tuple", True)
    with pytest.raises(ValueError, match="there is no format 'pairs'; there are: triplet, n-tuple"):
        check_format("pairs")


@pytest.mark.parametrize(("name", "message"), [("n.txt", "must end in .parquet, .jsonl, .csv"),
                                               ("missing/n.csv", "there is no folder")])
def test_refused_names(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        write(mined(), tmp_path / name)


def test_pictures(tmp_path: Path) -> None:
    histogram(mined(), tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="cannot draw"):
        histogram(mined(), tmp_path / "h.gif")
    scores = mined().positive_score
    assert sparkline(scores, -6.5, -0.5, 3) == "▄ █" and sparkline(scores[:0], 0.0, 1.0, 3) == "   "
