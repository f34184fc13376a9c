"""Embeddings of nodes under one protocol: a probe a split, beside raw features and the most frequent class."""

from __future__ import annotations

import csv
import io
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from graphns.compare.files import write_text
from graphns.data import load
from graphns.data.node import NodeData
from graphns.metrics.evaluation import deviation, majority
from graphns.metrics.probe import FOLDS, fit_probe
from graphns.metrics.protocols import has_masks, protocol_name, split

OURS, RAW, MOST = "embeddings", "raw features", "most frequent class"
RANDOM_SPLITS = 20
"""Splits of a random protocol unless told otherwise."""


@dataclass(frozen=True)
class Figure:
    """What one probe reached on one split; a row of the CSV.

    Args:
        row: what was probed: `OURS`, `RAW` or `MOST`.
        protocol: name of the protocol.
        data: name of the data set.
        split_seed: seed of a random split, number of a public one.
        accuracy: on the test nodes, in [0, 1].
        validation_accuracy: what chose C; None where nothing was chosen.
        C: inverse strength of the regularisation.
        train: number of train nodes.
        validation: number of validation nodes.
        test: number of test nodes.
        official_accuracy: by OGB's evaluator, for its data sets and their own split.
        classifier: of the table's probes, see `fit_probe`.
    """

    row: str
    protocol: str
    data: str
    split_seed: int
    accuracy: float
    validation_accuracy: float | None
    C: float | None
    train: int
    validation: int
    test: int
    official_accuracy: float | None = None
    classifier: str = "liblinear"


