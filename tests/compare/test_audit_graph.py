"""`graphns audit` from end to end, on graphs whose shares can be counted by hand."""

import csv

import numpy as np
import pytest
import scipy.sparse
import torch
import yaml
from typer.testing import CliRunner

from graphns import cli, registry
from graphns.base import Negatives, Sampler
from graphns.compare import drawn
from graphns.compare.audit_graph import AuditSettings, audit_graph
from graphns.compare.audit_table import gather, labels
from graphns.compare.held_out import HeldOut, hold_out, read_source
from graphns.graph.graph import Graph
from graphns.samplers.static.uniform import Uniform

RING = 8


class Next(Sampler):
    """The next k ids after the anchor, whatever is known."""

    def __init__(self, graph):
        super().__init__()
        self.size = graph.num_dst

    def sample(self, query):
        ids = (query.anchor[:, None] + 1 + torch.arange(query.k)) % self.size
        return Negatives(ids, None, torch.ones_like(ids, dtype=torch.bool))


class Broken(Next):
    """A third party's bug."""

    def sample(self, query):
        raise ZeroDivisionError("a bug")


class Vectors(Next):
    """Negatives that are rows of no table."""

    def sample(self, query):
        made = super().sample(query)
        return made._replace(vectors=torch.zeros(*made.ids.shape, 4))


class Remembers(Next):
    """Counts what it is told, and draws by it."""

    def __init__(self, graph):
        super().__init__(graph)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def sample(self, query):
        assert self.seen == query.row[0], "told of every pair before"
        return super().sample(query)

    def observe(self, query, negatives, feedback):
        assert feedback.negative_score.shape == negatives.mask.shape
        assert feedback.positive_score.shape == query.row.shape
        assert feedback.anchor_vectors.shape == feedback.positive_vectors.shape
        self.seen += query.batch_size


