"""What is mined: the tables with the labels and texts of their rows, and the pairs that follow."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from graphns.mining.pairs import Pairs, arrange, check_pairs, same_label
from graphns.mining.table import Metric, Table
from graphns.streams import Stream

LabelsFor = Literal["exclude", "audit"]
"""Items of the anchor's label are known positives; or labels only tell afterwards which negatives are false."""
Positives = Literal["random", "nearest"]
"""Where no pairs are given: a random other item of the anchor's label, or the nearest item (with labels: of it)."""


@dataclass(frozen=True, eq=False)
class Items:
    """Anchors and candidates, checked. `anchors` and `corpus` are the same object where there is one table.

    Args:
        anchors: the table of anchors.
        corpus: the table of candidates.
        pairs: anchors with positives.
        anchor_label: [num_anchors] int64 codes, or None.
        label: [N] int64 codes, or None.
        exclude_labels: whether items of the anchor's label are known positives.
        banned: [N] bool, rows that are no candidates: copies of an earlier text; empty: none.
        first_copy: [N] int64, the row with the same text that stands for each; None: itself.
        texts: of the corpus, or None.
        anchor_texts: of the anchors, or None.
        left_out: anchors left out: without a positive, or with a text that has several labels.
        fingerprint: of everything above.
    """

    anchors: Table
    corpus: Table
    pairs: Pairs
    anchor_label: Tensor | None
    label: Tensor | None
    exclude_labels: bool
    banned: Tensor
    first_copy: Tensor | None
    texts: Sequence[str] | None
    anchor_texts: Sequence[str] | None
    left_out: int
    fingerprint: dict[str, str]

    @property
    def one_table(self) -> bool:
        """Whether anchors are rows of the corpus."""
        return self.anchors is self.corpus


def gather(
    embeddings: Any, *, anchors: Any = None, pairs: Any = None, labels: Any = None, anchor_labels: Any = None,
    texts: Sequence[str] | None = None, anchor_texts: Sequence[str] | None = None, labels_for: LabelsFor = "exclude",
    positives: Positives | None = None, metric: Metric = "cosine", stream: Stream | None = None,
) -> Items:
    """Check what a user gives, and find the pairs; the arguments are those of `mine`.

    Raises:
        ValueError: something does not fit; the message names it.
    """
    corpus = Table(embeddings, metric)
    table = corpus if anchors is None else Table(anchors, metric, "anchors")
    one = table is corpus
    if table.width != corpus.width:
        raise ValueError(f"anchors have {table.width} numbers a row, embeddings {corpus.width}; both must come from "
                         "one model")
    if one and (anchor_labels is not None or anchor_texts is not None):
        raise ValueError("anchor labels and texts belong to a table of anchors, and none is given")
    for value, choices, name in ((labels_for, get_args(LabelsFor), "labels_for"),
                                 (positives, (None, *get_args(Positives)), "positives")):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(filter(None, choices))}, got {value!r}")
    own_label, label = _codes(labels, anchor_labels, len(table), len(corpus), one)
    _check_length(texts, len(corpus), "texts", "embeddings")
    _check_length(anchor_texts, len(table), "anchor texts", "anchors")
    if not one and (texts is None) != (anchor_texts is None):
        raise ValueError("texts of the embeddings and of the anchors come together: rows are written as texts or as "
                         "numbers")
    fingerprint = {"embeddings": corpus.fingerprint(), "anchors": "" if one else table.fingerprint()}
    exclude = label is not None and labels_for == "exclude"
    first, banned, _ = _copies(texts, label if exclude else None)
    own_first, _, torn = (first, banned, _) if one else _copies(anchor_texts, own_label if exclude else None)
    given = None if pairs is None else check_pairs(pairs, len(table), len(corpus))
    fingerprint["pairs"] = "" if given is None else f"{zlib.crc32(given.numpy().tobytes()):08x}"
    fingerprint["labels"] = " ".join(f"{zlib.crc32(each.numpy().tobytes()):08x}"
                                     for each in (label, own_label) if each is not None)
    fingerprint["texts"] = " ".join(f"{zlib.crc32(each.numpy().tobytes()):08x}"
                                    for each in (first, own_first) if each is not None)
    if given is not None and positives is not None:
        raise ValueError("pairs give the positives; leave positives out")
    own = torch.arange(len(table)) if own_first is None else own_first
    usable = torch.ones(len(table), dtype=torch.bool) if torn is None else ~torn[own]
    candidates = torch.unique(own[usable])
    left_out = len(torch.unique(own)) - len(candidates)
    if given is not None:
        given = given[usable[given[:, 0]]]
        given = torch.stack([own[given[:, 0]], given[:, 1] if first is None else first[given[:, 1]]], 1)
    elif positives == "random" or (positives is None and exclude):
        if label is None or own_label is None or not exclude:
            raise ValueError("a random positive is one of the anchor's label: give labels to exclude")
        allowed = torch.ones(len(corpus), dtype=torch.bool) if banned is None else ~banned
        given, without = same_label(candidates, own_label, label, allowed, one, stream or Stream(0))
        left_out += without
    else:
        given = torch.stack([candidates, torch.full_like(candidates, -1)], 1)
    more = _equal_texts(texts, anchor_texts)
    if one:
        given = given[given[:, 0] != given[:, 1]]
    if not len(given):
        raise ValueError("no anchor has a positive: each is alone with its label, or paired with itself or a copy")
    return Items(table, corpus, arrange(given, one, len(corpus), more), own_label, label, exclude,
                 torch.empty(0, dtype=torch.bool) if banned is None else banned, first, texts,
                 texts if one else anchor_texts, left_out, fingerprint)


