"""A small comparison from end to end, in this process; what needs processes of its own is in test_worker."""

import csv
import math
import re
from html.parser import HTMLParser

import pytest
import torch
import yaml

from graphns import registry
from graphns.base import Negatives, Sampler
from graphns.compare import audit, tasks
from graphns.compare.files import read_json, replacing, write_json
from graphns.compare.run import compare
from graphns.compare.settings import Settings, file_name
from graphns.data import load
from graphns.data.node import NodeData
from graphns.encoders.sparse import Sparse
from graphns.pipelines.grace import Grace, every_node, make_views
from graphns.pipelines.grace_config import GraceConfig
from graphns.samplers.static.uniform import Uniform
from graphns.streams import Stream


class Needy(Sampler):
    """Takes more than a graph."""

    def __init__(self, graph, table):
        super().__init__()

    def sample(self, query):
        raise AssertionError


class Broken(Sampler):
    """A third party's bug."""

    def __init__(self, graph):
        super().__init__()

    def sample(self, query):
        raise ZeroDivisionError("a bug")


class Next(Sampler):
    """A third party's sampler without a density: the next ids."""

    def __init__(self, graph, *, skip: int = 1):
        super().__init__()
        self.graph, self.skip = graph, skip

    def sample(self, query):
        ids = (query.anchor[:, None] + self.skip + torch.arange(query.k)) % self.graph.num_nodes
        return Negatives(ids, None, ids != query.anchor[:, None])


