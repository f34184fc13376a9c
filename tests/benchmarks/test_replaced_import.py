"""The script that runs an upstream example with one import replaced."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "replaced_import.py"
EXAMPLE = """\
import sys
from beside import NUM_NODES
import torch
from torch_geometric.nn import GAE
from torch_geometric.utils import (
    negative_sampling,
    to_undirected,
)

if __name__ == "__main__":
    edge_index = to_undirected(torch.tensor([[0] * 6, [1] * 6]))
    print(negative_sampling(edge_index, NUM_NODES).shape, negative_sampling.__module__, to_undirected.__module__)
    print(GAE.recon_loss.__globals__["negative_sampling"].__module__, __file__, sys.argv[1:])
"""


@pytest.fixture(scope="module")
def script(load_script: Callable[[str, str], ModuleType]) -> ModuleType:
    return load_script("replaced_import.py", "replaced_import")


@pytest.mark.parametrize(("line", "wanted"), [
    ("from torch_geometric.utils import negative_sampling", "from graphns.pyg import negative_sampling"),
    ("from torch_geometric.utils import negative_sampling as draw  # of pairs",
     "from graphns.pyg import negative_sampling as draw  # of pairs"),
    ("from torch_geometric.loader import LinkNeighborLoader, NeighborLoader",
     "from graphns.pyg import LinkNeighborLoader, NeighborLoader"),
    ("from torch_geometric.loader import DataLoader, LinkNeighborLoader",
     "from torch_geometric.loader import DataLoader; from graphns.pyg import LinkNeighborLoader"),
    ("if x: from dgl.dataloading.negative_sampler import PerSourceUniform; y = 1",
     "if x: from graphns.dgl import PerSourceUniform; y = 1"),
])
def test_the_import_and_nothing_else(script: ModuleType, line: str, wanted: str) -> None:
    before = "import torch\n\nfrom torch_geometric.loader import DataLoader\nfrom torch_geometric.utils import degree\n"
    text, changes = script.replaced(f"{before}{line}\nlast = 1\n")
    assert text == f"{before}{wanted}\nlast = 1\n"
    assert len(changes) == 1


def test_ogbs_import_on_request(script: ModuleType) -> None:
    line = "from ogb.linkproppred import PygLinkPropPredDataset, LinkPropPredDataset, Evaluator"
    assert script.replaced(line) == (line, [])
    text, changes = script.replaced(line, {**script.OURS, **script.OGBS})
    assert text == ("from ogb.linkproppred import LinkPropPredDataset; "
                    "from graphns.ogb import PygLinkPropPredDataset, Evaluator")
    assert len(changes) == 1
    ours = importlib.import_module("graphns.ogb").__all__
    assert script.OGBS["ogb.nodeproppred"] == ("graphns.ogb", set(ours)) == script.OGBS["ogb.linkproppred"]


def test_lines_keep_their_numbers(script: ModuleType) -> None:
    text, changes = script.replaced(EXAMPLE)
    assert [len(each.split("\n")) for each in (text, EXAMPLE)] == [14, 14]
    assert text.split("\n")[8:] == EXAMPLE.split("\n")[8:]
    assert changes == [("from torch_geometric.utils import negative_sampling, to_undirected",
                        "from torch_geometric.utils import to_undirected; from graphns.pyg import negative_sampling")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300,
                          check=False)


@pytest.mark.parametrize("install", [False, True])
def test_a_script_is_run_as_a_file(tmp_path: Path, install: bool) -> None:
    example = tmp_path / "example.py"
    example.write_text(EXAMPLE)
    (tmp_path / "beside.py").write_text("NUM_NODES = 4\n")
    done = run(*["--install"] * install, str(example), "--epochs", "3")
    assert done.returncode == 0, done.stderr
    *_, shape, inside = done.stdout.splitlines()
    assert shape == "torch.Size([2, 2]) graphns.adapters.pyg.functions torch_geometric.utils.undirected"
    module = "graphns.adapters.pyg.functions" if install else "torch_geometric.utils._negative_sampling"
    assert inside == f"{module} {example} ['--epochs', '3']"


def test_nothing_replaced_is_an_error(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = tmp_path / "example.py"
    example.write_text("raise AssertionError('run')\n")
    assert script.main([str(example)]) == 3
    assert "there is nothing to replace; --install" in capsys.readouterr().out
    assert script.main([str(tmp_path / "no.py")]) == 2
