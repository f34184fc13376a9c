"""Run an example script of PyG, OGB or DGL with graphns's names in the place of theirs; nothing else is changed.

Such scripts are in the repositories, not in the wheels. With a checkout at hand:

    python benchmarks/replaced_import.py /tmp/pyg/examples/link_pred.py
    python benchmarks/replaced_import.py /tmp/pyg/examples/hetero/recommender_system.py --k 10
    python benchmarks/replaced_import.py --install /tmp/pyg/examples/autoencoder.py --epochs 20
    python benchmarks/replaced_import.py --ogb /tmp/ogb/examples/nodeproppred/arxiv/mlp.py

Each import that was replaced is printed before the script begins. A script that imports nothing of ours is not run
(exit code 3): where PyG draws inside of its own models and transforms, `--install` puts our functions there. With
`--ogb` OGB's data sets and evaluators are replaced too, which OGB 1.3.6 cannot load under torch >= 2.6.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

OURS = {
    "torch_geometric.utils": ("graphns.pyg", {
        "batched_negative_sampling", "negative_sampling", "structured_negative_sampling",
        "structured_negative_sampling_feasible"}),
    "torch_geometric.loader": ("graphns.pyg", {"LinkNeighborLoader", "NeighborLoader"}),
    "dgl.dataloading.negative_sampler": ("graphns.dgl", {"GlobalUniform", "PerSourceUniform"}),
    "dgl.sampling": ("graphns.dgl", {"global_uniform_negative_sampling"}),
}

_OGB = {f"{library}{kind}PropPredDataset" for library in ("Dgl", "Pyg") for kind in ("Link", "Node")}
OGBS = {f"ogb.{task}": ("graphns.ogb", _OGB | {"Evaluator"}) for task in ("linkproppred", "nodeproppred")}


def replaced(source: str, table: Mapping[str, tuple[str, set[str]]] = OURS) -> tuple[str, list[tuple[str, str]]]:
    """The script with our names imported from us, every line at its number; and each import as it was and as it is.

    Args:
        source: text of a script.
        table: for a module ours, and the names that it has.
    """
    lines, changes = source.split("\n"), []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or node.module not in table:
            continue
        package, names = table[node.module]
        ours = [alias for alias in node.names if alias.name in names]
        if not ours:
            continue
        theirs = [alias for alias in node.names if alias not in ours]
        new = "; ".join(f"from {module} import {', '.join(map(ast.unparse, aliases))}"
                        for module, aliases in ((node.module, theirs), (package, ours)) if aliases)
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset:]
        lines[first: last + 1] = [before + new + after, *[""] * (last - first)]
        changes.append((ast.unparse(node), new))
    return "\n".join(lines), changes


def run(script: Path, text: str, arguments: list[str]) -> None:
    """As `python script arguments` would, with that text."""
    module = ModuleType("__main__")
    module.__file__ = str(script)
    sys.modules["__main__"] = module  # where workers look for what the script defines
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(script.parent)
    exec(compile(text, str(script), "exec"), module.__dict__)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="an example script, with graphns in the place of PyG's or DGL's names")
    parser.add_argument("--install", action="store_true", help="also where PyG itself draws: graphns.pyg.install()")
    parser.add_argument("--ogb", action="store_true", help="also OGB's data sets and evaluators: graphns.ogb")
    parser.add_argument("script", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the script")
    options = parser.parse_args(arguments)
    script = options.script.resolve()
    if not script.is_file():
        print(f"there is no script {script}")
        return 2
    text, changes = replaced(script.read_text(), {**OURS, **(OGBS if options.ogb else {})})
    for old, new in changes:
        print(f"- {old}\n+ {new}")
    if not changes and not options.install:
        names = sorted(name for _, names in OURS.values() for name in names)
        print(f"{script.name} imports none of {', '.join(names)}: there is nothing to replace; --install serves the "
              "functions that PyG calls by itself")
        return 3
    if options.install:
        from graphns.pyg import install

        install()
        print("+ graphns.pyg.install()")
    sys.stdout.flush()
    run(script, text, options.arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
