"""Texts and images by name, as a table of vectors: for k-NN graphs and whatever starts from embeddings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from graphns.data.named import default_root

if TYPE_CHECKING:
    from graphns.data.vector_files import Items

Features = Literal["tfidf", "encoder", "pixels", "pca"]
_ALSO = {"agnews": "AG-News-test", "agnewstest": "AG-News-test", "stsbenchmark": "STS-B", "mnist": "MNIST-test"}


@dataclass(frozen=True, eq=False)
class VectorData:
    """Items as vectors, beside what they were.

    Args:
        name: as `vector_names` spells it.
        x: [N, F] float32.
        labels: [N] int64 classes 0 … C-1, or None.
        classes: the C names of the classes.
        texts: the N texts, or None.
        images: [N, height, width] float32 in [0, 1], or None.
        split: the published parts by name ("train", "valid", "test"): the rows [n] int64 of each; where there are
            pairs, rows of `pairs`. Empty where none is published.
        pairs: [P, 2] int64 rows of x that people compared, or None.
        scores: [P] float64, what they said: 0 unlike … 5 the same meaning.

    Example:
        >>> data = load_vectors("digits")
        >>> data.x.shape, len(data.classes), data.images.shape
        (torch.Size([1797, 64]), 10, torch.Size([1797, 8, 8]))
    """

    name: str
    x: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    texts: tuple[str, ...] | None = None
    images: Tensor | None = None
    split: dict[str, Tensor] = field(default_factory=dict)
    pairs: Tensor | None = None
    scores: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


def vector_names() -> list[str]:
    """The names that `load_vectors` knows; 'digits' needs no files.

    Example:
        >>> vector_names()
        ['digits', 'Banking77', 'AG-News-test', 'STS-B', 'MNIST-test', 'USPS']
    """
    from graphns.data.vector_files import PLACES

    return ["digits", *PLACES]


def load_vectors(name: str, root: str | Path | None = None, features: Features | None = None, *,
                 dim: int | None = None, encoder: str | Callable[[list[str]], Any] | None = None,
                 seed: int = 0) -> VectorData:
    """A data set of texts or images, as vectors.

    What is fitted (the words of TF-IDF, singular vectors, principal components) is fitted to the published train part
    alone, where there is one; else to all items.

    Args:
        name: one of `vector_names()`, in any case, with or without "-".
        root: where the files lie. None: the folder in the environment variable GRAPHNS_DATA, else
            ~/.cache/graphns/data.
        features: of texts "tfidf" (sublinear counts, then truncated SVD; the default) or "encoder"; of images "pixels"
            (the default) or "pca".
        dim: columns after "tfidf" (256) or "pca" (64).
        encoder: the name or folder of a sentence-transformers model, or a function of a list of texts that returns
            [N, F] numbers. Implies features="encoder".
        seed: of the randomised singular value decompositions; equal seeds, equal vectors up to rounding.

    Raises:
        DataNotFoundError: the files are not there; the message says where they are published.
        ValueError: an unknown name (the message gives the nearest), features or dim that do not fit, or a damaged file.
        ImportError: an encoder is named, and sentence-transformers is not installed.
    """
    from graphns.data.vector_files import PLACES, digits_items, find

    known = {_plain(each): each for each in vector_names()} | _ALSO
    if _plain(name) not in known:
        near = difflib.get_close_matches(_plain(name), known, n=1, cutoff=0.5)
        hint = f"did you mean {known[near[0]]!r}?" if near else f"there are: {', '.join(vector_names())}"
        raise ValueError(f"no data set of texts or images is called {name!r}; {hint}")
    found = known[_plain(name)]
    features = "encoder" if features is None and encoder is not None else features
    base = default_root() if root is None else Path(root).expanduser()
    kind = "images" if found in ("digits", "MNIST-test", "USPS") else "texts"
    allowed = ("pixels", "pca") if kind == "images" else ("tfidf", "encoder")
    chosen = allowed[0] if features is None else features
    if chosen not in allowed:
        raise ValueError(f"{found} holds {kind}: features must be {allowed[0]!r} or {allowed[1]!r}, got {chosen!r}")
    if (chosen == "encoder") != (encoder is not None):
        raise ValueError("features='encoder' and encoder=NAME go together; name a sentence-transformers model, such as "
                         "encoder='all-MiniLM-L6-v2', or pass a function")
    if dim is not None and chosen not in ("tfidf", "pca"):
        raise ValueError(f"features={chosen!r} has a width of its own, got dim={dim}")
    items = digits_items() if found == "digits" else PLACES[found].read(find(found, PLACES[found], base))
    x = _vectors(items, chosen, dim, encoder, seed)
    return VectorData(found, x, items.labels, items.classes, items.texts, items.images, items.split, items.pairs,
                      items.scores)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")


def _vectors(items: Items, features: str, dim: int | None, encoder: Any, seed: int) -> Tensor:
    train = items.split.get("train")
    if train is not None and items.pairs is not None:
        train = torch.from_numpy(np.unique(items.pairs[train].numpy()))
    if items.images is not None:
        pixels = items.images.flatten(1)
        return pixels.clone() if features == "pixels" else _pca(pixels, train, 64 if dim is None else dim, seed)
    assert items.texts is not None
    if features == "encoder":
        return _encoded(items.texts, encoder)
    return tfidf(items.texts, 256 if dim is None else dim, seed, fit=train)


def tfidf(texts: Sequence[str], dim: int = 256, seed: int = 0, *, fit: Tensor | None = None) -> Tensor:
    """TF-IDF of words with sublinear counts, cut to `dim` columns by a truncated SVD: latent semantic analysis.

    Args:
        texts: N texts. One without any fitted word becomes a row of zeros.
        dim: columns, less than the number of fitted texts and of their words.
        seed: of the randomised decomposition.
        fit: the rows [n] int64 that words and singular vectors are taken from; None: all.

    Returns:
        [N, dim] float32.

    Raises:
        ValueError: there are too few texts or words for `dim`.

    Example:
        >>> tfidf(["a red car", "the red bus", "a blue bus"], dim=2).shape
        torch.Size([3, 2])
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    own = list(texts) if fit is None else [texts[row] for row in fit.tolist()]
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    fitted = vectorizer.fit_transform(own)
    _check_dim(dim, min(fitted.shape) - 1, f"{fitted.shape[0]} texts of {fitted.shape[1]} words")
    decomposition = TruncatedSVD(dim, random_state=seed).fit(fitted)
    return torch.from_numpy(decomposition.transform(vectorizer.transform(texts)).astype(np.float32))


