"""What one run on nodes does: a reference, the frozen checkpoint, or training and audit of a sampler under a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from graphns.base import Sampler
from graphns.compare import audit
from graphns.compare.files import replacing
from graphns.compare.layout import Layout
from graphns.compare.node_layout import NODE
from graphns.compare.settings import GIVEN as GIVEN
from graphns.compare.settings import REFERENCES, Settings, import_module
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
from graphns.data import load as load_named
from graphns.data.node import NodeData
from graphns.metrics.probe import linear_probe
from graphns.pipelines import methods
from graphns.pipelines.grace import Grace
from graphns.pipelines.grace_config import GraceConfig
from graphns.pipelines.node import fit
from graphns.pipelines.node_config import NodeConfig

DATA = "data.pt"
_LARGE = 8192  # nodes above which the checkpoint is trained with uniform negatives: all of them would take hours


def load(settings: Settings) -> NodeData:
    """The data, with at least two classes to probe."""
    data = load_named(settings.data, settings.root)
    if data.num_classes < 2:
        raise ValueError(f"{settings.data} has {data.num_classes} class; a comparison by accuracy needs two")
    return data


def save_data(data: NodeData, path: Path) -> None:
    """Keep the data as tensors, so that each run reads them in milliseconds."""
    keys = ("name", "edge_index", "y", "train_mask", "val_mask", "test_mask")
    x = data.x if isinstance(data.x, torch.Tensor) else data.x.matrix  # a tensor too, and `NodeData` takes it back
    with replacing(path) as temporary:
        torch.save({"x": x, **{key: getattr(data, key) for key in keys}}, temporary)


def plan(settings: Settings, data: NodeData) -> dict[str, Any]:
    """All that the runs need beside the samplers, in plain values, and the protocol in words."""
    method = methods.find(settings.method)
    known = method.config_class().to_dict()
    changes = {key: getattr(settings, key) for key in ("epochs", "k") if getattr(settings, key) is not None}
    if "k" in changes and "k" not in known:
        raise ValueError(f"{method.config_class.title} has no number of negatives to set: leave --k out")
    if "exclude" in known:
        changes["exclude"] = settings.exclude
    config = method.config_class.preset(data.name, **changes)
    title, k = config.title, config.to_dict().get("k", 1)
    has_split = all(mask is not None for mask in (data.train_mask, data.val_mask, data.test_mask))
    split = settings.split or ("public" if has_split else "random")
    if split == "public" and not has_split:
        raise ValueError(f"{data.name} has no split of its own: leave --split out, or say --split random")
    frozen = {"epochs": max(1, config.epochs // 2), "sampler": "all" if data.num_nodes <= _LARGE else "uniform"}
    plain = {key: value for key, value in config.to_dict().items() if key not in ("seed", "corrected")}
    left_out = "its known neighbours and itself" if settings.exclude == "neighbors" else "itself, as GRACE does"
    return {
        "training": {"method": settings.method, "settings": plain, "split": split, "checkpoint": frozen,
                     "streams": settings.streams},
        "data": {"name": data.name, "nodes": data.num_nodes, "edges": data.graph.num_edges,
                 "features": data.num_features, "classes": data.num_classes},
        "protocol": {
            "training": f"{title}, {config.epochs} epochs, k = {k} negatives a node",
            "negatives": f"Candidates are all nodes; a node never draws {left_out}. "
                         + ("A drawn node is used in both views. " if method.over_all else "")
                         + f"Samplers that choose from a pool have {POOL_FACTOR} k candidates unless named otherwise. "
                         "In-batch takes k nodes of the step, the same for all.",
            "pairing": "One seed means the same initial weights, the same views and the same split for every sampler; "
                       "only the negatives differ. Seeds are 0, 1, and so on, fixed beforehand.",
            "probe": "Embeddings of the whole graph, frozen and L2-normalised; logistic regression on the train nodes, "
                     "its C chosen on the validation nodes, the test nodes used once. The split is "
                     + ("the data set's own." if split == "public" else "10/10/80 %, drawn by the seed."),
            "references": "Raw features and an untrained encoder are probed likewise; no sampler had a part in them.",
            "gradient": f"The loss of {title} is not one over all candidates, so gradients are not compared."
                        if not method.over_all else
                        f"One model, trained with {frozen['sampler']} (seed 0) for {frozen['epochs']} of "
                        f"{config.epochs} epochs, is frozen. With two fixed views and every node as an anchor, the "
                        f"gradient of the loss in all parameters is taken under {settings.streams} independent streams "
                        "and compared with that over all candidates. A sampler that learns is audited as its training "
                        "with seed 0 left it.",
            "cost": f"Each run has a process of its own and the machine's {settings.threads} thread(s), one run at a "
                    "time, after one epoch to load compiled code. Times are wall time and vary with what else the "
                    "machine does.",
        },
    }


def all_tasks(settings: Settings) -> list[dict[str, Any]]:
    """Every run, in order: references, the checkpoint, then sampler by sampler."""
    seeds = range(settings.seeds)
    found: list[dict[str, Any]] = [{"kind": "reference", "name": name, "seed": seed}
                                   for name in REFERENCES for seed in seeds]
    audited = methods.find(settings.method).over_all
    if audited:
        found.append({"kind": "checkpoint", "name": CHECKPOINT, "seed": 0})
    return found + sampler_tasks(settings.samplers, seeds, settings.corrected, audited)


def layout(plan: dict[str, Any]) -> Layout:
    """What is shown."""
    return NODE


def perform(task: dict[str, Any], report: Report) -> dict[str, Any]:
    """Do a task and give its results, in plain values."""
    torch.set_num_threads(task["threads"])
    for module in task["imports"]:
        import_module(module)
    saved = torch.load(Path(task["folder"]) / "runs" / DATA, weights_only=True)
    data = NodeData(**saved)
    training = task["training"]
    config = methods.find(training["method"]).config_class.from_dict({**training["settings"], "seed": task["seed"]})
    return {"reference": _reference, "checkpoint": _checkpoint, "train": _train}[task["kind"]](
        task, data, config, report)


def _reference(task: dict[str, Any], data: NodeData, config: NodeConfig, report: Report) -> dict[str, Any]:
    raw = task["name"] == REFERENCES[0]
    method = methods.find(task["training"]["method"])
    embeddings = data.x if raw else method.seeded(data, config).embed(data)
    accuracy = linear_probe(embeddings, data, _protocol(task), task["seed"])
    return {"family": "reference", "accuracy": accuracy}


def _protocol(task: dict[str, Any]) -> str:
    split: str = task["training"]["split"]
    return "random-10-10-80" if split == "random" else split


def _checkpoint(task: dict[str, Any], data: NodeData, config: NodeConfig, report: Report) -> dict[str, Any]:
    frozen = task["training"]["checkpoint"]
    sampler = None
    if frozen["sampler"] == "uniform":
        from graphns.samplers.static.uniform import Uniform

        sampler = Uniform.from_graph(data.graph, exclude=config.to_dict()["exclude"])
    path = frozen_path(task)
    method = methods.find(task["training"]["method"])
    result = fit(method, data, sampler, config.replace(epochs=frozen["epochs"]), folder=path.parent,
                 progress=progress(report))
    with replacing(path) as temporary:
        torch.save(result.model.state_dict(), temporary)
    forget(path.parent)
    return {"losses": result.losses}


def _train(task: dict[str, Any], data: NodeData, config: NodeConfig, report: Report) -> dict[str, Any]:
    spec = Spec(**task["sampler"])
    method = methods.find(task["training"]["method"])
    if task["corrected"]:
        config = config.replace(corrected=True)
    plain = config.to_dict()

    def build() -> Sampler:
        # each node is the positive of one pair, so all are equally popular
        return spec.build(data.graph, exclude=plain.get("exclude", "self"), pool=POOL_FACTOR * plain.get("k", 1),
                          popularity="uniform", features=lambda: data.dense)

    # compiled code is loaded here, not where time and memory are taken
    fit(method, data, build(), config.replace(epochs=1))
    sampler = build()
    folder = unfinished(task)
    result, costs = measured(lambda: fit(method, data, sampler, config, folder=folder, progress=progress(report)))
    report({"note": "probe"})
    found = {
        "family": family(spec), "density": sampler.density, "corrected": task["corrected"],
        "accuracy": linear_probe(result.embeddings, data, _protocol(task), task["seed"]), **costs, "audit": None,
    }
    if task["audit"]:
        report({"note": "audit"})
        assert issubclass(method, Grace) and isinstance(config, GraceConfig)
        model = method.seeded(data, config)
        model.load_state_dict(torch.load(frozen_path(task), weights_only=True))
        found["audit"] = audit.audit(model, data, sampler, config, epoch=task["training"]["checkpoint"]["epochs"],
                                     streams=task["training"]["streams"])
    forget(folder)
    return found
