"""The examples run as files, on small data in the formats of PyG and OGB, and so do they with an import put back."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.torch_version import TorchVersion

from tests.adapters.ogb_links import as_downloaded
from tests.examples.small import as_planetoid

FOLDER = Path(__file__).parents[2] / "examples"
GROUPS, SIZE = 3, 20
REPLACED = re.compile(r"^(from graphns\.\w+ import \w+)  # was: (from .*)$", re.MULTILINE)
OGB_REPLACED = re.compile(r"^(from graphns\.ogb)( import \w+, \w+)  # was: (from ogb\.linkproppred)$", re.MULTILINE)
PYG_LINKS = ("pyg_link_pred", "--epochs", "40")
SAGE = ("pyg_graph_sage_unsup", "--epochs", "3")
DDI = ("ogb_ddi_gnn", "--runs", "2", "--epochs", "60", "--eval_steps", "20", "--hidden_channels", "32", "--batch_size",
       "128")
DGL = ("dgl_edge_prediction", "--epochs", "10", "--batch_size", "64", "--lr", "0.01")

needs_ogb = pytest.mark.skipif(importlib.util.find_spec("ogb") is None, reason="pip install 'graphns[ogb]'")
needs_dgl = pytest.mark.skipif(importlib.util.find_spec("dgl") is None,
                               reason="DGL is not installed: it has no wheel above Python 3.11")


def links() -> dict[str, dict[str, np.ndarray]]:
    """Edges inside of three groups, negatives between them."""
    group = np.arange(GROUPS * SIZE) // SIZE
    pairs = np.stack(np.triu_indices(len(group), 1), 1)
    inside = group[pairs[:, 0]] == group[pairs[:, 1]]
    rng = np.random.default_rng(0)
    train, valid, test, _ = np.split(rng.permutation(pairs[inside]), [320, 420, 520])
    never = rng.permutation(pairs[~inside])
    return {"train": {"edge": train}, "valid": {"edge": valid, "edge_neg": never[:300]},
            "test": {"edge": test, "edge_neg": never[300:600]}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data as PyG and OGB lay them out, and a module that keeps OGB from asking PyPI whether it is outdated."""
    folder = tmp_path_factory.mktemp("data")
    as_planetoid(folder)
    for name in ("ogbl-ddi", "ogbl-collab"):
        as_downloaded(folder, name, links(), GROUPS * SIZE)
    (folder / "modules").mkdir()
    (folder / "modules" / "outdated.py").write_text("raise ImportError('tests ask no network')\n")
    return folder


