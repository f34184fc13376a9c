"""`graphns audit`: what samplers would draw on a user's graph, and how much of it is true after all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from graphns import registry
from graphns.base import Sampler
from graphns.compare import audit_figure, audit_table, drawn, specs
from graphns.compare.files import write_text
from graphns.compare.held_out import PARTS, Files, HeldOut, Shares, Source, hold_out, read_held_out, read_source
from graphns.compare.settings import import_module
from graphns.compare.show import Progress, tell
from graphns.compare.surroundings import machine, versions

DEFAULT_SAMPLERS = "uniform,degree,hop-ring,random-walk,hardest,tempered,in-batch,clustered"
"""Some of every family that needs no training."""
GIVEN: dict[str, str | None] = {"model": None, "pairs": None}
"""What an audit can give to samplers that need it: the spectral model."""
KIND = "graphns audit"  # how a folder of ours is known


@dataclass(frozen=True)
class AuditSettings:
    """One audit; `AuditSettings.make` checks what the user wrote.

    Args:
        graph: a file with edges, or the name of a data set.
        samplers: what is audited, in order.
        held_out: validation and test, as shares, numbers of edges, or files.
        seeds: seeds 0 … seeds - 1, of splits and draws.
        k: negatives of each pair.
        pairs: training pairs that are asked for, at most.
        batch_size: pairs of one query.
        exclude: "neighbors" or "self".
        epoch: what samplers with a curriculum are told.
        width: rank of the spectral model.
        root: folder of the named data sets; None: the usual one.
        num_nodes: nodes of a graph in a file, if some have no edge.
        undirected: whether each edge of a file counts in both directions.
        imports: modules that register further samplers.
    """

    graph: str
    samplers: tuple[specs.Spec, ...]
    held_out: Shares | Files = (0.05, 0.1)
    seeds: int = 3
    k: int = 5
    pairs: int = 20_000
    batch_size: int = 512
    exclude: str = "neighbors"
    epoch: int = 0
    width: int = 32
    root: str | None = None
    num_nodes: int | None = None
    undirected: bool = False
    imports: tuple[str, ...] = field(default=())

    @classmethod
    def make(cls, graph: str, *, samplers: str | None = None, held_out: str | None = None,
             imports: tuple[str, ...] = (), **rest: Any) -> AuditSettings:
        """Settings from what a user writes.

        Raises:
            ValueError: an unknown sampler, option, module or choice.

        Example:
            >>> AuditSettings.make("edges.csv", samplers="rns", held_out="0,0.2").held_out
            (0, 0.2)
        """
        for module in imports:
            import_module(module)
        parts = read_held_out("0.05,0.1" if held_out is None else held_out)
        settings = cls(graph, specs.parse_list(samplers or DEFAULT_SAMPLERS, GIVEN), parts, imports=imports, **rest)
        if settings.exclude not in ("neighbors", "self"):
            raise ValueError(f"exclude must be one of neighbors, self, got {settings.exclude!r}")
        for name in ("seeds", "k", "pairs", "batch_size", "width"):
            if getattr(settings, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(settings, name)}")
        if settings.epoch < 0:
            raise ValueError(f"epoch must be at least 0, got {settings.epoch}")
        return settings

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for config.yaml."""
        held_out = [str(part) if isinstance(part, Path) else part for part in self.held_out]
        return {**asdict(self), "samplers": [spec.text for spec in self.samplers], "imports": list(self.imports),
                "held_out": held_out}


def audit_graph(settings: AuditSettings, folder: Path, *, command: str = "", quiet: bool = False) -> int:
    """Audit every sampler under every seed; write summary.csv, groups.csv, results.csv, a figure and config.yaml.

    Args:
        settings: what to audit.
        folder: made if it is not there; one of an earlier audit is written anew.
        command: what the user typed, for the record.
        quiet: no progress, no tables.

    Returns:
        0; or 1 where a sampler failed for a reason that is not the user's.

    Raises:
        ValueError: the graph cannot be had or split, no sampler can be run on it, or the folder holds other files.
    """
    check_folder(folder)
    unfit = specs.misfits(settings.samplers, GIVEN, "a graph of edges alone")
    source = read_source(settings.graph, settings.root, settings.num_nodes, settings.undirected)
    seeds = range(settings.seeds)
    splits = [hold_out(source, settings.held_out, seed) for seed in seeds]
    if not quiet:
        tell([f"{text}: not run: {reason}" for text, reason in unfit.items()])
    runs: dict[str, list[dict[str, Any]]] = {spec.text: [] for spec in settings.samplers}
    faults = {text: "not run: " + reason for text, reason in unfit.items()}
    todo = [spec for spec in settings.samplers if spec.text not in unfit]
    with Progress(len(todo) * len(seeds), quiet) as progress:
        for seed, held_out in zip(seeds, splits, strict=True):
            asked = drawn.ask(held_out.train, settings.pairs, settings.width, seed)
            for spec in todo:
                progress.begin(f"{spec.text}, seed {seed}")
                if spec.text not in faults:
                    _one(spec, held_out, asked, settings, seed, runs[spec.text], faults)
                progress.end()
    if not any(runs.values()) and not any(_is_ours(fault) for fault in faults.values()):
        raise ValueError("no sampler ran; " + "; ".join(f"{text}: {fault}" for text, fault in faults.items()))
    rows = [audit_table.gather(spec.text, _family(spec), runs[spec.text], faults.get(spec.text, ""))
            for spec in settings.samplers]
    config = _config(settings, source, splits, command)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    labels = audit_table.labels(source.graph.bipartite)
    write_text(folder / "summary.csv", audit_table.summary_csv(rows))
    write_text(folder / "groups.csv", audit_table.groups_csv(rows, labels))
    write_text(folder / "results.csv", audit_table.results_csv(runs))
    audit_figure.draw(rows, labels, folder)
    if not quiet:
        audit_table.show(rows, labels, source.name, splits[0].sizes, folder)
    return 1 if any(_is_ours(fault) for fault in faults.values()) else 0


