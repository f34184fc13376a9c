"""Negatives in the columns that sentence-transformers' trainers read, some pairs at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from graphns.mining.mine import Mined

Format = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
"""The output formats of `mine_hard_negatives`: a row for each negative; for each positive, with all k negatives; for
each document of an anchor, with its label; for each positive, with a list of documents and labels."""
_ALIASES = {"triplets": "triplet", "n-tuples": "n-tuple", "labeled-pairs": "labeled-pair",
            "labeled-lists": "labeled-list"}
_STEP = 16384  # pairs that are written at once
Columns = dict[str, list[Any]]


def check_format(name: str) -> tuple[Format, bool]:
    """The format of a name, and whether the name asks for scores, as the peer's older "n-tuple-scores" does.

    Raises:
        ValueError: there is no such format.
    """
    plain = _ALIASES.get(name, name)
    if plain == "n-tuple-scores":
        return "n-tuple", True
    for each in get_args(Format):
        if each == plain:
            return each, False
    raise ValueError(f"there is no format {name!r}; there are: {', '.join(get_args(Format))}")


def columns(mined: Mined, form: Format, scores: bool = False) -> Iterator[Columns]:
    """The rows of a format, in the order of the anchors, some thousand pairs at a time; at least one piece.

    Items are their texts where texts were given, else their row numbers. Column by column:

    - triplet: anchor, positive, negative; with scores: scores, a list of the positive's and the negative's
    - n-tuple: anchor, positive, negative_1 … negative_k; with scores: scores, a list of all; anchors with fewer than k
      negatives are left out
    - labeled-pair: anchor, document, label (1: positive, 0: negative), or score in the place of label
    - labeled-list: anchor, documents, labels, the positive first, or scores in the place of labels; anchors without a
      negative are left out

    Args:
        mined: the result.
        form: see `Format`.
        scores: whether to give scores.

    Example:
        >>> import numpy as np
        >>> from graphns.mining.mine import Guards, mine
        >>> mined = mine(np.eye(3)[[0, 0, 1, 2]], pairs=[(0, 1)], guards=Guards(k=2))
        >>> next(columns(mined, "n-tuple"))
        {'anchor': [0], 'positive': [1], 'negative_1': [2], 'negative_2': [3]}
    """
    step = _STEP
    for start in range(0, max(len(mined.positive), 1), step):
        yield _MAKE[form](mined, slice(start, min(start + step, len(mined.positive))), scores)


def _named(ids: Tensor, texts: Any) -> list[Any]:
    numbers = _plain(ids)
    return numbers if texts is None else [texts[each] for each in numbers]


def _plain(values: Tensor) -> list[Any]:
    # NumPy makes lists ten times as fast as torch
    made: list[Any] = values.numpy().tolist()
    return made


def _triplet(mined: Mined, span: slice, scores: bool) -> Columns:
    owner = mined.owner[span]
    pair, slot = (mined.negatives[owner] >= 0).nonzero(as_tuple=True)
    made = {"anchor": _named(mined.anchor[owner[pair]], mined.anchor_texts),
            "positive": _named(mined.positive[span][pair], mined.texts),
            "negative": _named(mined.negatives[owner[pair], slot], mined.texts)}
    if scores:
        both = [mined.positive_score[span][pair], mined.scores[owner[pair], slot]]
        made["scores"] = _plain(torch.stack(both, 1))
    return made


def _tuple(mined: Mined, span: slice, scores: bool) -> Columns:
    owner = mined.owner[span]
    whole = (mined.negatives[owner] >= 0).all(1)
    kept = owner[whole]
    made = {"anchor": _named(mined.anchor[kept], mined.anchor_texts),
            "positive": _named(mined.positive[span][whole], mined.texts)}
    for slot in range(mined.negatives.shape[1]):
        made[f"negative_{slot + 1}"] = _named(mined.negatives[kept, slot], mined.texts)
    if scores:
        made["scores"] = _plain(torch.cat([mined.positive_score[span][whole, None], mined.scores[kept]], 1))
    return made


def _pair(mined: Mined, span: slice, scores: bool) -> Columns:
    owner = mined.owner[span]
    # an anchor's negatives follow its last positive, and are written once
    last = torch.ones(len(mined.owner), dtype=torch.bool)
    last[:-1] = mined.owner[1:] != mined.owner[:-1]
    some = (mined.negatives[owner] >= 0) & last[span][:, None]
    take = torch.cat([torch.ones(len(owner), 1, dtype=torch.bool), some], 1)
    documents = torch.cat([mined.positive[span, None], mined.negatives[owner]], 1)[take]
    reached = torch.cat([mined.positive_score[span, None], mined.scores[owner]], 1)[take]
    label = torch.zeros_like(take, dtype=torch.int64)
    label[:, 0] = 1
    anchors = mined.anchor[owner][:, None].expand(take.shape)[take]
    made = {"anchor": _named(anchors, mined.anchor_texts), "document": _named(documents, mined.texts)}
    made["score" if scores else "label"] = _plain(reached if scores else label[take])
    return made


def _list(mined: Mined, span: slice, scores: bool) -> Columns:
    owner = mined.owner[span]
    ids = torch.cat([mined.positive[span, None], mined.negatives[owner]], 1)
    reached = torch.cat([mined.positive_score[span, None], mined.scores[owner]], 1)
    some = ids >= 0
    kept = some[:, 1:].any(1)
    sizes = _plain(some[kept].sum(1))
    documents = _cut(_named(ids[kept][some[kept]], mined.texts), sizes)
    made: Columns = {"anchor": _named(mined.anchor[owner[kept]], mined.anchor_texts), "documents": documents}
    if scores:
        made["scores"] = _cut(_plain(reached[kept][some[kept]]), sizes)
    else:
        made["labels"] = [[1] + [0] * (size - 1) for size in sizes]
    return made


def _cut(values: list[Any], sizes: list[int]) -> list[list[Any]]:
    rest = iter(values)
    return [list(islice(rest, size)) for size in sizes]


_MAKE = {"triplet": _triplet, "n-tuple": _tuple, "labeled-pair": _pair, "labeled-list": _list}
