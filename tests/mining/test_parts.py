"""A mining that is cut off goes on to the same end, and only as itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graphns.mining import mine as module
from graphns.mining.guards import Guards
from graphns.mining.mine import mine
from graphns.samplers.static.uniform import Uniform

POINTS = np.random.default_rng(1).normal(size=(100, 6)).astype(np.float32)
LABELS = np.arange(100) % 5


class Cut(Exception):
    """The power goes."""


def cut_after(blocks: int):
    def progress(done: int, total: int) -> None:
        if done >= 10 * blocks:
            raise Cut

    return progress


def numbers(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("sampler", [None, Uniform])
def test_it_goes_on_where_it_was(sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"labels": LABELS, "block": 10, "guards": Guards(k=3, max_score=0.9), "sampler": sampler}
    whole = mine(POINTS, **options)
    folder = tmp_path / "n.parquet.parts"
    with pytest.raises(Cut):
        mine(POINTS, parts=folder, progress=cut_after(4), **options)
    assert numbers(folder) == [f"block-{at:06d}.npz" for at in range(4)] + ["mining.json"]
    done: list[int] = []
    original = module._Miner.block
    monkeypatch.setattr(module._Miner, "block", lambda self, start, stop, by: done.append(start) or original(
        self, start, stop, by))
    again = mine(POINTS, parts=folder, **options)
    assert done == [40, 50, 60, 70, 80, 90]
    for name in ("anchor", "negatives", "scores", "owner", "positive", "positive_score"):
        assert torch.equal(getattr(again, name), getattr(whole, name)), name
    assert again.audit == whole.audit


@pytest.mark.parametrize(("change", "message"), [
    ({"guards": Guards(k=4)}, "holds a mining with k = 3, now it is 4"),
    ({"seed": 1}, "with seed = 0, now it is 1"),
    ({"labels": None}, "with labels = "),
    ({"embeddings": POINTS + 1}, "with embeddings = "),
    ({"block": 20}, "with block = 10, now it is 20"),
])
def test_another_mining_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    asked: dict[str, object] = {"embeddings": POINTS, "labels": LABELS, "block": 10, "guards": Guards(k=3)}
    with pytest.raises(Cut):
        mine(parts=tmp_path / "parts", progress=cut_after(1), **asked)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        mine(parts=tmp_path / "parts", **{**asked, **change})  # type: ignore[arg-type]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ValueError, match="is no folder of a mining that can go on"):
        mine(POINTS, guards=Guards(k=2), parts=tmp_path)
    assert numbers(tmp_path) == ["letters.txt"]


def test_nothing_is_left_of_a_block_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name.startswith(".block-000001"):
            write(self, content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        mine(POINTS, guards=Guards(k=2), parts=tmp_path / "parts", block=10)
    assert numbers(tmp_path / "parts") == ["block-000000.npz", "mining.json"]
    monkeypatch.undo()
    again = mine(POINTS, guards=Guards(k=2), parts=tmp_path / "parts", block=10)
    assert torch.equal(again.negatives, mine(POINTS, guards=Guards(k=2), block=10).negatives)