def run(script: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script as a user runs it."""
    paths = [str(root / "modules"), str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, str(script), "--root", str(root), *arguments], capture_output=True,
                          text=True, timeout=300, check=False, env=environment, cwd=root)


def put_back(name: str, folder: Path) -> Path:
    """The example with the import of its negatives that it replaces; every other line is the same."""
    text = (FOLDER / f"{name}.py").read_text()
    script = folder / f"{name}.py"
    script.write_text(REPLACED.sub(r"\2", text))
    before, after = text.splitlines(), script.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and "graphns" not in changed[0]
    return script


def lines(done: subprocess.CompletedProcess[str], pattern: str) -> list[tuple[float, ...]]:
    """The numbers of the lines that match."""
    assert done.returncode == 0, done.stderr
    found = [match for line in done.stdout.splitlines() if (match := re.fullmatch(pattern, line))]
    return [tuple(map(float, match.groups())) for match in found]


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda script: script.stem)
def test_one_import_is_replaced(script: Path) -> None:
    """One for the negatives, and where the data are OGB's one for these."""
    text = script.read_text()
    assert len(REPLACED.findall(text)) == 1
    assert len(OGB_REPLACED.findall(text)) == (script.stem in (DDI[0], DGL[0]))
    assert len(re.findall(r"^\s*(?:import|from) graphns", text, re.MULTILINE)) == 1 + len(OGB_REPLACED.findall(text))
    assert len(text.splitlines()) < 120


def test_every_example_is_run_below() -> None:
    assert {script.stem for script in FOLDER.glob("*.py")} == {each[0] for each in (PYG_LINKS, SAGE, DDI, DGL)}


@pytest.mark.parametrize("theirs", [False, True], ids=["replaced", "put back"])
def test_pyg_link_pred(root: Path, theirs: bool, tmp_path: Path) -> None:
    name, *arguments = PYG_LINKS
    done = run(put_back(name, tmp_path) if theirs else FOLDER / f"{name}.py", root, *arguments)
    epochs = lines(done, r"Epoch: (\d+), Loss: (\d+\.\d+), Val: (\d\.\d+), Test: (\d\.\d+)")
    assert [epoch for epoch, *_ in epochs] == list(range(1, 41))
    assert epochs[-1][1] < epochs[0][1]
    (final,), = lines(done, r"Final Test: (\d\.\d+)")
    best = max(epochs, key=lambda epoch: epoch[2])
    assert final == best[3] and final > 0.65  # a half by chance


def test_pyg_graph_sage_unsup(root: Path) -> None:
    name, *arguments = SAGE
    epochs = lines(run(FOLDER / f"{name}.py", root, *arguments),
                   r"Epoch: (\d+), Loss: (\d+\.\d+), Val: (\d\.\d+), Test: (\d\.\d+)")
    assert [epoch for epoch, *_ in epochs] == [1, 2, 3]
    assert epochs[-1][1] < epochs[0][1]
    assert min(epochs[-1][2:]) > 0.6  # a third by chance


def test_pygs_own_loader_is_what_a_plain_install_cannot_run(root: Path, tmp_path: Path) -> None:
    """The same file with PyG's loader: it runs where PyG's extra packages are, and says that they are missing here."""
    name, *arguments = SAGE
    done = run(put_back(name, tmp_path), root, *arguments)
    if any(importlib.util.find_spec(package) for package in ("pyg_lib", "torch_sparse")):
        assert len(lines(done, r"Epoch: (\d+), .*")) == 3
    else:
        assert done.returncode == 1 and not done.stdout
        assert "ImportError" in done.stderr and "pyg-lib" in done.stderr


@needs_ogb
@pytest.mark.parametrize("theirs", [False, True], ids=["replaced", "put back"])
def test_ogb_ddi_gnn(root: Path, theirs: bool, tmp_path: Path) -> None:
    name, *arguments = DDI
    done = run(put_back(name, tmp_path) if theirs else FOLDER / f"{name}.py", root, *arguments)
    told = lines(done, r"Run: (\d+), Epoch: (\d+), Loss: (\d+\.\d+), Valid: (\d+\.\d+)%, Test: (\d+\.\d+)%")
    assert [each[:2] for each in told] == [(run, epoch) for run in (1, 2) for epoch in (20, 40, 60)]
    (mean, deviation), = lines(done, r"Final Test: (\d+\.\d+) ± (\d+\.\d+)")
    finals = [max((each for each in told if each[0] == run), key=lambda each: each[3])[4] for run in (1, 2)]
    assert mean == pytest.approx(np.mean(finals), abs=0.01)
    assert deviation == pytest.approx(np.std(finals, ddof=1), abs=0.01)
    assert mean > 30  # 7 by chance: 20 of 300 negatives


@needs_ogb
def test_ogbs_own_class_is_what_current_torch_cannot_load(root: Path, tmp_path: Path) -> None:
    """The same file with OGB's own class: it reads where torch executes files, or else says what it may not do."""
    name, *arguments = DDI
    script = tmp_path / f"{name}.py"
    script.write_text(OGB_REPLACED.sub(r"\3\2", (FOLDER / f"{name}.py").read_text()))
    assert "from ogb.linkproppred import Evaluator, PygLinkPropPredDataset" in script.read_text()
    done = run(script, root, *arguments)
    if TorchVersion(torch.__version__) < (2, 6):
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1 and "weights_only" in done.stderr


@needs_ogb
@needs_dgl
@pytest.mark.parametrize("theirs", [False, True], ids=["replaced", "put back"])
def test_dgl_edge_prediction(root: Path, theirs: bool, tmp_path: Path) -> None:
    name, *arguments = DGL
    done = run(put_back(name, tmp_path) if theirs else FOLDER / f"{name}.py", root, *arguments)
    epochs = lines(done, r"Epoch: (\d+), Loss: (\d+\.\d+), Valid: (\d+\.\d+)%, Test: (\d+\.\d+)%")
    assert [epoch for epoch, *_ in epochs] == list(range(1, 11))
    assert epochs[-1][1] < epochs[0][1]
    assert min(epochs[-1][2:]) > 24  # 17 by chance: 50 of 300 negatives
