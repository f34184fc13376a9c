"""What one run on links does: a heuristic, the frozen checkpoint, or training and audit of a sampler under a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from graphns.base import Sampler
from graphns.compare.files import replacing
from graphns.compare.layout import Layout
from graphns.compare.link_audit import LEAST_DRAWS, audit_links
from graphns.compare.link_layout import HEURISTIC_NAMES, link_layout, metric_name
from graphns.compare.link_settings import LinkSettings
from graphns.compare.link_source import GIVEN as GIVEN
from graphns.compare.link_source import link_sampler
from graphns.compare.settings import import_module
from graphns.compare.specs import POOL_FACTOR, Spec
from graphns.compare.trainings import (
    CHECKPOINT,
    Report,
    family,
    forget,
    frozen_path,
    measured,
    progress,
    sampler_tasks,
    unfinished,
)
from graphns.data.link import LinkData
from graphns.data.link_files import read_links
from graphns.metrics.links import evaluate_links
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_model import LinkModel
from graphns.pipelines.link_prediction import default_sampler, fingerprint, train
from graphns.scorers.heuristics import HEURISTICS

DATA = "data.npz"


def load(settings: LinkSettings) -> LinkData:
    """The data and their split."""
    return settings.source().load()


def save_data(data: LinkData, path: Path) -> None:
    """Keep the data as arrays, split and negatives included."""
    with replacing(path) as temporary:
        data.save(temporary)


def plan(settings: LinkSettings, data: LinkData) -> dict[str, Any]:
    """All that the runs need beside the samplers, in plain values, and the protocol in words."""
    config = settings.config()
    plain = {key: value for key, value in config.to_dict().items() if key not in ("seed", "corrected")}
    frozen = max(1, config.epochs // 2)
    name = metric_name(data.metric)
    heuristics = ", ".join(f"{short} ({long})" for short, long in HEURISTIC_NAMES.items())
    side = config.side if data.undirected else "destination"
    sides = "either end, by a coin of each edge and epoch," if side == "either" else f"the {side}"
    return {
        "training": {"data": data.name, "settings": plain, "checkpoint": {"epochs": frozen, "sampler": "uniform"},
                     "fingerprint": fingerprint(data)},
        "data": {"name": data.name, "nodes": data.num_nodes, "edges": data.train.shape[1],
                 "valid": data.valid.positive.shape[1], "test": data.test.positive.shape[1],
                 "features": data.num_features, "undirected": data.undirected, "metric": data.metric,
                 "setting": data.setting, "negatives": _negatives(data)},
        "protocol": {
            "training": f"{config.encoder} encoder, {config.decoder} decoder, at most {config.epochs} epochs, "
                        f"k = {config.k} negative{'s' if config.k > 1 else ''} a positive{_batches(config)}",
            "metric": f"{name} is what these data are compared by. The epoch is the one whose {name} on validation "
                      f"edges, looked at every {config.validate_every} epochs, was best; test edges are scored once, "
                      f"with its weights. Evaluated against {_negatives(data)}.",
            "negatives": f"Of a positive, {sides} is replaced; candidates are all nodes but the anchor and its known "
                         "neighbours, by training edges alone. Validation and test edges can be drawn: to leave them "
                         "out would tell the model where they are. "
                         f"Samplers that choose from a pool have {POOL_FACTOR} k candidates unless named otherwise. "
                         "In-batch takes k positives of the step, the same for all.",
            "pairing": "One seed means the same initial weights and the same order and sides of the positives for "
                       "every sampler; only the negatives differ. The split is one for all seeds. Seeds are 0, 1, and "
                       "so on, fixed beforehand.",
            "references": f"Heuristics on the training edges: {heuristics}. They learn nothing and are not random: one "
                          "run each, held against uniform's runs under every seed.",
            "draws": f"One model, trained with uniform (seed 0) for {frozen} of {config.epochs} epochs, is frozen. "
                     f"Every sampler, as its training with seed 0 left it, draws for training edges until "
                     f"{LEAST_DRAWS:,} negatives are usable; those that are validation or test edges are false "
                     "negatives.",
            "cost": f"Each run has a process of its own and the machine's {settings.threads} thread(s), one run at a "
                    "time, after one epoch to load compiled code. Times are wall time and vary with what else the "
                    "machine does; validation is not among them. Memory includes the scoring of held-out edges.",
        },
    }


def _batches(config: LinkConfig) -> str:
    if config.num_neighbors is None:
        return ""
    return f"; mini-batches, with {', '.join(map(str, config.num_neighbors))} sampled neighbours a node (-1: all)"


def _negatives(data: LinkData) -> str:
    """What held-out edges are ranked among."""
    shape = data.test.negative.shape
    count = f"{shape[-1]:,} negatives " + ("of each test edge's own" if data.test.own else "that test edges share")
    return {"heart": f"HeaRT's hard negatives: {count}", "ogb": f"OGB's negatives: {count}",
            "random": f"random pairs without an edge: {count}"}.get(data.setting, count)


def layout(plan: dict[str, Any]) -> Layout:
    """What is shown."""
    return link_layout(plan["data"]["metric"])


def all_tasks(settings: LinkSettings) -> list[dict[str, Any]]:
    """Every run, in order: heuristics, the checkpoint, then sampler by sampler."""
    found: list[dict[str, Any]] = [{"kind": "reference", "name": name, "seed": 0} for name in HEURISTIC_NAMES]
    found.append({"kind": "checkpoint", "name": CHECKPOINT, "seed": 0})
    return found + sampler_tasks(settings.samplers, range(settings.seeds), settings.corrected, audited=True)


def perform(task: dict[str, Any], report: Report) -> dict[str, Any]:
    """Do a task and give its results, in plain values."""
    torch.set_num_threads(task["threads"])
    for module in task["imports"]:
        import_module(module)
    training = task["training"]
    data = replace(read_links(Path(task["folder"]) / "runs" / DATA), name=training["data"])
    if task["kind"] == "reference":
        return _reference(task, data)
    config = LinkConfig.from_dict({**training["settings"], "seed": task["seed"]})
    return (_checkpoint if task["kind"] == "checkpoint" else _train)(task, data, config, report)


def _reference(task: dict[str, Any], data: LinkData) -> dict[str, Any]:
    heuristic = HEURISTICS[task["name"]](data.graph)
    valid, test = (evaluate_links(heuristic.pairs, data.part(part)).as_dict() for part in ("valid", "test"))
    return {"family": "reference", "deterministic": True, **test, "valid": valid[data.metric]}


def _checkpoint(task: dict[str, Any], data: LinkData, config: LinkConfig, report: Report) -> dict[str, Any]:
    path = frozen_path(task)
    result = train(data, default_sampler(data), config.replace(epochs=task["training"]["checkpoint"]["epochs"]),
                   folder=path.parent, progress=progress(report))
    with replacing(path) as temporary:
        torch.save(result.model.state_dict(), temporary)
    forget(path.parent)
    return {"losses": result.losses}


def _train(task: dict[str, Any], data: LinkData, config: LinkConfig, report: Report) -> dict[str, Any]:
    spec = Spec(**task["sampler"])
    if task["corrected"]:
        config = config.replace(corrected=True)

    def build() -> Sampler:
        return link_sampler(spec, data, config.k, config.size)

    # compiled code is loaded here, not where time and memory are taken
    train(data, build(), config.replace(epochs=1))
    sampler, folder = build(), unfinished(task)
    result, costs = measured(lambda: train(data, sampler, config, folder=folder, progress=progress(report)))
    found = {
        "family": family(spec), "density": sampler.density, "corrected": task["corrected"], **result.test.as_dict(),
        "valid": result.valid.as_dict()[data.metric], "epoch": result.epoch, **costs, "audit": None,
    }
    if task["audit"]:
        report({"note": "audit"})
        model = LinkModel.seeded(data, config)
        model.load_state_dict(torch.load(frozen_path(task), weights_only=True))
        found["audit"] = audit_links(model, data, sampler, config, epoch=task["training"]["checkpoint"]["epochs"])
    forget(folder)
    return found