def read_embeddings(path: Path) -> tuple[Tensor, dict[str, Any]]:
    """Embeddings [N, d] float32 from a file or the folder of a run, and what the folder says of its data.

    Files are read without executing them: `.npy`, or `.pt` with a tensor or a dict that has it under "embeddings".

    Returns:
        the embeddings; "data", "root" and "task" of the folder's config.yaml, or nothing.

    Raises:
        ValueError: there is nothing of that kind.
    """
    if path.is_dir():
        files = [path / name for name in ("embeddings.npy", "embeddings.pt") if (path / name).is_file()]
        if not files:
            raise ValueError(f"{path} holds no embeddings.npy: its training is not finished, or it is no run of "
                             "'graphns train node'")
        return read_embeddings(files[0])[0], _config(path / "config.yaml")
    if not path.is_file():
        raise ValueError(f"there is no file or folder {path}")
    try:
        if path.suffix == ".npy":
            found: Any = torch.from_numpy(np.load(path, allow_pickle=False))
        elif path.suffix in (".pt", ".pth"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of pickle protocols before it refuses or reads them
                found = torch.load(path, map_location="cpu", weights_only=True)
        else:
            raise ValueError(f"{path} is neither .npy nor .pt: save embeddings [N, d] with numpy.save or torch.save")
    except (ValueError, TypeError, OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} holds no embeddings that can be read without executing it: {error}") from error
    found = found.get("embeddings") if isinstance(found, dict) else found
    if not isinstance(found, Tensor) or found.dim() != 2 or found.is_complex():
        what = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise ValueError(f"{path} must hold embeddings [N, d], as a tensor or under 'embeddings' in a dict; it holds "
                         f"{what}")
    return found.float(), {}


def _config(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    except FileNotFoundError:
        return {}
    return {key: found[key] for key in ("data", "root", "task") if found.get(key)} if isinstance(found, dict) else {}


def evaluate_node(source: Path, *, data: str | None = None, root: str | Path | None = None,
                  protocol: str | None = None, splits: int | None = None, seed: int = 0, references: bool = True,
                  classifier: str = "liblinear", threads: int | None = None,
                  progress: Callable[[int, int], None] | None = None) -> list[Figure]:
    """Probe embeddings, and the references beside them, on splits of one protocol.

    Args:
        source: see `read_embeddings`.
        data: name or file of the data set; None: what the folder of the run names.
        root: folder of the data sets; None: the run's, else the usual one.
        protocol: see `graphns.metrics.protocols`; None: public where the data have a split, else random-10-10-80.
        splits: how many; None: all that are public, or 20 random ones.
        seed: of the first random split, or number of the first public one.
        references: whether raw features and the most frequent class are measured too.
        classifier: see `fit_probe`.
        threads: see `fit_probe`.
        progress: called after each split with (splits done, splits in all).

    Raises:
        ValueError: no data named (what a run on links names does not count), files that are not what they should be, a
            split that is not there, or what `fit_probe` refuses.
    """
    embeddings, run = read_embeddings(source)
    if data is None and run.get("task", "node") != "node":
        raise ValueError(f"{source} is a run of 'graphns train {run['task']}', which 'graphns eval {run['task']}' "
                         "evaluates; to probe its embeddings all the same, name data of nodes with --data NAME")
    data = data or run.get("data")
    if data is None:
        raise ValueError(f"{source} does not say of which data set its embeddings are: give --data NAME")
    whole = load(data, root or run.get("root"))
    name = protocol_name(protocol or ("public" if has_masks(whole) else "random-10-10-80"))
    if splits is not None and splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")
    count = splits or (whole.num_splits - seed if name == "public" else RANDOM_SPLITS)
    if name == "public" and not 0 <= seed < seed + count <= whole.num_splits:
        raise ValueError(f"{whole.name} has {whole.num_splits} split(s) of its own, numbered from 0; asked for were "
                         f"{count}, from number {seed}: choose a random protocol, or fewer")
    found: list[Figure] = []
    for done, number in enumerate(range(seed, seed + count), 1):
        case = whole
        if name == "public" and number:
            case = load(data, root or run.get("root"), split=number)
        found += _figures(embeddings, case, name, number, references, classifier, threads)
        if progress is not None:
            progress(done, count)
    return found


def _figures(embeddings: Tensor, data: NodeData, protocol: str, seed: int, references: bool, classifier: str,
             threads: int | None) -> Iterator[Figure]:
    parts = split(data, protocol, seed)
    sizes = (len(parts[0]), len(parts[1]), len(parts[2]))
    for row, x in ((OURS, embeddings), (RAW, data.x)):
        if row == OURS or references:
            probe = fit_probe(x, data, protocol, seed, classifier=classifier, threads=threads)
            yield Figure(row, protocol, data.name, seed, probe.accuracy, probe.validation, probe.strength, *sizes,
                         _official(data, probe.predicted, parts[2]) if protocol == "public" else None, classifier)
    if references:
        yield Figure(MOST, protocol, data.name, seed, majority(data, protocol, seed), None, None, *sizes,
                     classifier=classifier)


def _official(data: NodeData, predicted: Tensor, test: Tensor) -> float | None:
    from graphns.adapters.ogb.node import NAMES, accuracy

    return accuracy(data.name, data.y[test], predicted[test]) if data.name in NAMES else None


def to_csv(figures: list[Figure], path: Path) -> None:
    """Write a row a figure, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(asdict(figures[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in asdict(each).items()} for each in figures)
    write_text(path, text.getvalue())


def show(figures: list[Figure]) -> tuple[str, Any, str]:
    """A title, one table of one protocol for rich to print, and how its figures were made.

    A cell is the mean ± the standard deviation over the splits, in per cent.
    """
    from rich.table import Table

    first = figures[0]
    numbers = sorted({each.split_seed for each in figures})
    kind = "split" if first.protocol == "public" else "seed"
    which = f"{kind} {numbers[0]}" if len(numbers) == 1 else f"{kind}s {numbers[0]} to {numbers[-1]}"
    official = any(each.official_accuracy is not None for each in figures)
    table = Table(box=None, pad_edge=False)
    for title in ("row", "test", *(["OGB's evaluator"] if official else []), "validation", "splits", "nodes", "C"):
        table.add_column(title, justify="left" if title == "row" else "right", no_wrap=True)
    for row in dict.fromkeys(each.row for each in figures):
        own = [each for each in figures if each.row == row]
        strengths = sorted({each.C for each in own if each.C is not None})
        cells = [row, percent([each.accuracy for each in own])]
        if official:
            cells.append(percent([each.official_accuracy for each in own]))
        cells += [percent([each.validation_accuracy for each in own]), str(len(own)),
                  f"{own[0].train}/{own[0].validation}/{own[0].test}",
                  " to ".join(f"{strength:g}" for strength in dict.fromkeys(strengths[:1] + strengths[-1:])) or "–"]
        table.add_row(*cells, style="dim" if row != OURS else "")
    chosen = "the validation nodes" if first.validation else f"{FOLDS} folds of the train nodes"
    how = (f"L2-normalised rows, one logistic regression a class, C chosen on {chosen}"
           if first.classifier == "liblinear" else
           "rows as they are, a softmax regression by Adam, stopped where the validation nodes say")
    return (f"{first.data}, protocol {first.protocol} ({which}): accuracy of a linear probe, %", table,
            f"{how}; nodes: train/validation/test. Figures of other protocols or classifiers do not compare.")


def percent(values: Sequence[float | None]) -> str:
    """The mean of shares and, of several, their standard deviation, in per cent.

    Example:
        >>> percent([0.5, 0.75]), percent([0.5]), percent([None])
        ('62.50 ± 17.68', '50.00', '–')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    spread = deviation(known)
    return f"{100 * sum(known) / len(known):.2f}" + ("" if math.isnan(spread) else f" ± {100 * spread:.2f}")
