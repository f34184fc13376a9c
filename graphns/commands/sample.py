"""The command `graphns sample`. Nothing heavy is imported before it runs, so `graphns --help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from graphns.base import Negatives, Query, Sampler
    from graphns.data.edge_files import EdgeFile


def sample(
    graph: Annotated[Path, typer.Argument(help="Edge list: CSV, TSV, npz, npy, GraphML or edge_index.pt.")],
    sampler: Annotated[str, typer.Option(help="Name, with options as name:option=value.")] = "uniform",
    num: Annotated[int, typer.Option(min=1, help="How many pairs to draw for: edges of the graph, or repeats of each "
                                                 "--anchor.")] = 10,
    k: Annotated[int, typer.Option(min=1, help="Negatives of each pair.")] = 1,
    anchor: Annotated[list[str] | None, typer.Option(help="Draw for this node only; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same negatives.")] = 0,
    exclude: Annotated[str | None, typer.Option(help="neighbors (known edges are never drawn) or self.")] = None,
    num_nodes: Annotated[int | None, typer.Option(min=1, help="Nodes of the graph, if some have no edge.")] = None,
    undirected: Annotated[bool, typer.Option("--undirected", help="Each edge counts in both directions.")] = False,
    output: Annotated[Path | None, typer.Option(help="A .csv or .npz file; otherwise CSV on the screen.")] = None,
) -> None:
    """Draw negatives for the edges of a graph in a file."""
    if output is not None and output.suffix not in (".csv", ".npz"):
        raise ValueError(f"cannot write {output.name}: the name must end in .csv or .npz")
    import torch

    from graphns.base import Query
    from graphns.compare.options import option_names
    from graphns.compare.specs import parse
    from graphns.data import edge_files
    from graphns.streams import Stream, bounded

    spec = parse(sampler)
    _refuse_needs(spec.name)
    file = edge_files.read(graph, num_nodes, undirected)
    if exclude is not None:
        from graphns import registry

        if "exclude" not in option_names(registry.load(spec.name)):
            raise ValueError(f"{spec.name} takes no --exclude")
        spec.options.setdefault("exclude", exclude)
    built = spec.build(file.graph)
    _refuse_model(built, spec.name)
    stream = Stream(seed)
    if anchor:
        anchors = torch.tensor([file.node(label) for label in anchor]).repeat_interleave(num)
        positives = _stand_in(file, anchors)
    else:
        drawn = bounded(stream.child(0).words(torch.arange(num), 1)[:, 0], file.graph.num_edges)
        anchors, positives = file.graph.edge_index[:, drawn]
    query = Query(anchors, positives, k, stream=stream.child(1))
    with torch.no_grad():
        negatives = built(query)
    _write(_columns(file, query, negatives, with_positive=not anchor), output)
    missing = int((~negatives.mask).sum())
    if missing:
        typer.echo(f"graphns: {missing} of {negatives.mask.numel()} draws had no candidate and are left out", err=True)


def _refuse_needs(name: str) -> None:
    from graphns import registry
    from graphns.compare.specs import unmet

    missing = unmet(registry.find(name), {"model": None, "pairs": None})  # of the model, `_refuse_model` tells
    if missing:
        free = ", ".join(row.name for row in registry.entries("sampler") if not set(row.needs) - {"pairs"})
        raise ValueError(f"{name} needs {' and '.join(missing)}, which a file of edges has not; without there are: "
                         f"{free}")


def _refuse_model(built: Sampler, name: str) -> None:
    if built.model_aware:
        from graphns import registry

        free = ", ".join(row.name for row in registry.entries("sampler") if not set(row.needs) - {"pairs"})
        raise ValueError(f"{name} reads a model's scores, and a file has no model; without one there are: {free}")


def _stand_in(file: EdgeFile, anchors: Tensor) -> Tensor:
    """Positives for anchors that were named without one: the anchor itself, which is never drawn anyway."""
    if not file.graph.bipartite:
        return anchors
    import torch

    firsts = [file.graph.neighbors(int(anchor))[:1] for anchor in anchors]
    for anchor, first in zip(anchors.tolist(), firsts, strict=True):
        if not len(first):
            raise ValueError(f"anchor {anchor} has no edge; in a bipartite graph an anchor needs one")
    return torch.cat(firsts)


def _columns(file: EdgeFile, query: Query, negatives: Negatives, with_positive: bool) -> dict[str, list[object]]:
    mask = negatives.mask.cpu()
    source, drawn = negatives.pairs(query).tolist()
    columns: dict[str, list[object]] = {"anchor": source}
    if with_positive and negatives.anchor is None:
        columns["positive"] = query.positive[:, None].expand(mask.shape)[mask].tolist()
    columns["negative"] = drawn
    if file.names is not None:
        names = file.names
        columns = {key: [names[int(str(each))] for each in values] for key, values in columns.items()}
    if negatives.log_prob is not None:
        columns["log_prob"] = negatives.log_prob.expand(mask.shape)[mask].tolist()
    return columns


def _write(columns: dict[str, list[object]], output: Path | None) -> None:
    import csv
    import io

    if output is not None and output.suffix == ".npz":
        import numpy as np

        from graphns.compare.files import replacing

        # untyped: NumPy before 2.1 takes no allow_pickle, and later stubs expect one among the arrays
        arrays: Any = {key: np.asarray(values) for key, values in columns.items()}
        with replacing(output) as temporary:
            np.savez(temporary, **arrays)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    if output is None:
        typer.echo(text.getvalue(), nl=False)
    else:
        from graphns.compare.files import write_text

        write_text(output, text.getvalue())
