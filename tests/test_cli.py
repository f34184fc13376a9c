import csv
import json
import subprocess
import sys
import time

import networkx as nx
import numpy as np
import pytest
import torch

from graphns import cli, registry


@pytest.fixture
def edges(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("source,target\n" + "".join(f"{i},{(i + 1) % 6}\n{i},{(i + 2) % 6}\n" for i in range(6)))
    return path


def call(capsys, *arguments):
    """Exit status, stdout, stderr."""
    capsys.readouterr()
    status = cli.run([str(each) for each in arguments])
    return status, *capsys.readouterr()


def refused(capsys, *arguments):
    """The one line on stderr of a call that is the user's mistake."""
    status, out, err = call(capsys, *arguments)
    assert status == 2, (status, out, err)
    assert out == ""
    assert err.startswith("graphns: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err


@pytest.mark.parametrize(("arguments", "answer"), [
    (["lst"], "'list'"),
    (["compre"], "'compare'"),
    (["list", "--jsn"], "--json"),
    (["list", "--kind", "smpler"], "did you mean 'sampler'"),
    (["list", "--kind", "zzz"], "the kinds are sampler, objective, mixer, batcher"),
    (["compare", "--samplers", "unifrm"], "did you mean 'uniform'"),
    (["compare", "--samplers", "uniform:exclud=self"], "did you mean 'exclude'"),
    (["compare", "--samplers", "uniform,uniform"], "named twice"),
    (["compare", "--seeds", "0"], "--seeds"),
    (["compare", "--seeds", "many"], "--seeds"),
    (["compare", "--exclude", "me"], "exclude must be one of self, neighbors, got 'me'"),
    (["compare", "--split", "me"], "split must be one of public, random, got 'me'"),
    (["compare", "--import", "no_such_module_here"], "no module 'no_such_module_here'"),
    (["sample"], "Missing argument"),
    (["sample", "nowhere.csv"], "there is no file nowhere.csv"),
])
def test_mistakes_get_one_line_and_status_2(capsys, arguments, answer):
    assert answer in refused(capsys, *arguments)


def test_an_unknown_data_set_leaves_no_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "did you mean 'digits'" in refused(capsys, "compare", "--data", "digts", "--samplers", "uniform")
    assert list(tmp_path.iterdir()) == []


def test_help_and_version(capsys):
    status, out, _ = call(capsys)
    assert status == 0 and "compare" in out and "sample" in out
    assert call(capsys, "--help")[:2] == (0, out)
    status, out, _ = call(capsys, "--version")
    assert (status, out) == (0, "graphns 0.1.0\n")


def test_help_loads_nothing_heavy_and_takes_under_a_second():
    script = ("import sys\nfrom graphns.cli import run\nassert run(['--help']) == 0\n"
              "heavy = {'torch', 'numpy', 'numba', 'scipy', 'rich', 'pandas', 'matplotlib'} & set(sys.modules)\n"
              "assert not heavy - {'rich'}, heavy")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    # the bound of a busy machine; a quiet one needs a tenth of a second
    assert time.perf_counter() - start < 5


def test_list(capsys):
    status, out, _ = call(capsys, "list", "--json")
    rows = json.loads(out)
    assert status == 0 and {row["name"] for row in rows} == {entry.name for entry in registry.entries()}
    assert {"name", "kind", "target", "family", "summary", "paper", "aliases", "needs"} <= rows[0].keys()
    only = json.loads(call(capsys, "list", "--json", "--kind", "objective")[1])
    assert {row["kind"] for row in only} == {"objective"}
    status, out, _ = call(capsys, "list")
    assert status == 0 and all(entry.name in out for entry in registry.entries())


def rows_of(out):
    return list(csv.DictReader(out.splitlines()))


def test_sample_draws_non_edges_of_edges(capsys, edges):
    status, out, err = call(capsys, "sample", edges, "--num", 40, "--k", 2)
    rows = rows_of(out)
    assert status == 0 and err == "" and len(rows) == 80
    for row in rows:
        anchor, positive, negative = int(row["anchor"]), int(row["positive"]), int(row["negative"])
        assert (positive - anchor) % 6 in (1, 2)
        assert (negative - anchor) % 6 in (3, 4, 5)
        assert float(row["log_prob"]) == pytest.approx(np.log(1 / 3), abs=1e-6)
    assert call(capsys, "sample", edges, "--num", 40, "--k", 2)[1] == out
    assert call(capsys, "sample", edges, "--num", 40, "--k", 2, "--seed", 1)[1] != out


def test_sample_for_an_anchor(capsys, edges):
    rows = rows_of(call(capsys, "sample", edges, "--anchor", 2, "--anchor", 4, "--num", 30)[1])
    assert [row["anchor"] for row in rows] == ["2"] * 30 + ["4"] * 30
    assert {int(row["negative"]) for row in rows[:30]} == {5, 0, 1}
    rows = rows_of(call(capsys, "sample", edges, "--anchor", 2, "--num", 60, "--exclude", "self")[1])
    assert {int(row["negative"]) for row in rows} == {0, 1, 3, 4, 5}
    rows = rows_of(call(capsys, "sample", edges, "--anchor", 0, "--num", 60, "--num-nodes", 8)[1])
    assert {int(row["negative"]) for row in rows} == {3, 4, 5, 6, 7}
    rows = rows_of(call(capsys, "sample", edges, "--anchor", 0, "--num", 60, "--undirected")[1])
    assert {int(row["negative"]) for row in rows} == {3}


@pytest.mark.parametrize("sampler", ["degree", "degree:power=0", "clustered:num_clusters=2", "global-edges"])
def test_sample_with_other_samplers(capsys, edges, sampler):
    status, out, _ = call(capsys, "sample", edges, "--sampler", sampler, "--num", 12)
    assert status == 0
    known = {(i, (i + d) % 6) for i in range(6) for d in (0, 1, 2)}
    drawn = [(int(row["anchor"]), int(row["negative"])) for row in rows_of(out)]
    assert drawn and not set(drawn) & known


def test_sample_reads_every_format(capsys, tmp_path):
    pairs = torch.tensor([[0, 1, 2], [1, 2, 3]])
    torch.save(pairs, tmp_path / "edge_index.pt")
    np.savez(tmp_path / "a.npz", edge_index=pairs.numpy())
    (tmp_path / "a.tsv").write_text("0\t1\n1\t2\n2\t3\n")
    results = {call(capsys, "sample", tmp_path / name)[:2] for name in ("edge_index.pt", "a.npz", "a.tsv")}
    assert len(results) == 1 and results.pop()[0] == 0
    nx.write_graphml(nx.DiGraph([("ann", "bob"), ("bob", "cy"), ("cy", "dan")]), tmp_path / "a.graphml")
    rows = rows_of(call(capsys, "sample", tmp_path / "a.graphml", "--anchor", "ann", "--num", 20)[1])
    assert {row["anchor"] for row in rows} == {"ann"} and {row["negative"] for row in rows} == {"cy", "dan"}


def test_sample_writes_files(capsys, edges, tmp_path):
    status, out, _ = call(capsys, "sample", edges, "--output", tmp_path / "a.csv")
    assert (status, out) == (0, "")
    assert (tmp_path / "a.csv").read_text() == call(capsys, "sample", edges)[1]
    assert call(capsys, "sample", edges, "--output", tmp_path / "a.npz")[0] == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        rows = rows_of((tmp_path / "a.csv").read_text())
        assert found["negative"].tolist() == [int(row["negative"]) for row in rows]
        assert set(found.files) == {"anchor", "positive", "negative", "log_prob"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.npz", "edges.csv"]


def test_a_row_without_candidates_is_told(capsys, tmp_path):
    (tmp_path / "full.csv").write_text("0,1\n1,0\n")
    status, out, err = call(capsys, "sample", tmp_path / "full.csv", "--num", 3)
    assert status == 0 and rows_of(out) == []
    assert err == "graphns: 3 of 3 draws had no candidate and are left out\n"


@pytest.mark.parametrize(("arguments", "answer"), [
    (["--sampler", "hardest"], "hardest reads a model's scores, and a file has no model; without one there are: "
                               "uniform"),
    (["--sampler", "unifrm"], "did you mean 'uniform'"),
    (["--sampler", "degree:powr=1"], "did you mean 'power'"),
    (["--sampler", "degree:power=x"], "power"),
    (["--anchor", "17"], "ids run from 0 to 5"),
    (["--exclude", "me"], "exclude must be one of"),
    (["--num", "0"], "--num"),
    (["--num-nodes", "3"], "edges.csv"),
    (["--output", "a.txt"], "the name must end in .csv or .npz"),
    (["--output", "no/such/folder/a.csv"], "there is no folder"),
    (["--output", "no/such/folder/a.npz"], "there is no folder"),
])
def test_sample_mistakes(capsys, edges, arguments, answer):
    assert answer in refused(capsys, "sample", edges, *arguments)
    assert [path.name for path in edges.parent.iterdir()] == ["edges.csv"]


def test_sample_says_what_a_sampler_needs(capsys, edges, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    target = registry.find("uniform").target
    registry.register(registry.Entry("wanting", "sampler", target, "third party", "-", needs=("relations", "model")))
    answer = refused(capsys, "sample", edges, "--sampler", "wanting")
    assert "wanting needs triples with relations, which a file of edges has not; without there are: uniform" in answer


@pytest.mark.parametrize(("text", "answer"), [
    ("", "holds no edges"), ("0,1\n1.5,2\n", "line 2"), ("0,-2\n", "-2"), ("a\nb\n", "two ids|holds no edges|line"),
])
def test_sample_of_malformed_files(capsys, tmp_path, text, answer):
    (tmp_path / "bad.csv").write_text(text)
    err = refused(capsys, "sample", tmp_path / "bad.csv")
    assert any(each in err for each in answer.split("|"))


def test_bugs_are_not_dressed_as_mistakes(monkeypatch):
    def broken(*_, **__):
        return int("no number")  # raised outside this library's files

    monkeypatch.setattr(registry, "entries", broken)
    with pytest.raises(ValueError, match="invalid literal"):
        cli.run(["list"])


def test_a_missing_package_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert "pip install 'graphns[pipelines]'" in refused(capsys, "list")


def test_stopping_by_hand(capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "entries", stop)
    status, _, err = call(capsys, "list")
    assert status == 130 and "stopped" in err


def test_main_exits_with_the_status(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["graphns", "lst"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
