"""Write the parts of the docs that follow from the code: `python docs/generate.py`.

They are the table of samplers, the reference of public names, and the results.
"""

from __future__ import annotations

import csv
import importlib
import inspect
import pkgutil
from pathlib import Path

import torch
import yaml

import graphns
from graphns.base import Sampler
from graphns.graph.graph import Graph
from graphns.registry import Entry, entries

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
HEAD = "<!-- written by docs/generate.py: edit the registry or the docstrings instead -->\n"
FAMILIES = {
    "static": "the proposal is fixed by the data",
    "dynamic": "reads the model's scores, or the graph around the anchor",
    "adversarial": "has parameters, and learns",
    "efficient": "reuses what is at hand",
    "compose": "samplers around samplers",
}
OTHERS = {
    "objective": "make a scalar of scores",
    "mixer": "bend candidates into negatives that are rows of no table",
    "batcher": "choose the anchors of a batch",
}
# what users call besides the names of the package itself and the registry's
PACKAGES = ("graphns.graph", "graphns.views", "graphns.scorers", "graphns.encoders", "graphns.metrics", "graphns.data",
            "graphns.pipelines", "graphns.mining")


def built_in(kind: str) -> list[Entry]:
    """The rows of a kind that come with graphns."""
    return [entry for entry in entries(kind) if entry.family != "third party"]  # type: ignore[arg-type]


def link(entry: Entry) -> str:
    """The name of a row, leading to its page."""
    return f"[{entry.name}]({entry.kind}s/{entry.name}.md)"


def samplers() -> str:
    """The table of samplers, family by family."""
    ring = torch.arange(8)
    graph = Graph.from_edge_index(torch.stack([ring, (ring + 1) % 8]), num_nodes=8)
    lines = [HEAD, "# Samplers"]
    for family, idea in FAMILIES.items():
        lines += [f"\n## {family.capitalize()}: {idea}\n",
                  "| name | class | draws | also called | reads the model | keeps state | density | paper |",
                  "|---|---|---|---|---|---|---|---|"]
        for entry in built_in("sampler"):
            if entry.family != family:
                continue
            made: Sampler = entry.load().from_graph(graph)
            lines.append("| " + " | ".join([
                link(entry), f"`{type(made).__name__}`", entry.summary,
                ", ".join(entry.aliases), "yes" if made.model_aware else "no", "yes" if made.stateful else "no",
                made.density, entry.paper,
            ]) + " |")
    lines.append("\n## Beside the samplers\n")
    for kind, idea in OTHERS.items():
        lines.append(f"- {kind.capitalize()}s {idea}: {', '.join(map(link, built_in(kind)))}.")
    return "\n".join(lines) + "\n"


