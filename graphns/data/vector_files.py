"""Texts and images of named data sets, read from the files that their authors publish; nothing is executed."""

from __future__ import annotations

import csv
import gzip
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphns.data.named import DataNotFoundError


@dataclass
class Items:
    """What the files of a data set hold, before it becomes vectors.

    Args:
        classes: the names of the labels.
        labels: [N] int64, or None.
        texts: N texts, or None.
        images: [N, height, width] float32 in [0, 1], or None.
        split: name of a part -> the rows [n] int64 in it; of `pairs` where there are some.
        pairs: [P, 2] int64 rows of texts that were compared, or None.
        scores: [P] float64 given to them.
    """

    classes: tuple[str, ...] = ()
    labels: Tensor | None = None
    texts: tuple[str, ...] | None = None
    images: Tensor | None = None
    split: dict[str, Tensor] = field(default_factory=dict)
    pairs: Tensor | None = None
    scores: Tensor | None = None


@dataclass(frozen=True)
class Place:
    """Where a data set is found.

    Args:
        folders: under the root, in the order they are tried.
        files: that must be there.
        public: where anybody gets them.
        read: what makes items of a folder.
    """

    folders: tuple[str, ...]
    files: tuple[str, ...]
    public: str
    read: Callable[[Path], Items]


def find(name: str, place: Place, root: Path) -> Path:
    """The folder of a data set.

    Raises:
        DataNotFoundError: its files are nowhere under the root; the message says where they are published.
    """
    for folder in place.folders:
        if all((root / folder / file).is_file() for file in place.files):
            return root / folder
    raise DataNotFoundError(
        f"no {name} in {root}: put {' and '.join(place.files)} ({place.public}) into {root / place.folders[0]}, or "
        "pass root=DIR or set GRAPHNS_DATA=DIR"
    )


def _lines(path: Path, fewest: int, **form: Any) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of a table of text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True, **form)
            for fields in reader:
                if len(fields) < fewest:
                    raise ValueError(f"{path}, line {reader.line_num}: {len(fields)} fields, and {fewest} are needed")
                yield reader.line_num, fields
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not the table it should be: {error}") from error


def _banking77(folder: Path) -> Items:
    rows: list[tuple[str, str]] = []
    split, begin = {}, 0
    for part in ("train", "test"):
        found = [(fields[0].strip(), fields[1].strip()) for _, fields in _lines(folder / f"{part}.csv", 2)]
        if not found or found[0] != ("text", "category"):
            raise ValueError(f"{folder / part}.csv does not begin with the line text,category")
        rows += found[1:]
        split[part], begin = torch.arange(begin, len(rows)), len(rows)
    classes = tuple(sorted({category for _, category in rows}))
    number = {name: at for at, name in enumerate(classes)}
    return Items(classes, torch.tensor([number[category] for _, category in rows]), tuple(text for text, _ in rows),
                 split=split)


_NEWS = ("World", "Sports", "Business", "Sci/Tech")


def _ag_news(folder: Path) -> Items:
    path, labels, texts = folder / "test.csv", [], []
    for line, fields in _lines(path, 3):
        if fields[0] not in ("1", "2", "3", "4"):
            raise ValueError(f"{path}, line {line}: class {fields[0]!r} is none of 1, 2, 3, 4")
        labels.append(int(fields[0]) - 1)
        texts.append(f"{fields[1]} {fields[2]}".strip())
    return Items(_NEWS, torch.tensor(labels), tuple(texts), split={"test": torch.arange(len(texts))})


