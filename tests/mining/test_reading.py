"""Files of embeddings, labels, texts and pairs: every kind gives the same, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphns.mining.reading import read_embeddings, read_labels, read_pairs, read_texts

PAIRS = np.array([[0, 3], [2, 1]])
TEXTS = ["one", "two, too", "three"]


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_embeddings_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    assert isinstance(read_embeddings(tmp_path / "x.npy"), np.memmap)


def test_pairs(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", PAIRS)
    pq.write_table(pa.table({"anchor": [0, 2], "positive": [3, 1], "more": [5, 5]}), tmp_path / "p.parquet")
    files = [tmp_path / "p.npy", tmp_path / "p.parquet", put(tmp_path / "p.csv", "anchor,positive\n0,3\n\n2,1\n"),
             put(tmp_path / "q.csv", "0,3,x\n2,1,y\n"), put(tmp_path / "p.tsv", "0\t3\n2\t1\n")]
    for path in files:
        assert np.array_equal(read_pairs(path), PAIRS), path.name
        assert read_pairs(path).dtype == np.int64


def test_texts_and_labels(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [4, 4, 7], "text": TEXTS}), tmp_path / "t.parquet")
    rows = [{"category": 4, "text": each} for each in TEXTS[:2]] + [{"text": TEXTS[2], "category": 7}]
    files = [tmp_path / "t.parquet", put(tmp_path / "t.csv", 'text,category\none,4\n"two, too",4\nthree,7\n'),
             put(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows)),
             put(tmp_path / "t.json", json.dumps(rows))]
    for path in files:
        assert list(read_texts(path)) == TEXTS and read_labels(path).tolist() == [4, 4, 7], path.name
    for end in ("\n", ""):
        assert list(read_texts(put(tmp_path / "t.txt", "one\ntwo, too\nthree" + end))) == TEXTS
    assert list(read_texts(put(tmp_path / "u.txt", "a\u2028b\x0bc\n\nd\n"))) == ["a\u2028b\x0bc", "", "d"]
    assert read_labels(put(tmp_path / "words.txt", "a\nb\n3\n")).tolist() == ["a", "b", "3"]
    assert list(read_texts(put(tmp_path / "only.csv", "anything\nx\ny\n"))) == ["x", "y"]
    np.save(tmp_path / "y.npy", [1, 2])
    assert read_labels(tmp_path / "y.npy").tolist() == [1, 2]


def pickled(path: Path) -> Path:
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    return path


@pytest.mark.parametrize(("read", "make", "message"), [
    (read_embeddings, lambda f: f / "x.npy", "there is no file"),
    (read_embeddings, lambda f: put(f / "x.npy", "1 2 3\n"), "no .npy file of plain numbers: it does not begin as one"),
    (read_embeddings, lambda f: put(f / "x.npy", ""), "is no .npy file of plain numbers"),
    (read_embeddings, lambda f: put(f / "x.txt", "1 2 3\n"), "save the array with numpy.save"),
    (read_embeddings, lambda f: pickled(f / "x.npy"), "Python objects, which are never opened"),
    (read_labels, lambda f: pickled(f / "y.npy"), "Python objects, which are never opened"),
    (read_labels, lambda f: put(f / "y.csv", "a,b\n1,2\n"), "has the columns a, b: name that of the labels label"),
    (read_labels, lambda f: put(f / "y.dat", "1\n"), "cannot read labels from y.dat"),
    (read_texts, lambda f: put(f / "t.csv", "text,label\na,1\n\nb\nc,2\n,"), None),
    (read_texts, lambda f: put(f / "t.csv", "label,text\n1,a\n2\n"), "line 3: there is no column text"),
    (read_texts, lambda f: put(f / "t.json", "{"), "is not JSON"),
    (read_texts, lambda f: put(f / "t.json", '{"text": 1}'), "must hold a list"),
    (read_texts, lambda f: put(f / "t.jsonl", '{"text": "a"}\n{"text": 3}\n'), "item 1 is 3, no text"),
    (read_texts, lambda f: put(f / "t.jsonl", '{"a": "a", "b": 3}\n'), "has the columns a, b"),
    (read_texts, lambda f: put(f / "t.parquet", "no"), "is no Parquet file"),
    (read_pairs, lambda f: put(f / "p.csv", "a,b\n0,1\n1,x\n"), r"line 3: \['1', 'x'\] is no pair of row numbers"),
    (read_pairs, lambda f: put(f / "p.csv", "a\n0\n"), r"line 2: \['0'\] is no pair"),
    (read_pairs, lambda f: put(f / "p.txt", "0 1\n"), "cannot read pairs from p.txt"),
])
def test_what_is_wrong_is_named(read, make, message: str | None, tmp_path: Path) -> None:
    path = make(tmp_path)
    if message is None:
        assert list(read(path)) == ["a", "b", "c", ""]
        return
    with pytest.raises(ValueError, match=message):
        read(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no UTF-8 text"):
        read_texts(tmp_path / "t.txt")
