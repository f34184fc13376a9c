"""The leaderboard scripts are asked as OGB's examples are, and as the docs say; the logger counts their epochs."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs" / "ogb.md"
SHARED = {"device": 0, "log_steps": 1, "runs": 10, "hidden_channels": 256, "batch_size": 65536, "use_sage": False,
          "use_valedges_as_input": False}


@pytest.fixture(scope="module")
def scripts(load_script: Callable[[str, str], ModuleType]) -> dict[str, ModuleType]:
    return {name: load_script(f"ogb/{name}", f"ogb_{name[:4]}") for name in ("node.py", "link.py")}


@pytest.mark.parametrize(("name", "own"), [
    ("ogbl-ddi", {"num_layers": 2, "dropout": 0.5, "lr": 0.005, "epochs": 200, "eval_steps": 5}),
    ("ogbl-collab", {"num_layers": 3, "dropout": 0.0, "lr": 0.001, "epochs": 400, "eval_steps": 1}),
    ("ogbl-ppa", {"num_layers": 3, "dropout": 0.0, "lr": 0.01, "epochs": 20, "eval_steps": 1}),
    ("ogbl-citation2", {"num_layers": 3, "dropout": 0.0, "lr": 0.0005, "epochs": 50, "eval_steps": 1}),
])
def test_defaults_are_those_of_ogbs_examples(scripts: dict[str, ModuleType], name: str, own: dict[str, float]) -> None:
    script = scripts["link.py"]
    options = script.parse(["--dataset", name.upper().replace("-", "_")])
    assert {key: getattr(options, key) for key in (*SHARED, *own)} == {**SHARED, **own}
    assert options.out == Path(f"{name}-gcn.csv")
    config = script.plan(options, 3).config
    assert (config.encoder, config.decoder, config.seed, config.k) == ("gcn", "mlp", 3, 1)
    assert (config.size, config.hidden_size, config.decoder_layers) == (256, 256, own["num_layers"])
    assert (config.learning_rate, config.epochs, config.validate_every) == (own["lr"], own["epochs"], own["eval_steps"])
    other = script.plan(script.parse(["--dataset", name, "--use_sage", "--set", "decoder=dot", "--lr", "0.1"]), 0)
    assert (other.config.encoder, other.config.decoder, other.config.learning_rate) == ("sage", "dot", 0.1)


def test_the_commands_of_the_docs_are_understood(scripts: dict[str, ModuleType]) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("python benchmarks/ogb/")]
    assert {Path(words[1]).name for words in commands} == set(scripts)
    for words in commands:
        script = scripts[Path(words[1]).name]
        script.plan(script.parse(words[2:]), 0)


def test_the_logger_counts_epochs_that_were_left_out(scripts: dict[str, ModuleType]) -> None:
    logger = sys.modules["logger"].Logger(1)
    for epoch, valid in ((5, 0.1), (10, 0.3), (12, 0.3)):
        logger.add_result(0, (0.5, valid, epoch / 100), epoch)
    assert (logger.score(0).epoch, logger.score(0).final_test) == (10, 0.1)
    with pytest.raises(ValueError, match="epoch 12 of run 1 comes after epoch 12"):
        logger.add_result(0, (0.5, 0.5, 0.5), 12)
    logger.add_result(0, (0.5, 0.5, 0.5))
    assert logger.score(0).epoch == 13


def test_the_gpu_asked_for_is_the_only_one_seen(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    accelerator = sys.modules["arguments"].accelerator
    assert accelerator(0) == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert accelerator(-1) == "cpu"
    assert accelerator(1) == "cuda" and os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    with pytest.raises(ValueError, match="have the numbers 0 to 1"):
        accelerator(2)


def test_arguments_on_nodes_are_those_of_ogbs_example(scripts: dict[str, ModuleType]) -> None:
    options = scripts["node.py"].parse([])
    assert isinstance(options, argparse.Namespace)
    defaults = {name: getattr(options, name) for name in (
        "device", "log_steps", "num_layers", "hidden_channels", "dropout", "lr", "epochs", "runs")}
    assert defaults == {"device": 0, "log_steps": 1, "num_layers": 3, "hidden_channels": 256, "dropout": 0.5,
                        "lr": 0.01, "epochs": 500, "runs": 10}
    assert options.out == Path("ogbn-arxiv-grace.csv") and options.evaluator == "ogbn-arxiv"