@pytest.fixture
def third_parties(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    for cls in (Needy, Broken, Next):
        registry.register(registry.Entry(cls.__name__.lower(), "sampler", f"{__name__}:{cls.__name__}", "third party",
                                         "for a test"))


def settings(samplers="uniform,all", **changes):
    return Settings.make(samplers=samplers, **{"seeds": 2, "epochs": 3, "k": 8, "threads": 1, "streams": 2, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "out"
    status = compare(settings("uniform,all,in-batch,hardest", corrected=True), folder, command="graphns compare",
                     isolate=False, quiet=True)
    return folder, status


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files(done):
    folder, status = done
    assert status == 0
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{kind}" for name in ("accuracy", "tradeoff", "gradient", "speed")
               for kind in ("png", "svg")}
    assert {"results.csv", "summary.csv", "config.yaml", "report.html"} | figures <= names
    assert not [name for name in names if ".part" in name or name.endswith(("data.pt", "checkpoint.pt"))]
    assert (folder / "figures" / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_tables(done):
    rows = table(done[0] / "summary.csv")
    names = ["raw features", "untrained encoder", "uniform", "uniform, corrected", "all", "in-batch",
             "in-batch, corrected", "hardest", "hardest, corrected"]
    assert [row["name"] for row in rows] == names
    by = {row["name"]: row for row in rows}
    assert by["hardest, corrected"]["fault"].startswith("not run: Hardest has density 'none'")
    assert by["all"]["bias"] == by["all"]["variance"] == "0.0"
    assert float(by["all"]["cosine"]) == pytest.approx(1.0)
    assert by["all"]["negatives_per_second"] == "" and float(by["uniform"]["negatives_per_second"]) > 0
    assert float(by["uniform"]["hardness"]) == pytest.approx(0.5, abs=0.02)
    assert float(by["hardest"]["hardness"]) > 0.8
    assert 0.05 < float(by["uniform"]["false_negatives"]) < 0.15
    assert float(by["hardest"]["false_negatives"]) > float(by["uniform"]["false_negatives"])
    assert by["uniform"]["difference"] == "" and by["all"]["verdict"]
    assert float(by["raw features"]["accuracy"]) == pytest.approx(0.926, abs=0.01)
    runs = table(done[0] / "results.csv")
    assert [(row["name"], row["seed"]) for row in runs] == [(n, s) for n in names[:-1] for s in "01"]
    mean = sum(float(row["accuracy"]) for row in runs if row["name"] == "uniform") / 2
    assert float(by["uniform"]["accuracy"]) == pytest.approx(mean)


def test_config_tells_everything(done):
    config = yaml.safe_load((done[0] / "config.yaml").read_text(encoding="utf-8"))
    assert config["command"] == "graphns compare"
    assert config["settings"]["samplers"] == ["uniform", "all", "in-batch", "hardest"]
    assert config["settings"]["seeds"] == 2 and config["training"]["settings"]["epochs"] == 3
    assert config["training"]["method"] == "grace"
    assert config["versions"]["torch"] and config["versions"]["graphns"] and config["machine"]["cores"] >= 1


class Links(HTMLParser):
    """Collects whatever a browser would fetch or follow, and whether tags close."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.found += [value for key, value in attributes
                       if key in ("src", "href", "xlink:href", "srcset", "data", "action") and value[0] != "#"]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_needs_nothing_else(done):
    text = (done[0] / "report.html").read_text(encoding="utf-8")
    parser = Links()
    parser.feed(text)
    assert parser.found == [] and parser.open == []
    assert "http://" not in text and "https://" not in text and "@import" not in text and "<script" not in text
    assert not re.search(r"url\((?!#)", text)
    assert text.count("<svg") == 4
    assert "Not run, or not to the end" in text and "uniform, corrected" in text
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    assert {name for name in re.findall(r'(?:href="#|url\(#)([^")]+)', text)} <= ids


def test_a_second_call_repeats_no_run_and_may_ask_for_more(done, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    compare(settings("uniform", seeds=1), folder, isolate=False, quiet=True)
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("seed-*.json")}
    asked = []
    real = tasks.perform
    monkeypatch.setattr(tasks, "perform", lambda task, report: asked.append((task["name"], task["seed"]))
                        or real(task, report))
    compare(settings("uniform", seeds=1), folder, isolate=False, quiet=True)
    assert asked == []
    compare(settings("uniform,degree", seeds=2), folder, isolate=False, quiet=True)
    assert asked == [("raw features", 1), ("untrained encoder", 1), ("uniform", 1), ("degree", 0), ("degree", 1)]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for changes, message in (({"epochs": 4}, "epochs = 3, now it is 4"), ({"k": 9}, "k = 8, now it is 9"),
                             ({"exclude": "neighbors"}, "exclude = self, now it is neighbors")):
        with pytest.raises(ValueError, match=message):
            compare(settings("uniform", **changes), folder, isolate=False, quiet=True)


def test_runs_are_reproducible(done, tmp_path):
    compare(settings("uniform", seeds=1), tmp_path / "out", isolate=False, quiet=True)
    ours = read_json(tmp_path / "out" / "runs" / "uniform" / "seed-0.json")
    theirs = read_json(done[0] / "runs" / "uniform" / "seed-0.json")
    assert ours["accuracy"] == theirs["accuracy"] and ours["loss"] == pytest.approx(theirs["loss"], rel=1e-6)
    for key in ("bias", "variance", "cosine"):
        assert ours["audit"]["corrected"][key] == pytest.approx(theirs["audit"]["corrected"][key], rel=1e-3, abs=1e-6)


def test_third_parties(third_parties, tmp_path):
    folder = tmp_path / "out"
    status = compare(settings("needy,broken,next:skip=5", seeds=1, epochs=1), folder, isolate=False, quiet=True)
    assert status == 1
    by = {row["name"]: row for row in table(folder / "summary.csv")}
    assert by["needy"]["fault"].startswith("not run: needy cannot be built from a graph and options alone")
    assert by["broken"]["fault"] == "failed: ZeroDivisionError: a bug"
    assert "ZeroDivisionError" in (folder / "runs" / "broken" / "error.txt").read_text()
    assert by["next:skip=5"]["family"] == "third party" and float(by["next:skip=5"]["accuracy"]) > 0.5
    assert "uniform is not among the samplers" in (folder / "report.html").read_text(encoding="utf-8")


def test_samplers_that_do_not_fit_the_data_say_what_they_need(third_parties, tmp_path, capsys):
    for name, needs in (("timed", ("time",)), ("wanting", ("relations", "types"))):
        registry.register(registry.Entry(name, "sampler", f"{__name__}:Broken", "third party", "for a test",
                                         needs=needs))
    folder = tmp_path / "out"
    status = compare(settings("uniform,timed,wanting", seeds=1, epochs=1, corrected=True), folder, isolate=False)
    assert status == 0
    by = {row["name"]: row for row in table(folder / "summary.csv")}
    fault = "not run: needs triples with relations and a type for each node, which digits has not"
    assert by["wanting"]["fault"] == by["wanting, corrected"]["fault"] == fault
    assert by["timed"]["fault"] == "not run: needs a time for each edge, which digits has not"
    assert by["uniform"]["fault"] == "" and not (folder / "runs" / "timed").exists()
    out, err = capsys.readouterr()
    assert f"wanting: {fault}" in err.splitlines() and f"wanting: {fault}" in out.splitlines()
    with pytest.raises(ValueError, match="timed needs a time for each edge, which digits has not; --samplers all-fit"):
        compare(settings("timed", seeds=1), tmp_path / "none", isolate=False)
    assert not (tmp_path / "none").exists()
    names = [spec.name for spec in settings("all-fitting").samplers]
    assert {"uniform", "all", "next"} <= set(names) and not {"timed", "wanting"} & set(names)


def test_folders_that_are_not_ours_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        compare(settings(), tmp_path, isolate=False, quiet=True)
    with pytest.raises(ValueError, match="is a file"):
        compare(settings(), tmp_path / "notes.txt", isolate=False, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.fixture(scope="module")
def frozen():
    data, config = load("digits"), GraceConfig.preset("digits", k=16)
    return Grace.seeded(data, config), data, config


def test_all_negatives_have_no_bias_and_no_variance(frozen):
    model, data, config = frozen
    views = make_views(data, config, Stream(5))
    every = every_node(data, config)
    true = audit.gradient(model, data, views, every, config, Stream(0), 0)
    for corrected in (False, True):
        form = config.replace(corrected=corrected)
        found = audit.of_gradient(model, data, views, every, form, Stream(1), 0, 3, true)
        assert found.variance == 0 and found.bias == pytest.approx(0, abs=1e-4)
        assert found.cosine == pytest.approx(1, abs=1e-6) and found.cosine_one == pytest.approx(1, abs=1e-6)


def test_the_correction_lowers_the_bias_of_few_uniform_draws(frozen):
    model, data, config = frozen
    found = audit.audit(model, data, Uniform(data.graph, exclude="self"), config, epoch=0, streams=8)
    assert found["corrected"]["bias"] < found["uncorrected"]["bias"]
    assert found["corrected"]["cosine"] > 0.99


def test_an_audit_changes_nothing(frozen):
    model, data, config = frozen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    audit.audit(model, data, Uniform(data.graph, exclude="self"), config, epoch=0, streams=2)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": math.nan, "b": [1.5, math.inf]})
    assert read_json(path) == {"a": None, "b": [1.5, None]}
    with pytest.raises(RuntimeError, match="cut off"), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("cut off")
    assert read_json(path)["b"] == [1.5, None] and [each.name for each in tmp_path.iterdir()] == ["a.json"]
    path.write_text("{")
    with pytest.raises(ValueError, match=r"a\.json is not JSON .*; delete it"):
        read_json(path)


def test_names_of_folders_stay_apart():
    texts = ["hardest:pool=64", "hardest pool=64/..", "ü", "u", "a, corrected"]
    assert len({file_name(text) for text in texts}) == len(texts)
    assert all(re.fullmatch(r"[\w.=~-]+", file_name(text), re.ASCII) for text in texts)


@pytest.mark.parametrize(("changes", "message"), [
    ({"seeds": 0}, "seeds must be at least 1"), ({"epochs": 0}, "epochs must be at least 1"),
    ({"streams": 1}, "at least 2 streams"), ({"exclude": "all"}, "exclude must be one of self, neighbors"),
    ({"split": "half"}, "split must be one of public, random"),
])
def test_settings_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_sparse_features_reach_the_runs_sparse(tmp_path):
    """Kept as a tensor, read back as sparse; references, samplers that ask for features and probes take them."""
    digits = load("digits")
    x = digits.x * (digits.x > 0.9)
    sparse = NodeData("digits", Sparse.from_dense(x), digits.edge_index, digits.y)
    tasks.save_data(sparse, tmp_path / "data.pt")
    found = NodeData(**torch.load(tmp_path / "data.pt", weights_only=True))
    assert isinstance(found.x, Sparse) and torch.equal(found.dense, x)
    settings = Settings.make("digits", split="random")
    task = {"name": "raw features", "seed": 1, "training": tasks.plan(settings, sparse)["training"]}
    raw = tasks._reference(task, sparse, GraceConfig(), lambda message: None)["accuracy"]
    dense = tasks._reference(task, NodeData("digits", x, digits.edge_index, digits.y), GraceConfig(), lambda _: None)
    assert raw == pytest.approx(dense["accuracy"], abs=0.003) and raw > 0.5