def _pca(pixels: Tensor, train: Tensor | None, dim: int, seed: int) -> Tensor:
    from sklearn.decomposition import PCA

    own = pixels if train is None else pixels[train]
    _check_dim(dim, min(own.shape), f"{own.shape[0]} images of {own.shape[1]} pixels")
    fitted = PCA(dim, svd_solver="randomized", random_state=seed).fit(own.numpy())
    return torch.from_numpy(fitted.transform(pixels.numpy()).astype(np.float32))


def _check_dim(dim: int, most: int, of: str) -> None:
    if not 1 <= dim <= most:
        raise ValueError(f"dim must be from 1 to {most} for {of}, got {dim}")


def _encoded(texts: Sequence[str], encoder: str | Callable[[list[str]], Any]) -> Tensor:
    if isinstance(encoder, str):
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ImportError(f"encoder={encoder!r} needs sentence-transformers: pip install "
                              "'graphns[text]'") from error
        encode: Callable[[list[str]], Any] = SentenceTransformer(encoder).encode
    else:
        encode = encoder
    x = torch.as_tensor(np.asarray(encode(list(texts))))
    if x.dim() != 2 or len(x) != len(texts) or not bool(x.isfinite().all()):
        raise ValueError(f"the encoder must return finite vectors [{len(texts)}, F], got {tuple(x.shape)}"
                         + (" with NaN or infinity" if x.dim() == 2 and len(x) == len(texts) else ""))
    return x.float()
