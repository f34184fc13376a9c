"""Vectors, labels and pairs from a user's files: both spellings of each, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from graphns.data.own_vectors import read_vectors

X = np.arange(12, dtype=np.float64).reshape(4, 3)


def test_arrays_and_text_say_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "labels.npy", np.array(["b", "a", "b", "c"]))
    np.save(tmp_path / "pairs.npy", np.array([[0, 1], [3, 2]], dtype=np.int32))
    (tmp_path / "labels.txt").write_text("b\na\nb\nc\n")
    (tmp_path / "pairs.csv").write_text("0,1\n3, 2\n")
    for labels, pairs in (("labels.npy", "pairs.npy"), ("labels.txt", "pairs.csv")):
        data = read_vectors(tmp_path / "x.npy", tmp_path / labels, tmp_path / pairs)
        assert data.name == "x" and np.array_equal(data.x.numpy(), X.astype(np.float32))
        assert data.labels is not None and data.labels.tolist() == [1, 0, 1, 2] and data.classes == ("a", "b", "c")
        assert data.pairs is not None and data.pairs.tolist() == [[0, 1], [3, 2]]
    alone = read_vectors(tmp_path / "x.npy")
    assert alone.labels is None and alone.pairs is None
    np.save(tmp_path / "labels.npy", np.array([7, -1, 7, 9]))
    labelled = read_vectors(tmp_path / "x.npy", tmp_path / "labels.npy")
    assert labelled.labels is not None and labelled.labels.tolist() == [1, 0, 1, 2]


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("trapped", ))


def test_what_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    cases = {
        "short.txt": (b"a\nb\n", "must hold a label for each of 4 rows"),
        "binary.txt": (b"\xff\xfe\x00", "is no text file"),
        "words.npy": (b"not an array", "is no .npy file of plain numbers"),
        "trap.npy": (pickle.dumps(Trap()), "is no .npy file of plain numbers"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_vectors(tmp_path / "x.npy", tmp_path / name)
    (tmp_path / "pairs.txt").write_text("0 1\n2 three\n")
    with pytest.raises(ValueError, match="line 2: write two row numbers, not '2 three'"):
        read_vectors(tmp_path / "x.npy", pairs=tmp_path / "pairs.txt")
    np.save(tmp_path / "pairs.npy", np.ones((2, 3), dtype=np.int64))
    with pytest.raises(ValueError, match=r"whole numbers \[P, 2\], got int64 of shape \(2, 3\)"):
        read_vectors(tmp_path / "x.npy", pairs=tmp_path / "pairs.npy")
    np.save(tmp_path / "floats.npy", np.ones(4))
    with pytest.raises(ValueError, match="got float64"):
        read_vectors(tmp_path / "x.npy", tmp_path / "floats.npy")
    np.save(tmp_path / "huge.npy", np.full((4, 2), 1e300))
    with pytest.raises(ValueError, match="beyond float32"):
        read_vectors(tmp_path / "huge.npy")
    with pytest.raises(ValueError, match=r"there is no file .*nosuch\.npy"):
        read_vectors(tmp_path / "nosuch.npy")
    for labels in ("nosuch.txt", "nosuch.npy"):
        with pytest.raises(ValueError, match=f"there is no file .*{labels}"):
            read_vectors(tmp_path / "x.npy", tmp_path / labels)