@pytest.fixture
def third_parties(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    for cls in (Next, Broken, Vectors, Remembers):
        registry.register(registry.Entry(cls.__name__.lower(), "sampler", f"{__name__}:{cls.__name__}", "third party",
                                         "for a test"))
    registry.register(registry.Entry("wanting", "sampler", f"{__name__}:Next", "third party", "for a test",
                                     needs=("relations", "moonlight")))


@pytest.fixture
def ring(tmp_path):
    """Training edges i -> i + 1 of 8 nodes; validation i -> i + 2 for i < 2; test i -> i + 3 for i < 4."""
    for name, step, size in (("ring", 1, RING), ("val", 2, 2), ("test", 3, 4)):
        (tmp_path / f"{name}.csv").write_text("".join(f"{i},{(i + step) % RING}\n" for i in range(size)))
    return [str(tmp_path / "ring.csv"), "--held-out", f"{tmp_path}/val.csv,{tmp_path}/test.csv"]


def call(*arguments):
    return CliRunner().invoke(cli.app, ["audit", *map(str, arguments)], catch_exceptions=False)


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("third_parties")
def test_shares_by_hand(ring, tmp_path):
    out = tmp_path / "out"
    result = call(*ring, "--samplers", "next,all", "--k", 4, "--seeds", 1, "--out", out)
    assert result.exit_code == 0, result.output
    by = {row["name"]: row for row in table(out / "summary.csv")}
    # every anchor once, and of each the next four: 8 training, 2 validation, 4 test edges of 32 draws
    row = by["next"]
    assert [row["draws"], row["usable"], row["train"], row["val"], row["test"]] == ["32.0", "1.0", "0.25", "0.0625",
                                                                                    "0.125"]
    assert float(row["held_out"]) == 6 / 32 and (row["coverage"], row["train_std"]) == ("1.0", "")
    assert float(row["entropy"]) == pytest.approx(1)
    # of six non-neighbours, i + 2 and i + 6 have a common neighbour with i: i + 2 outscores 4 and ties with one
    assert float(row["hardness"]) == pytest.approx((3 * (2 / 6) + (4 + 1) / 6) / 4)
    # all six non-neighbours of each anchor
    row = by["all"]
    assert [float(row[key]) for key in ("draws", "usable", "train", "val", "test")] == pytest.approx(
        [48, 6 / 8, 0, 2 / 48, 4 / 48])
    assert float(row["hardness"]) == pytest.approx(0.5) and float(row["hardness_model"]) == pytest.approx(0.5)
    groups = {(row["name"], row["kind"], row["bucket"]): row for row in table(out / "groups.csv")}
    assert [key[1:] for key in groups if key[0] == "next"] == [("degree", "1"), *(("hop", str(i)) for i in range(1, 4)),
                                                               ("hop", "4+")]
    found = [[float(groups["next", "hop", hop][key]) for key in ("draws", "share_of_draws", "train", "val", "test")]
             for hop in ("1", "2", "3", "4+")]
    assert found == [[8, 0.25, 1, 0, 0], [8, 0.25, 0, 0.25, 0], [8, 0.25, 0, 0, 0.5], [8, 0.25, 0, 0, 0]]
    assert [groups["all", "hop", hop]["draws"] for hop in ("2", "3", "4+")] == ["8", "8", "32"]
    assert float(groups["next", "degree", "1"]["test"]) == 4 / 32


def test_degree_buckets_by_hand():
    star = Graph.from_edge_index(torch.tensor([[0] * 5 + [1, 1, 2], [1, 2, 3, 4, 5, 6, 7, 0]]), num_nodes=8)
    held_out = HeldOut({"train": star, "val": Graph.from_edge_index(torch.tensor([[0], [6]]), 8),
                        "test": Graph.from_edge_index(torch.tensor([[1, 2], [2, 3]]), 8)}, {})
    asked = drawn.ask(star, 100, 4, 0)
    found = drawn.measure(Next(star), held_out, asked, k=1, batch_size=3, epoch=0, seed=0)
    # 0 is asked five times and draws 1 (training); 1 twice, 2 (test); 2 once, 3 (test)
    assert found["groups"]["degree"] == {1: {"draws": 1, "train": 0, "val": 0, "test": 1},
                                         2: {"draws": 2, "train": 0, "val": 0, "test": 2},
                                         3: {"draws": 5, "train": 5, "val": 0, "test": 0}}
    assert (found["train"], found["val"], found["test"]) == (5 / 8, 0, 3 / 8)
    assert found["coverage"] == 3 / 8


def test_in_a_complete_graph_every_draw_is_held_out(tmp_path):
    source, target = (each.flatten().tolist() for each in torch.meshgrid(torch.arange(6), torch.arange(6),
                                                                         indexing="ij"))
    (tmp_path / "six.csv").write_text("".join(f"{a},{b}\n" for a, b in zip(source, target, strict=True) if a < b))
    out = tmp_path / "out"
    arguments = [tmp_path / "six.csv", "--undirected", "--held-out", "2,3", "--seeds", 2, "--out", out]
    assert call(*arguments, "--samplers", "uniform,all", "--k", 40).exit_code == 0
    for row in table(out / "summary.csv"):
        assert (float(row["train"]), float(row["held_out"])) == (0, 1)
    # 20 training pairs of each direction; with their neighbours, four of five others are left for each
    assert call(*arguments, "--samplers", "all", "--exclude", "self").exit_code == 0
    row = table(out / "summary.csv")[0]
    assert float(row["draws"]) == 80
    assert float(row["train"]) + float(row["val"]) + float(row["test"]) == pytest.approx(1)
    runs = table(out / "results.csv")
    assert [(run["name"], run["seed"]) for run in runs] == [("all", "0"), ("all", "1")]
    mean = sum(float(run["val"]) for run in runs) / 2
    assert float(row["val"]) == pytest.approx(mean)
    assert float(row["val_std"]) == pytest.approx(np.std([float(run["val"]) for run in runs], ddof=1))


def test_files_and_their_reproduction(tmp_path):
    outs = [tmp_path / "a", tmp_path / "b"]
    for out in outs:
        options = ["--samplers", "uniform,hardest:pool=16,in-batch", "--seeds", 2, "--k", 1, "--pairs", 3000, "--out",
                   out]
        result = call("digits", *options)
        assert result.exit_code == 0, result.output
    names = sorted(path.name for path in outs[0].iterdir())
    assert names == ["audit.png", "audit.svg", "config.yaml", "groups.csv", "results.csv", "summary.csv"]
    for name in names:
        if name != "config.yaml":
            assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name
    assert (outs[0] / "audit.png").read_bytes().startswith(b"\x89PNG")
    config = yaml.safe_load((outs[0] / "config.yaml").read_text(encoding="utf-8"))
    assert config["kind"] == "graphns audit" and config["settings"]["held_out"] == [0.05, 0.1]
    assert config["data"]["name"] == "digits" and sum(config["data"]["edges"].values()) > 5000
    assert config["versions"]["torch"] and config["machine"]["cores"] >= 1
    by = {row["name"]: row for row in table(outs[0] / "summary.csv")}
    assert list(by) == ["uniform", "hardest:pool=16", "in-batch"]
    assert float(by["uniform"]["hardness_model"]) == pytest.approx(0.5, abs=0.02)
    assert float(by["hardest:pool=16"]["hardness_model"]) > 0.85
    assert float(by["hardest:pool=16"]["held_out"]) > 3 * float(by["uniform"]["held_out"])
    assert all(float(row["train"]) == 0 for row in by.values())
    assert "what the draws are" in result.output and "distance of the drawn id" in result.output
    assert f"files: {outs[1]}" in result.output


def test_users_and_items(tmp_path):
    words = torch.arange(300) * 2654435761 % 997 % 600
    matrix = np.zeros((20, 30))
    matrix.flat[words.numpy()] = 1
    scipy.sparse.save_npz(tmp_path / "items.npz", scipy.sparse.csr_array(matrix))
    out = tmp_path / "out"
    result = call(tmp_path / "items.npz", "--samplers", "uniform,degree,hardest,in-batch", "--seeds", 1, "--out", out)
    assert result.exit_code == 0, result.output
    rows = table(out / "summary.csv")
    assert all(row["hardness"] == "" and float(row["hardness_model"]) > 0 for row in rows) and len(rows) == 4
    assert "Adamic" not in result.output
    assert {row["bucket"] for row in table(out / "groups.csv") if row["kind"] == "hop"} <= {"1", "3", "5+"}
    assert sum(float(row["held_out"]) > 0 for row in rows) == 4


@pytest.mark.usefixtures("third_parties")
def test_samplers_that_do_not_fit_say_what_they_need(ring, tmp_path, capsys):
    out = tmp_path / "out"
    # not by CliRunner, which in older releases of click joins the two streams
    arguments = [*ring, "--samplers", "wanting,broken,vectors,remembers,global-edges,next", "--seeds", 1,
                 "--batch-size", 3, "--out", out]
    assert cli.run(["audit", *map(str, arguments)]) == 1
    shown = capsys.readouterr()
    faults = {row["name"]: row["fault"] for row in table(out / "summary.csv")}
    needs = "not run: needs triples with relations and moonlight, which a graph of edges alone has not"
    assert faults == {
        "wanting": needs, "broken": "failed: ZeroDivisionError: a bug",
        "vectors": "not run: Vectors gives vectors, which are no candidates: nothing to count", "remembers": "",
        "global-edges": "", "next": ""}
    assert f"wanting: {needs}" in shown.err.splitlines()
    assert "broken: failed: ZeroDivisionError: a bug" in shown.out.splitlines()


@pytest.mark.usefixtures("third_parties")
def test_where_nothing_fits_nothing_is_written(ring, tmp_path, capsys):
    status = cli.run(["audit", *ring, "--samplers", "wanting", "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1 and "--samplers all-fitting takes those that fit" in error
    assert not (tmp_path / "out").exists()


def test_all_fitting_runs_every_sampler_whose_needs_are_met(tmp_path):
    edges = torch.arange(90) * 2654435761 % 997 % 900
    (tmp_path / "small.csv").write_text("".join(f"{e // 30},{e % 30}\n" for e in edges.tolist() if e // 30 != e % 30))
    out = tmp_path / "out"
    result = call(tmp_path / "small.csv", "--undirected", "--samplers", "all-fitting", "--seeds", 1, "--k", 2, "--out",
                  out)
    assert result.exit_code == 0, result.output
    rows = table(out / "summary.csv")
    fitting = [row.name for row in registry.entries("sampler") if not set(row.needs) - {"model", "pairs"}]
    assert [row["name"] for row in rows] == fitting
    assert not [row for row in rows if row["fault"].startswith("failed")]
    assert {row["name"] for row in rows if not row["fault"]} >= {"uniform", "degree", "hardest", "bloom-filtered"}


def test_what_cannot_be_run_on_this_graph_says_why(tmp_path, capsys):
    (tmp_path / "triangle.csv").write_text("0,1\n1,2\n2,0\n")
    arguments = [str(tmp_path / "triangle.csv"), "--undirected", "--seeds", "1", "--out", str(tmp_path / "out")]
    # 0.1 of 3 edges rounds to none: every candidate is a training neighbour
    full = [*arguments, "--held-out", "0.1,0"]
    assert cli.run(["audit", *full, "--samplers", "uniform,hardest:pool=4"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    fault = "not run: no draw was usable: every candidate of every anchor is excluded"
    assert error == (f"graphns: no sampler ran; uniform: {fault}; hardest:pool=4: not run: a pool of 4 cannot fill k=5 "
                     "distinct slots; make pool at least k")
    assert not (tmp_path / "out").exists()
    assert call(*full, "--samplers", "uniform,uniform:exclude=self").exit_code == 0
    rows = table(tmp_path / "out" / "summary.csv")
    assert rows[0]["fault"] == fault and (rows[1]["fault"], float(rows[1]["train"])) == ("", 1)


@pytest.mark.parametrize(("arguments", "answer"), [
    (["digts"], "did you mean 'digits'"),
    (["nowhere.csv"], "there is no file nowhere.csv"),
    (["digits", "--samplers", "unifrm"], "did you mean 'uniform'"),
    (["digits", "--samplers", "degree:powr=1"], "did you mean 'power'"),
    (["digits", "--held-out", "0.1"], "--held-out takes validation and test as VAL,TEST"),
    (["digits", "--held-out", "0.6,0.5"], "leave no training edge"),
    (["digits", "--held-out", "a.csv,b.csv"], "there is no file a.csv"),
    (["digits", "--exclude", "me"], "exclude must be one of neighbors, self, got 'me'"),
    (["digits", "--seeds", "0"], "--seeds"),
    (["digits", "--import", "no_such_module_here"], "no module 'no_such_module_here'"),
    (["--samplers", "uniform"], "Missing argument"),
    (["digits", "--sampler", "uniform"], "--sampler"),
])
def test_mistakes_get_one_line_and_status_2(capsys, tmp_path, monkeypatch, arguments, answer):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["audit", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("graphns: ") and err.count("\n") == 1 and answer in err, err
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_not_ours_are_left_alone(ring, tmp_path):
    settings = AuditSettings.make(ring[0], samplers="uniform", held_out=ring[2], seeds=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        audit_graph(settings, tmp_path / "mine", quiet=True)
    with pytest.raises(ValueError, match="is a file"):
        audit_graph(settings, tmp_path / "mine" / "notes.txt", quiet=True)
    (tmp_path / "mine" / "config.yaml").write_text("settings: of graphns compare\n")
    with pytest.raises(ValueError, match="holds other files"):
        audit_graph(settings, tmp_path / "mine", quiet=True)
    assert audit_graph(settings, tmp_path / "out", quiet=True) == 0
    assert audit_graph(settings, tmp_path / "out", quiet=True) == 0


@pytest.mark.parametrize(("changes", "message"), [
    ({"seeds": 0}, "seeds must be at least 1"), ({"pairs": 0}, "pairs must be at least 1"),
    ({"epoch": -1}, "epoch must be at least 0"), ({"exclude": "all"}, "exclude must be one of neighbors, self"),
])
def test_settings_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        AuditSettings.make("digits", **changes)


def test_hardness_of_a_part_of_the_anchors_and_in_blocks(monkeypatch):
    source = read_source("digits")
    held_out = hold_out(source, (0.05, 0.1), 0)
    asked = drawn.ask(held_out.train, 3000, 8, 0)

    def found():
        return drawn.measure(Uniform(held_out.train), held_out, asked, k=3, batch_size=512, epoch=0, seed=0)

    whole = found()
    monkeypatch.setattr(drawn, "_BLOCK", 1797 * 7)
    again = found()
    assert again.pop("groups") == whole.pop("groups") and again == pytest.approx(whole)
    monkeypatch.setattr(drawn, "_SCORED", 1)
    part = found()
    assert part["hardness"] != whole["hardness"] and part["hardness"] == pytest.approx(whole["hardness"], abs=0.02)
    assert part["hardness_model"] == pytest.approx(whole["hardness_model"], abs=0.03)


def test_a_sampler_that_gives_everything_is_asked_for_fewer_pairs(monkeypatch):
    source = read_source("digits")
    held_out = hold_out(source, (0.05, 0.1), 0)
    asked = drawn.ask(held_out.train, 3000, 8, 0)
    monkeypatch.setattr(drawn, "_MOST_DRAWS", 1797 * 100)
    from graphns.samplers.compose.all import All

    found = drawn.measure(All(held_out.train), held_out, asked, k=3, batch_size=64, epoch=0, seed=0)
    assert found["draws"] < 100 * 1797 and found["coverage"] == 1 and found["hardness"] == pytest.approx(0.5)


def test_names_of_buckets():
    assert list(labels(False)["degree"].values()) == ["0", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64+"]
    assert labels(False)["hop"][4] == "4+" and labels(True)["hop"][4] == "5+"
    empty = gather("a", "static", [], "not run")
    assert empty["seeds"] == 0 and empty["test"] is None and empty["groups"] == {}
