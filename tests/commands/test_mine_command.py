"""`graphns mine`: what it writes, that a killed run goes on, and that mistakes end in a line and leave no file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graphns.cli import run
from graphns.commands.mine_run import choose_sampler, show
from graphns.graph.graph import Graph
from graphns.mining.guards import Guards
from graphns.mining.mine import mine as mine_embeddings

RNG = np.random.default_rng(2)
LABELS = np.repeat(np.arange(10), 12)
POINTS = (RNG.normal(size=(10, 16))[LABELS] + RNG.normal(size=(120, 16))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", POINTS)
    np.save("y.npy", LABELS)
    Path("t.txt").write_text("".join(f"text {at}\n" for at in range(120)))
    Path("p.csv").write_text("anchor,positive\n0,1\n14,13\n")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()} - {"x.npy", "y.npy", "t.txt", "p.csv"}


def test_the_same_as_the_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mine", "x.npy", "--labels", "y.npy", "--k", "4", "--range-min", "2", "--range-max", "40",
                "--max-score", "0.9", "--relative-margin", "0.05", "--out", "n.parquet", "--audit", "a.json",
                "--histogram", "h.png", "--seed", "3"]) == 0
    mined = mine_embeddings(POINTS, labels=LABELS, seed=3, guards=Guards(4, 2, 40, 0.9, relative_margin=0.05))
    table = pq.read_table("n.parquet").to_pydict()
    assert [table[name] for name in ("anchor", "positive", "negative")] == [each.tolist() for each in mined.triplets()]
    assert names(folder) == {"n.parquet", "a.json", "h.png"}  # the parts are gone
    audit = json.loads(Path("a.json").read_text())
    assert audit["skipped"] == mined.audit.skipped and audit["false_negatives"] == 0
    shown = capsys.readouterr().out
    assert show(mined) in shown and f"{len(table['anchor']):,} rows in n.parquet" in shown
    assert "left out by relative_margin" in shown and "negatives of the anchor's label  0.00 %" in shown


def test_texts_pairs_and_formats(folder: Path) -> None:
    assert run(["mine", "x.npy", "--pairs", "p.csv", "--texts", "t.txt", "--k", "2", "--format", "n-tuple-scores",
                "--out", "n.jsonl"]) == 0
    first, second = (json.loads(line) for line in Path("n.jsonl").read_text().splitlines())
    assert list(first) == ["anchor", "positive", "negative_1", "negative_2", "scores"]
    assert (first["anchor"], first["positive"], second["anchor"]) == ("text 0", "text 1", "text 14")
    assert first["scores"][1] >= first["scores"][2]


def test_anchors_of_their_own(folder: Path) -> None:
    np.save("q.npy", POINTS[:5] + 0.1)
    np.save("qy.npy", LABELS[:5])
    assert run(["mine", "x.npy", "--anchors", "q.npy", "--labels", "y.npy", "--anchor-labels", "qy.npy", "--k", "2",
                "--out", "n.csv"]) == 0
    rows = [line.split(",") for line in Path("n.csv").read_text().splitlines()[1:]]
    assert len(rows) == 10 and all(LABELS[int(p)] == 0 != LABELS[int(n)] for _, p, n in rows)


@pytest.mark.parametrize("sampler", ["random-walk", "hardest", "hardest:pool=90:top=5", "uniform", "degree"])
def test_samplers(sampler: str, folder: Path) -> None:
    window = ["--range-min", "1", "--range-max", "30"] if sampler == "random-walk" else []
    assert run(["mine", "x.npy", "--labels", "y.npy", "--sampler", sampler, "--k", "2", "--neighbors", "4",
                "--out", "n.csv", *window]) == 0
    rows = [line.split(",") for line in Path("n.csv").read_text().splitlines()[1:]]
    assert len(rows) > 150 and all(LABELS[int(a)] == LABELS[int(p)] != LABELS[int(n)] for a, p, n in rows)


def test_a_walk_takes_the_ranks_as_its_window() -> None:
    make, guards = choose_sampler("random-walk", Guards(2, 10, 50), None)
    ring = Graph.from_edge_index(np_ring(80))
    assert make is not None and make(ring).window == (11, 50) and make(ring).share == 1.0  # type: ignore[attr-defined]
    assert (guards.range_min, guards.range_max) == (0, None)
    make, guards = choose_sampler("random-walk", Guards(2, 1, 5, strategy="top"), None)
    assert make is not None and make(ring).window == (10, 100) and guards.range_max == 5  # type: ignore[attr-defined]


def np_ring(size: int):
    import torch

    ring = torch.arange(size)
    return torch.stack([ring, (ring + 1) % size])


def array(path: str, values: object, pickled: bool = False) -> None:
    np.save(path, np.asarray(values, dtype=object if pickled else None), allow_pickle=pickled)


BAD = {
    "flat": (lambda: array("b.npy", np.arange(5.0)), ["b.npy"], "embeddings must be [N, d]"),
    "words": (lambda: array("b.npy", [["a", "b"]]), ["b.npy"], "embeddings must hold real numbers, got dtype <U1"),
    "empty": (lambda: array("b.npy", np.empty((0, 3))), ["b.npy"], "got shape (0, 3)"),
    "text": (lambda: Path("b.npy").write_text("1 2 3\n"), ["b.npy"], "is no .npy file of plain numbers"),
    "pickled": (lambda: array("b.npy", [[1, None]], True), ["b.npy"], "Python objects, which are never opened"),
    "missing": (lambda: None, ["b.npy"], "there is no file b.npy"),
    "nan": (lambda: array("b.npy", [[1.0, 2.0], [3.0, np.nan]]), ["b.npy"], "row 1 of embeddings holds nan"),
    "infinite": (lambda: array("b.npy", [[1.0, -np.inf], [3.0, 1]]), ["b.npy"], "row 0 of embeddings holds -inf"),
    "labels": (lambda: array("b.npy", np.arange(7)), ["x.npy", "--labels", "b.npy"],
               "there are 7 labels for 120 rows of embeddings"),
    "table of labels": (lambda: array("b.npy", np.eye(120)), ["x.npy", "--labels", "b.npy"],
                        "labels must be integers or words, one a row"),
    "alone": (lambda: array("b.npy", np.arange(120)), ["x.npy", "--labels", "b.npy"], "no anchor has a positive"),
    "texts": (lambda: Path("b.txt").write_text("a\nb\n"), ["x.npy", "--texts", "b.txt"],
              "there are 2 texts for 120 rows of embeddings"),
    "pairs": (lambda: array("b.npy", [[0, 1], [3, 120]]), ["x.npy", "--pairs", "b.npy"],
              "pair 1: positive 120 is outside [0, 120)"),
    "negative pairs": (lambda: array("b.npy", [[-1, 1]]), ["x.npy", "--pairs", "b.npy"],
                       "pair 0: anchor -1 is outside"),
    "three columns": (lambda: array("b.npy", np.zeros((2, 3), int)), ["x.npy", "--pairs", "b.npy"],
                      "pairs must be [P, 2]"),
    "real pairs": (lambda: array("b.npy", np.zeros((2, 2))), ["x.npy", "--pairs", "b.npy"], "integer row numbers"),
    "self pairs": (lambda: array("b.npy", [[3, 3]]), ["x.npy", "--pairs", "b.npy"], "no anchor has a positive"),
    "width": (lambda: array("b.npy", np.eye(3)), ["x.npy", "--anchors", "b.npy"], "anchors have 3 numbers a row"),
    "half labels": (lambda: array("b.npy", POINTS), ["x.npy", "--anchors", "b.npy", "--labels", "y.npy"],
                    "come together"),
    "window": (lambda: None, ["x.npy", "--range-min", "9", "--range-max", "10"], "leave 1 ranks for k=5"),
    "metric": (lambda: None, ["x.npy", "--metric", "manhattan"], "metric must be one of cosine, ip, l2"),
    "strategy": (lambda: None, ["x.npy", "--strategy", "drawn"], "is the order of a sampler's draws"),
    "positives": (lambda: None, ["x.npy", "--positives", "random"], "give labels to exclude"),
    "two positives": (lambda: None, ["x.npy", "--pairs", "p.csv", "--positives", "nearest"],
                      "pairs give the positives"),
    "sampler": (lambda: None, ["x.npy", "--sampler", "random-wolk"], "did you mean 'random-walk'?"),
    "needs": (lambda: None, ["x.npy", "--sampler", "type-constrained"], "which a k-NN graph has not"),
    "no window": (lambda: None, ["x.npy", "--sampler", "hardest", "--range-min", "3"], "it has no window of ranks"),
    "half a window": (lambda: None, ["x.npy", "--sampler", "random-walk", "--range-min", "3"], "range_max together"),
    "neighbors": (lambda: None, ["x.npy", "--sampler", "uniform", "--neighbors", "120"], "between 1 and 119"),
    "format": (lambda: None, ["x.npy", "--format", "pairs"], "there is no format 'pairs'"),
    "import": (lambda: None, ["x.npy", "--import", "no_such_module"], "cannot import no_such_module"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_a_mistake_is_one_line_and_no_file(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, arguments, message = BAD[case]
    make()
    before = names(folder)
    assert run(["mine", *arguments, "--out", "n.parquet"]) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("graphns: ") and told.count("\n") == 1
    assert names(folder) == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["--out", "n.txt"], "must end in .parquet, .jsonl, .csv"), (["--out", "no/n.csv"], "there is no folder no"),
    (["--out", "n.csv", "--audit", "a.txt"], "must end in .json"),
    (["--out", "n.csv", "--audit", "no/a.json"], "there is no folder no"),
    (["--out", "n.csv", "--histogram", "h.bmp"], "must end in .png"), ([], "Missing option '--out'")])
def test_names_are_checked_first(arguments: list[str], message: str, folder: Path,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mine", "x.npy", *arguments]) == 2
    assert message in capsys.readouterr().err and names(folder) == set()


LIMITED = """
import resource, sys
import numba  # its cache is not what is to be limited
from graphns.cli import run
from graphns.mining import mine, writing, figure
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
sys.exit((run(["mine", "x.npy", "--labels", "y.npy", "--k", "2", "--out", "warm.csv"]),
          resource.setrlimit(resource.RLIMIT_FSIZE, (@size, hard)), run(@arguments),
          resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))[2])  # coverage writes a file at the end
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a file's size stands for a full disk")
@pytest.mark.parametrize(("ending", "size"), [("parquet", 20000), ("csv", 20000), ("csv", 300)])
def test_a_full_disk_leaves_no_half_of_a_file(ending: str, size: int, folder: Path) -> None:
    arguments = ["mine", "x.npy", "--labels", "y.npy", "--k", "50", "--scores", "--block", "16", "--out", f"n.{ending}"]
    code = LIMITED.replace("@size", str(size)).replace("@arguments", repr(arguments))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("graphns: ") and "File too large" in done.stderr and done.stderr.count("\n") == 1
    left = names(folder) - {"warm.csv"}
    assert left == (set() if size == 300 else {f"n.{ending}.parts"})  # whole blocks, if there are any
    assert run(arguments) == 0 and names(folder) == {"warm.csv", f"n.{ending}"}


def test_killed_it_goes_on_to_the_same_file(folder: Path) -> None:
    big = RNG.normal(size=(3000, 32)).astype(np.float32)
    np.save("x.npy", big)
    arguments = ["mine", "x.npy", "--k", "3", "--range-max", "400", "--strategy", "random", "--block", "20",
                 "--threads", "1"]
    assert run([*arguments, "--out", "whole.csv"]) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "graphns.cli", *arguments, "--out", "cut.csv"], env=environment,
                               stdout=subprocess.DEVNULL)
    parts = folder / "cut.csv.parts"
    until = time.monotonic() + 120
    while len(list(parts.glob("block-*.npz"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    assert process.poll() is None, "it was done before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {each.name: each.stat().st_mtime_ns for each in parts.glob("block-*.npz")}
    assert 3 <= len(kept) < 150 and not (folder / "cut.csv").exists()
    assert run([*arguments, "--k", "4", "--out", "cut.csv"]) == 2  # another mining
    assert run([*arguments, "--out", "cut.csv"]) == 0
    assert (folder / "cut.csv").read_bytes() == (folder / "whole.csv").read_bytes() and not parts.exists()