def _sts_benchmark(folder: Path) -> Items:
    texts: dict[str, int] = {}
    pairs: list[list[int]] = []
    scores, split = [], {}
    for part, file in (("train", "sts-train.csv"), ("valid", "sts-dev.csv"), ("test", "sts-test.csv")):
        begin = len(pairs)
        for line, fields in _lines(folder / file, 7, delimiter="\t", quoting=csv.QUOTE_NONE):
            try:
                score = float(fields[4])
            except ValueError as error:
                raise ValueError(f"{folder / file}, line {line}: the score {fields[4]!r} is no number") from error
            if not 0 <= score <= 5:
                raise ValueError(f"{folder / file}, line {line}: the score {score} is not in [0, 5]")
            scores.append(score)
            pairs.append([texts.setdefault(text.strip(), len(texts)) for text in fields[5:7]])
        split[part] = torch.arange(begin, len(pairs))
    return Items(texts=tuple(texts), split=split, pairs=torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2),
                 scores=torch.tensor(scores, dtype=torch.float64))


def _idx(path: Path, dimensions: int) -> np.ndarray[Any, Any]:
    """The bytes of a gzipped IDX file (MNIST's format) of so many dimensions."""
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    head = 4 + 4 * dimensions
    if len(content) < head or content[:4] != bytes((0, 0, 8, dimensions)):
        raise ValueError(f"{path} is no IDX file of bytes in {dimensions} dimension(s)")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    values = np.frombuffer(content, np.uint8, offset=head)
    if len(values) != int(np.prod(shape)):
        raise ValueError(f"{path} holds {len(values)} values, its head says {shape}")
    return values.reshape(shape)


_DIGITS = tuple("0123456789")


def _mnist(folder: Path) -> Items:
    images, labels = _idx(folder / "t10k-images-idx3-ubyte.gz", 3), _idx(folder / "t10k-labels-idx1-ubyte.gz", 1)
    if len(images) != len(labels):
        raise ValueError(f"{folder} holds {len(images)} images and {len(labels)} labels")
    return Items(_DIGITS, torch.from_numpy(labels.astype(np.int64)),
                 images=torch.from_numpy(images.astype(np.float32)) / 255, split={"test": torch.arange(len(labels))})


def _usps(folder: Path) -> Items:
    path = folder / "usps.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = ([file[f"{part}_{what}"] for part in ("train", "test")] for what in "xy")
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no .npz of train_x, train_y, test_x and test_y: {error}") from error
    if any(pixels.shape != (len(own), 256) for pixels, own in zip(x, y, strict=True)):
        raise ValueError(f"{path}: need 256 pixels and one label an image, got {[part.shape for part in (*x, *y)]}")
    images = torch.from_numpy(np.concatenate(x).astype(np.float32)).reshape(-1, 16, 16)
    first, number = len(x[0]), len(images)
    return Items(_DIGITS, torch.from_numpy(np.concatenate(y).astype(np.int64)), images=images,
                 split={"train": torch.arange(first), "test": torch.arange(first, number)})


def digits_items() -> Items:
    """scikit-learn's digits, which need no file and have no split."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return Items(_DIGITS, torch.from_numpy(found.target).long(), images=torch.from_numpy(found.images / 16).float())


PLACES = {
    "Banking77": Place(("text/banking77", "banking77"), ("train.csv", "test.csv"),
                       "banking_data of PolyAI-LDN/task-specific-datasets on GitHub; PolyAI/banking77 on Hugging Face",
                       _banking77),
    "AG-News-test": Place(("text/ag_news_test", "ag_news_test", "ag_news_csv"), ("test.csv",),
                          "ag_news_csv of mhjabreel/CharCnn_Keras on GitHub", _ag_news),
    "STS-B": Place(("text/stsbenchmark", "stsbenchmark"), ("sts-train.csv", "sts-dev.csv", "sts-test.csv"),
                   "Stsbenchmark.tar.gz of the STS benchmark, SemEval 2012-2017", _sts_benchmark),
    "MNIST-test": Place(("images/MNIST/raw", "MNIST/raw"),
                        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
                        "torchvision.datasets.MNIST(root, train=False, download=True)", _mnist),
    "USPS": Place(("images/usps", "usps"), ("usps.npz",),
                  "usps.h5 or scikit-learn's fetch_openml('USPS', version=2), saved by numpy.savez as train_x [7291, "
                  "256] in [0, 1], train_y, test_x [2007, 256] and test_y", _usps),
}