def _check_length(values: Any, size: int, what: str, of: str) -> None:
    if values is not None and len(values) != size:
        raise ValueError(f"there are {len(values)} {what} for {size} rows of {of}; one for each row is needed")


def _codes(labels: Any, anchor_labels: Any, num_anchors: int, size: int, one: bool) -> tuple[Tensor | None,
                                                                                            Tensor | None]:
    """Labels of anchors and of the corpus as int64 codes of one count."""
    if labels is None and anchor_labels is None:
        return None, None
    if not one and (labels is None or anchor_labels is None):
        raise ValueError("labels of the embeddings and of the anchors come together")
    arrays = []
    for values, length, what, of in ((labels, size, "labels", "embeddings"),
                                     (anchor_labels, num_anchors, "anchor labels", "anchors")):
        array = np.asarray(values.cpu() if isinstance(values, Tensor) else values) if values is not None else None
        if array is None:
            continue
        if array.ndim != 1 or array.dtype.kind not in "iubUSO" or (array.dtype.kind == "O" and not all(
                isinstance(each, str) for each in array)):
            raise ValueError(f"{what} must be integers or words, one a row, got shape {array.shape} and dtype "
                             f"{array.dtype}")
        _check_length(array, length, what, of)
        arrays.append(array.astype(str) if array.dtype.kind in "USO" else array)
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        raise ValueError("labels of the embeddings and of the anchors must both be integers, or both words")
    codes = torch.from_numpy(np.unique(np.concatenate(arrays), return_inverse=True)[1].reshape(-1).astype(np.int64))
    return (codes, codes) if one else (codes[size:].clone(), codes[:size].clone())


def _copies(texts: Sequence[str] | None, label: Tensor | None) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The first row with each row's text, which rows are no candidates, and which texts have several labels.

    Such a text is a positive of several labels, which makes it useless as a negative, and as an anchor.
    """
    if texts is None:
        return None, None, None
    first = _first(texts)
    torn = torch.zeros(len(first), dtype=torch.bool)
    if label is not None:
        torn[first[label != label[first]]] = True
    return first, (first != torch.arange(len(first))) | torn, torn


def _first(texts: Sequence[str]) -> Tensor:
    seen: dict[str, int] = {}
    return torch.tensor([seen.setdefault(text, at) for at, text in enumerate(texts)])


def _equal_texts(texts: Sequence[str] | None, anchor_texts: Sequence[str] | None) -> Tensor | None:
    """Pairs of an anchor with the row of the corpus that has its text: the anchor itself, under another number."""
    if texts is None or anchor_texts is None:
        return None
    shared = set(anchor_texts).intersection(texts)
    if not shared:
        return None
    rows: dict[str, int] = {}
    for at, text in enumerate(texts):
        if text in shared:
            rows.setdefault(text, at)
    own = _first(anchor_texts).tolist()
    found = [(own[at], rows[text]) for at, text in enumerate(anchor_texts) if text in rows]
    return torch.tensor(found, dtype=torch.int64).view(-1, 2)