def check_folder(folder: Path) -> None:
    """Raise a `ValueError` where results would lie among other files."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder with --out")
    if folder.is_dir() and any(folder.iterdir()):
        config = folder / "config.yaml"
        if not config.is_file() or f"kind: {KIND}\n" not in config.read_text(encoding="utf-8", errors="replace"):
            raise ValueError(f"{folder} holds other files; name a new folder with --out")


def _one(spec: specs.Spec, held_out: HeldOut, asked: drawn.Asked, settings: AuditSettings, seed: int,
         found: list[dict[str, Any]], faults: dict[str, str]) -> None:
    """One sampler under one seed; an error is its own row's, and the others go on."""
    try:
        sampler = _build(lambda: spec.build(held_out.train, exclude=settings.exclude), seed)
        found.append({"seed": seed, **drawn.measure(sampler, held_out, asked, k=settings.k, epoch=settings.epoch,
                                                    batch_size=settings.batch_size, seed=seed)})
    except ValueError as error:
        faults[spec.text] = f"not run: {error}"
    except Exception as error:  # a sampler is anyone's code
        faults[spec.text] = f"failed: {type(error).__name__}: {error}"


def _is_ours(fault: str) -> bool:
    """Whether a fault is no mistake of the user's."""
    return fault.startswith("failed")


def _build(make: Callable[[], Sampler], seed: int) -> Sampler:
    """A sampler, its parameters by the seed, with torch's generator left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def _family(spec: specs.Spec) -> str:
    found = {entry.target: entry.family for entry in registry.entries("sampler")}.get(spec.target, "third party")
    return "reference" if spec.name == "all" else found


def _config(settings: AuditSettings, source: Source, splits: list[HeldOut], command: str) -> dict[str, Any]:
    graph = source.graph
    exclusion = "its training neighbours and itself" if settings.exclude == "neighbors" else "itself"
    both = "; both directions of an edge are in one part" if source.undirected else ""
    files = isinstance(settings.held_out[0], Path)
    return {
        "kind": KIND, "command": command, "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.as_dict(),
        "data": {"name": source.name, "sources": graph.num_src, "candidates": graph.num_dst,
                 "bipartite": graph.bipartite, "undirected": source.undirected,
                 "edges": {part: splits[0].sizes[part] for part in PARTS}},
        "protocol": {
            "split": ("The held-out edges are those of the files." if files else
                      f"Distinct edges are cut at random, anew for each seed{both}.")
                     + " Samplers see the training edges only.",
            "draws": f"Pairs are training edges (an undirected one in both directions) in random order, at most "
                     f"{settings.pairs}; {settings.k} negatives a pair, in batches of {settings.batch_size}. Left out "
                     f"for an anchor: {exclusion}, and the pair's positive, where the sampler has that option. "
                     "Samplers with queues or caches see every batch; nothing is trained.",
            "shares": "Of all usable draws, those that are edges of a part; in an undirected graph in either "
                      "direction. A validation or test edge that is drawn is a false negative.",
            "groups": "By the anchor's degree in the training graph, and by the distance of the drawn id from the "
                      "anchor along training edges.",
            "hardness": "Mean share of the anchor's non-neighbours that score below the drawn one, ties half; 50 % for "
                        "indifferent draws. Once by Adamic-Adar on the training graph (not in a bipartite one), once "
                        f"by its truncated SVD of rank {settings.width}, which is also the model that samplers read.",
            "coverage": "Share of the candidates that were drawn at least once, and the entropy of what was drawn over "
                        "that of equal counts; both depend on the number of draws.",
        },
        "versions": versions(), "machine": machine(),
    }
