"""The script that runs PyG's own tests, on a checkout of one small file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pyg_upstream.py"
TEST = """
import torch
from torch_geometric.nn import GAE
from torch_geometric.utils import negative_sampling

def test_copies():
    # PyG's own finds nothing here
    assert negative_sampling(torch.tensor([[0] * 6, [1] * 6]), 3).shape == (2, 5)

def test_gae():
    model = GAE(torch.nn.Identity())
    assert model.recon_loss(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])) > 0
"""


LOADERS = """
import torch
from torch_geometric.data import Data
from torch_geometric.loader import LinkNeighborLoader, NeighborLoader
from torch_geometric.testing import onlyNeighborSampler, withPackage

@onlyNeighborSampler
def test_links():
    data = Data(edge_index=torch.arange(20).view(2, 10), num_nodes=20)
    loader = LinkNeighborLoader(data, [2], batch_size=5, neg_sampling_ratio=1.0)
    assert str(loader) == "LinkNeighborLoader()" and len(list(loader)) == 2

@withPackage("pyg_lib>=0.3.0")
def test_nodes():
    data = Data(edge_index=torch.arange(20).view(2, 10), num_nodes=20, w=torch.ones(10))
    assert len(list(NeighborLoader(data, [2], batch_size=5, weight_attr="w"))) == 4
"""


def run(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), str(checkout), *options], capture_output=True, text=True,
                          timeout=300, check=False)


def checkout_with(folder: Path, source: str) -> Path:
    file = folder / "test" / "utils" / "test_negative_sampling.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    return folder


def test_ours_are_called(tmp_path: Path) -> None:
    done = run(checkout_with(tmp_path, TEST), "--", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "negative_sampling: 2" in done.stdout


def test_loaders_are_ours(tmp_path: Path) -> None:
    """On an install on which PyG skips these tests."""
    file = tmp_path / "test" / "loader" / "test_link_neighbor_loader.py"
    file.parent.mkdir(parents=True)
    file.write_text(LOADERS)
    done = run(tmp_path, "--", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "\nLinkNeighborLoader: 1\nNeighborLoader: 1\n" in done.stdout


@pytest.mark.parametrize(("source", "code", "message"), [
    ("def test_other():\n    assert True\n", 3, "no test called a function of graphns"),
    (TEST + "\ndef test_wrong():\n    assert negative_sampling(torch.tensor([[0], [1]])).shape == (2, 9)\n", 1,
     "1 failed, 2 passed"),
    (None, 2, "none of PyG's test files"),
])
def test_nothing_shown_is_an_error(tmp_path: Path, source: str | None, code: int, message: str) -> None:
    done = run(tmp_path if source is None else checkout_with(tmp_path, source))
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stdout
