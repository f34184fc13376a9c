"""The main job: train under every sampler and seed, each in its own process; resume; write tables, figures, report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from graphns.compare import figures, report, specs, table, task_kinds
from graphns.compare.files import read_json, write_json, write_text
from graphns.compare.link_settings import LinkSettings
from graphns.compare.settings import Settings, file_name
from graphns.compare.show import Progress, print_tables, tell
from graphns.compare.surroundings import machine, versions
from graphns.compare.trainings import CHECKPOINT
from graphns.compare.worker import Workshop, perform

Do = Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], dict[str, Any]]


def compare(settings: Settings | LinkSettings, folder: Path, *, command: str = "", isolate: bool = True,
            quiet: bool = False) -> int:
    """Run what is missing of a comparison, then write its tables, figures and report into `folder`.

    Every finished run is kept as a small file; the same settings in the same folder do only what is missing, and may
    name more samplers or seeds.

    Args:
        settings: what to compare, and at which task.
        folder: made if it is not there.
        command: what the user typed, for the record.
        isolate: each run in its own process, as times and memory need it; False: all in this one.
        quiet: no progress, no tables.

    Returns:
        0; or 1 where a run failed for a reason that is not the user's.

    Raises:
        ValueError: the data cannot be had, no sampler fits them, or the folder holds results of other settings.
    """
    tasks = task_kinds.module(settings.task)
    unfit = specs.misfits(settings.samplers, tasks.GIVEN, settings.data)
    with _worker(folder, isolate) as do:
        data = tasks.load(settings)
        plan = tasks.plan(settings, data)
        config = {"command": command, "started": datetime.now(UTC).isoformat(timespec="seconds"),
                  "settings": settings.as_dict(), **plan, "versions": versions(), "machine": machine()}
        _check_folder(folder, settings, config)
        tasks.save_data(data, folder / "runs" / tasks.DATA)
        write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        if not quiet:
            tell([f"{text}: not run: {reason}" for text, reason in unfit.items()])
        results, faults, failed = _run_all(settings, tasks.all_tasks(settings), config, folder, do, quiet, unfit)
    (folder / "runs" / tasks.DATA).unlink()
    names = [name for name in dict.fromkeys(task["name"] for task in tasks.all_tasks(settings))
             if name != CHECKPOINT]
    layout = tasks.layout(plan)
    rows = table.gather(names, results, faults, layout)
    write_text(folder / "results.csv", table.results_csv(names, results, layout))
    write_text(folder / "summary.csv", table.summary_csv(rows, layout))
    drawn = figures.draw(rows, folder / "figures", layout)
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    write_text(folder / "report.html", report.render(rows, drawn, config, text, layout))
    if not quiet:
        print_tables(rows, folder / "report.html", layout)
    return 1 if failed else 0


@contextmanager
def _worker(folder: Path, isolate: bool) -> Iterator[Do]:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "runs" / "deciding.json").is_file():
        raise ValueError(f"{folder} holds other files; name a new folder with --out")
    if not isolate:
        yield perform
        return
    fresh = not folder.exists()
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    workshop = Workshop(folder / "runs" / "log.txt")
    try:
        workshop.start()  # it imports while this process reads the data
        yield workshop.run
    finally:
        workshop.close()
        if fresh and not (folder / "config.yaml").exists():
            shutil.rmtree(folder)  # refused before anything was done


def _check_folder(folder: Path, settings: Settings | LinkSettings, config: dict[str, Any]) -> None:
    """Refuse a folder whose runs were made under other settings, plan or library versions."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    path = folder / "runs" / "deciding.json"
    versions = {name: config["versions"][name] for name in ("graphns", "torch")}
    ours = json.loads(json.dumps({**settings.deciding(), **config["training"], **versions, "data_nodes":
                                  config["data"]["nodes"], "data_edges": config["data"]["edges"]}))
    if path.is_file():
        # a record of nodes does not name its task
        theirs, asked = {"task": "node", **read_json(path)}, {"task": "node", **ours}
        for key in [*asked, *theirs]:
            if asked.get(key) != theirs.get(key):
                raise ValueError(f"{folder} holds results with {key} = {theirs.get(key)}, now it is {asked.get(key)}: "
                                 "name another folder with --out, or delete this one")
    write_json(path, ours)


def _run_all(settings: Settings | LinkSettings, todo: list[dict[str, Any]], config: dict[str, Any], folder: Path,
             do: Do, quiet: bool, unfit: dict[str, str]) -> tuple[dict[str, dict[int, Any]], dict[str, str], bool]:
    results: dict[str, dict[int, Any]] = {}
    faults = {task["name"]: "not run: " + unfit[task["sampler"]["text"]] for task in todo
              if task["kind"] == "train" and task["sampler"]["text"] in unfit}
    failed = False
    common = {"folder": str(folder.resolve()), "threads": settings.threads, "training": config["training"],
              "imports": list(settings.imports), "task": settings.task}
    with Progress(len(todo), quiet) as progress:
        for task in todo:
            name, seed = task["name"], task["seed"]
            path = folder / "runs" / file_name(name) / f"seed-{seed}.json"
            progress.begin(f"{name}, seed {seed}")
            if path.is_file():
                answer = {"done": read_json(path)}
            elif name in faults:
                continue  # it does not fit the data, or one seed has told so
            else:
                answer = do({**task, **common}, progress.report)
                path.parent.mkdir(parents=True, exist_ok=True)
                if "done" in answer:
                    write_json(path, answer["done"])
            progress.end()
            if "done" in answer:
                results.setdefault(name, {})[seed] = answer["done"]
                continue
            if task["kind"] in ("checkpoint", "reference"):
                if answer["user"]:
                    raise ValueError(f"{name}: {answer['error']}")
                raise RuntimeError(f"{name}: {answer.get('traceback', answer['error'])}")
            faults[name] = ("not run: " if answer["user"] else "failed: ") + answer["error"]
            failed = failed or not answer["user"]
            write_text(path.parent / "error.txt", answer.get("traceback", answer["error"]) + "\n")
    return results, faults, failed
