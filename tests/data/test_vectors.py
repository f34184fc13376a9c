"""Texts and images by name as vectors: small files in each format, and the published ones where they are here."""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphns.data import load_vectors, vector_names
from graphns.data.named import DataNotFoundError
from graphns.data.vectors import tfidf


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with a few items of every data set, in the form of the published files."""
    words = ["card", "lost", "top", "up", "rate", "of", "exchange", "pin"]

    def sentence(i: int) -> str:
        return " ".join(words[(i * j + j) % 8] for j in range(1, 5))

    bank, news, sts = (tmp_path / name for name in ("banking77", "ag_news_test", "text/stsbenchmark"))
    images, usps = tmp_path / "MNIST" / "raw", tmp_path / "images" / "usps"
    for folder in (bank, news, sts, images, usps):
        folder.mkdir(parents=True)
    for part, number in (("train", 12), ("test", 5)):
        lines = ["text,category", *(f'"{sentence(i)}, please\n",intent_{i % 3}' for i in range(number))]
        (bank / f"{part}.csv").write_text("\n".join(lines) + "\n")
    (news / "test.csv").write_text("".join(f'"{i % 4 + 1}","Title {i}","{sentence(i)}"\n' for i in range(9)))
    for part, number in (("train", 6), ("dev", 2), ("test", 3)):
        (sts / f"sts-{part}.csv").write_text("".join(
            f'g\tf\t2012\t{i}\t{i / 2:.3f}\t{sentence(i)} "quoted\t{sentence(i + 1)}\n' for i in range(number)))
    pixels = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    with gzip.open(images / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">4I", 2051, 6, 4, 3) + pixels.tobytes())
    with gzip.open(images / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">2I", 2049, 6) + bytes(range(6)))
    rng = np.random.default_rng(0)
    np.savez(usps / "usps.npz", train_x=rng.random((70, 256), np.float32), train_y=np.arange(70) % 10,
             test_x=rng.random((5, 256), np.float32), test_y=np.arange(5))
    return tmp_path


def test_texts(small: Path) -> None:
    bank = load_vectors("BANKING-77", small, dim=4)
    assert bank.x.shape == (17, 4) and bank.x.dtype == torch.float32 and len(bank) == 17
    assert bank.classes == ("intent_0", "intent_1", "intent_2") and bank.labels is not None and bank.texts is not None
    assert bank.labels.tolist() == [i % 3 for i in range(12)] + [i % 3 for i in range(5)]
    assert bank.split["train"].tolist() == list(range(12)) and bank.split["test"].tolist() == list(range(12, 17))
    assert bank.texts[0].endswith(", please") and bank.images is None and bank.pairs is None
    # what is fitted is fitted to the train part: other test texts, the same vectors of train
    (small / "banking77" / "test.csv").write_text("text,category\nquite other words,intent_0\n")
    other = load_vectors("banking77", small, dim=4)
    assert torch.allclose(other.x[:12], bank.x[:12]) and not bool(other.x[12].any())
    news = load_vectors("ag_news", small, dim=3)
    assert news.classes[1] == "Sports" and news.texts is not None and news.texts[2].startswith("Title 2 ")
    assert news.split["test"].tolist() == list(range(9)) and news.labels is not None and int(news.labels.max()) == 3


def test_pairs_of_sentences(small: Path) -> None:
    sts = load_vectors("STS-B", small, dim=3)
    assert sts.pairs is not None and sts.scores is not None and sts.texts is not None and sts.labels is None
    assert sts.pairs.shape == (11, 2) and sts.scores.tolist()[:3] == [0, 0.5, 1]
    assert {name: len(rows) for name, rows in sts.split.items()} == {"train": 6, "valid": 2, "test": 3}
    assert len(set(sts.texts)) == len(sts.texts) == len(sts.x)
    first, second = sts.pairs[1].tolist()
    assert sts.texts[first].endswith('"quoted') and not sts.texts[second].endswith("quoted")


def test_images(small: Path) -> None:
    mnist = load_vectors("mnist", small)
    assert mnist.images is not None and mnist.images.shape == (6, 4, 3) and mnist.name == "MNIST-test"
    assert torch.equal(mnist.x, mnist.images.flatten(1)) and float(mnist.x[5, -1]) == np.float32(71 / 255)
    assert mnist.labels is not None and mnist.labels.tolist() == list(range(6))
    usps = load_vectors("USPS", small, "pca", dim=7)
    assert usps.x.shape == (75, 7) and usps.images is not None and usps.images.shape == (75, 16, 16)
    assert usps.split["test"].tolist() == list(range(70, 75))
    train = usps.images.flatten(1)[:70].double()
    energy = torch.linalg.svdvals(train - train.mean(0))[:7]
    assert torch.allclose(usps.x[:70].double().norm(dim=0), energy, rtol=0.05)  # a randomised decomposition
    assert torch.allclose(usps.x[:70].mean(0), torch.zeros(7), atol=1e-4)


def test_digits_need_no_files() -> None:
    digits = load_vectors("digits")
    assert digits.split == {} and digits.labels is not None and torch.bincount(digits.labels).min() > 170
    assert float(digits.x.max()) == 1 and load_vectors("digits", features="pca", dim=5).x.shape == (1797, 5)


def test_seeds() -> None:
    texts = [f"word{i % 7} word{i % 5} word{i % 11}" for i in range(60)]
    state = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    one, two = tfidf(texts, 6, seed=3), tfidf(texts, 6, seed=3)
    assert torch.allclose(one, two, atol=1e-6) and (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_an_encoder_that_the_user_names(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load_vectors("banking77", small, encoder=lambda texts: np.array([[len(text), 1.0] for text in texts]))
    assert made.texts is not None and made.x[:, 0].tolist() == [len(text) for text in made.texts]
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"encoder='all-MiniLM-L6-v2' needs sentence-transformers.*graphns\[text\]"):
        load_vectors("banking77", small, encoder="all-MiniLM-L6-v2")
    for wrong in (np.zeros(17), np.zeros((3, 2)), np.full((17, 2), np.nan)):
        with pytest.raises(ValueError, match=r"must return finite vectors \[17, F\]"):
            load_vectors("banking77", small, encoder=lambda texts, wrong=wrong: wrong)


@pytest.mark.parametrize(("name", "options", "message"), [
    ("banking", {}, "did you mean 'Banking77'"), ("x", {}, "there are: digits, Banking77"),
    ("digits", {"features": "tfidf"}, "digits holds images: features must be 'pixels' or 'pca'"),
    ("sts-b", {"features": "pca"}, "STS-B holds texts"), ("sts-b", {"features": "encoder"}, "go together"),
    ("banking77", {"features": "tfidf", "encoder": "m"}, "go together"), ("digits", {"dim": 3}, "width of its own"),
    ("banking77", {"dim": 400}, "dim must be from 1 to"), ("digits", {"features": "pca", "dim": 65}, "from 1 to 64"),
])
def test_bad_arguments(small: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_vectors(name, small, **options)


@pytest.mark.parametrize("name", [name for name in vector_names() if name != "digits"])
def test_missing_files_say_where_they_are_published(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=rf"no {name} in .*: put .*\(.*\) into .*GRAPHNS_DATA=DIR"):
        load_vectors(name, tmp_path)


def zipped(content: bytes) -> bytes:
    """Without the time: it would be in the test's name, which must be the same in every test process."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(("name", "file", "content", "message"), [
    ("banking77", "banking77/train.csv", b"a,b\n1,2\n", "does not begin with the line text,category"),
    ("banking77", "banking77/train.csv", b"text,category\nalone\n", "line 2: 1 fields, and 2 are needed"),
    ("banking77", "banking77/train.csv", b"text,category\n\xff,a\n", "is not the table"),
    ("ag-news", "ag_news_test/test.csv", b'"5","a","b"\n', "line 1: class '5'"),
    ("sts-b", "text/stsbenchmark/sts-dev.csv", b"g\tf\t1\t1\tx\ta\tb\n", "sts-dev.csv, line 1: the score 'x'"),
    ("sts-b", "text/stsbenchmark/sts-dev.csv", b"g\tf\t1\t1\t7\ta\tb\n", "7.0 is not in"),
    ("mnist", "MNIST/raw/t10k-images-idx3-ubyte.gz", b"no gzip", "is damaged"),
    ("mnist", "MNIST/raw/t10k-images-idx3-ubyte.gz", zipped(b"\0\0\x08\x01" + bytes(20)), "is no IDX file"),
    ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte.gz", zipped(struct.pack(">2I", 2049, 9) + bytes(3)), "holds 3"),
    ("usps", "images/usps/usps.npz", b"zip?", "is no .npz of train_x"),
])
def test_damaged_files(small: Path, name: str, file: str, content: bytes, message: str) -> None:
    (small / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_vectors(name, small, dim=2 if name in ("banking77", "ag-news", "sts-b") else None)


@pytest.mark.data
@pytest.mark.parametrize(("name", "number", "width", "classes", "split"), [
    ("Banking77", 13083, 256, 77, {"train": 10003, "test": 3080}), ("AG-News-test", 7600, 256, 4, {"test": 7600}),
    ("MNIST-test", 10000, 784, 10, {"test": 10000}), ("USPS", 9298, 256, 10, {"train": 7291, "test": 2007}),
    ("STS-B", None, 256, 0, {"train": 5749, "valid": 1500, "test": 1379}),
])
def test_published_files(data_root: Path, name: str, number: int | None, width: int, classes: int,
                         split: dict[str, int]) -> None:
    data = load_vectors(name, data_root)
    assert number is None or len(data) == number
    assert data.x.shape == (len(data), width) and bool(data.x.isfinite().all())
    assert len(data.classes) == classes and {part: len(rows) for part, rows in data.split.items()} == split
    if data.labels is not None:
        assert len(data.labels) == len(data) and len(data.labels.unique()) == classes
    if data.pairs is not None:
        assert data.scores is not None and data.pairs.shape == (8628, 2)
        unit = torch.nn.functional.normalize(data.x, dim=1)
        close = (unit[data.pairs[:, 0]] * unit[data.pairs[:, 1]]).sum(1).double()
        assert float(torch.corrcoef(torch.stack([close, data.scores]))[0, 1]) > 0.5, "pairs, scores and texts belong"