def first_line(thing: object) -> str:
    """The first sentence of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def arguments(thing: object) -> str:
    """The names of what a call takes, options with their defaults."""
    shown = []
    for name, parameter in inspect.signature(thing).parameters.items():  # type: ignore[arg-type]
        star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is inspect.Parameter.empty else f"={parameter.default!r}"
        shown.append(f"{star}{name}{default}")
    return ", ".join(shown)


def reference() -> str:
    """Every public name with its arguments and its first line."""
    lines = [HEAD, "# Reference\n\nThe docstring of each has the formula, shapes, what is random and an example: "
             "`help(graphns.Uniform)`.", "\n## `graphns`\n", "| name | what it is |", "|---|---|"]
    for name in sorted(graphns.__all__):
        thing = getattr(graphns, name)
        if inspect.isclass(thing):
            # an exception, an abstract class or a protocol is not called by users
            plain = name in ("Model", "Sampler") or issubclass(thing, Exception)
            call = "" if plain else f"({arguments(thing)})"
            lines.append(f"| `{name}{call}` | {first_line(thing)} |")
    for kind in OTHERS:
        rows = built_in(kind)
        if rows:
            lines += [f"\n## {kind.capitalize()}s\n", "| name | function | what it is | paper |", "|---|---|---|---|"]
            for entry in rows:
                thing = entry.load()
                place = entry.target.replace(":", ".")
                lines.append(f"| {link(entry)} | `{place}({arguments(thing)})` | {first_line(thing)} | {entry.paper} |")
    for package in PACKAGES:
        rows = []
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            module = importlib.import_module(info.name)
            for name, thing in vars(module).items():
                own = getattr(thing, "__module__", None) == info.name and not name.startswith("_")
                if own and inspect.isfunction(thing):
                    rows.append(f"| `{info.name}.{name}({arguments(thing)})` | {first_line(thing)} |")
                elif own and inspect.isclass(thing) and name not in graphns.__all__:
                    rows.append(f"| `{info.name}.{name}` | {first_line(thing)} |")
        if rows:
            lines += [f"\n## `{package}`\n", "| name | what it is |", "|---|---|", *rows]
    for name in ("pyg", "dgl", "networkx", "sklearn", "ogb"):
        lines += adapter(name)
    return "\n".join(lines) + "\n"


def adapter(short: str) -> list[str]:
    """The functions that a short import hands on; classes of a library that may be missing are on its page."""
    module = importlib.import_module(f"graphns.{short}")
    lines = [f"\n## `graphns.{short}`\n", "| name | what it is |", "|---|---|"]
    for name in sorted(module.__all__):
        thing = vars(module).get(name)  # a class that imports its library is not there until it is asked for
        if inspect.isfunction(thing):
            lines.append(f"| `{name}({arguments(thing)})` | {first_line(thing)} |")
        elif inspect.isclass(thing):
            lines.append(f"| `{name}` | {first_line(thing)} |")
    return lines


def corruptions() -> list[str]:
    """How many corruptions of train triples are known triples."""
    lines = ["\n## Corruptions that are known\n",
             "`python benchmarks/quality/corruptions.py`: the share of corruptions of train triples, 20 a triple, that "
             "are train triples themselves. The contract never draws the positive; the other column counts such draws "
             "too, as a sampler that may draw it would.\n",
             "| data | method | share, % | with the positive, % | filtered, % | triples without a candidate |",
             "|---|---|---|---|---|---|"]
    rows = list(csv.DictReader((RESULTS / "corruptions.csv").read_text().splitlines()))
    for free, filtered in zip(rows[::2], rows[1::2], strict=True):
        shares = (free["share"], free["share_with_original"], filtered["share"])
        lines.append(f"| {free['data']} | {free['method']} | {' | '.join(f'{100 * float(x):.3f}' for x in shares)} | "
                     f"{filtered['triples_without_candidates']} |")
    return lines


def results() -> str:
    """What `benchmarks/results` holds: comparisons of samplers, and speed beside the peers."""
    lines = [HEAD, "# Results\n\nEvery figure here was written by a command of this repository, into the files of "
             "`benchmarks/results`. A result below what was published stands as it is."]
    for folder in sorted(path.parent for path in RESULTS.glob("*/summary.csv")):
        config = yaml.safe_load((folder / "config.yaml").read_text())
        data, settings = config["data"], config["settings"]
        training, last = config["training"], settings["seeds"] - 1
        plain = training.get("settings") or training["grace"]  # earlier records
        lines += [f"\n## {data['name']}\n", f"`{config['command']}`\n",
                  f"{training.get('method', 'grace').upper()}, {plain['epochs']} epochs, k = {plain['k']}, "
                  f"seeds 0 to {last}, "
                  f"{settings['threads']} thread, torch {config['versions']['torch']}, "
                  f"{config['machine']['processor']}. Accuracy of a linear probe, {training['split']} split, its "
                  "strength chosen on validation nodes; the difference is paired with uniform's by seed, with its "
                  f"95 % interval. The whole record is in [its folder](../benchmarks/results/{folder.name}/).\n",
                  "| sampler | accuracy, % | against uniform, points | verdict | false negatives, % | hardness, % | "
                  "s an epoch | peak MB |", "|---|---|---|---|---|---|---|---|"]
        for row in csv.DictReader((folder / "summary.csv").read_text().splitlines()):
            def cell(key: str, scale: float = 1, digits: int = 1, row: dict[str, str] = row) -> str:
                return f"{scale * float(row[key]):.{digits}f}" if row[key] else "–"

            against = f"{cell('difference', 100, 2)} ({cell('low', 100, 2)} to {cell('high', 100, 2)})"
            cells = [row["name"], f"{cell('accuracy', 100, 2)} ± {cell('std', 100, 2)}",
                     against if row["difference"] else "–", row["verdict"] or "–", cell("false_negatives", 100),
                     cell("hardness", 100), cell("seconds_per_epoch", 1, 3), cell("peak_mb", 1, 0)]
            lines.append(f"| {' | '.join(cells)} |")
        notes = folder / "notes.md"
        lines += ["\n" + notes.read_text().strip()] if notes.is_file() else []
    for folder in sorted(path.parent for path in RESULTS.glob("*/results.md")):
        for page in (folder / "results.md", folder / "losses.md"):
            if page.is_file():
                lines.append("\n#" + page.read_text().strip().replace("\n#", "\n##"))
        lines.append("\n" + (folder / "notes.md").read_text().strip())
    lines += corruptions()
    for name in ("peers.md", "grace-loss.md", "peers-notes.md"):
        if (RESULTS / name).is_file():
            text = "\n" + (RESULTS / name).read_text().strip()
            lines.append(text.replace("\n#", "\n##"))
    return "\n".join(lines) + "\n"


PAGES = {"samplers.md": samplers, "reference.md": reference, "results.md": results}


def main() -> None:
    """Write the pages."""
    for name, write in PAGES.items():
        (DOCS / name).write_text(write())


if __name__ == "__main__":
    main()
