"""A small comparison on links from end to end, in this process."""

import csv
import statistics

import pytest
import yaml

from graphns.cli import run
from graphns.compare import link_tasks
from graphns.compare.files import read_json
from graphns.compare.link_settings import LinkSettings
from graphns.compare.link_source import link_sampler
from graphns.compare.run import compare
from graphns.compare.settings import Settings
from graphns.compare.specs import parse
from graphns.data.link_loading import load_links
from graphns.metrics.links import evaluate_links
from graphns.pipelines.link_config import LinkConfig
from graphns.pipelines.link_prediction import train
from graphns.scorers.heuristics import HEURISTICS

REFERENCES = ["cn", "aa", "ra"]


def settings(samplers="uniform", **changes):
    return LinkSettings.make(samplers=samplers, **{"seeds": 2, "epochs": 2, "k": 2, "threads": 1, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "out"
    status = compare(settings("uniform,hardest,global-edges", corrected=True), folder, command="graphns compare",
                     isolate=False, quiet=True)
    return folder, status


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files(done):
    folder, status = done
    assert status == 0
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{kind}" for name in ("metric", "tradeoff", "speed") for kind in ("png", "svg")}
    assert {name for name in names if name.startswith("figures")} == figures
    assert {"results.csv", "summary.csv", "config.yaml", "report.html"} <= names
    assert not [name for name in names if ".part" in name or name.endswith(("data.npz", "checkpoint.pt"))]


def test_rows(done):
    rows = table(done[0] / "summary.csv")
    by = {row["name"]: row for row in rows}
    assert list(by) == [*REFERENCES, "uniform", "uniform, corrected", "hardest", "hardest, corrected", "global-edges",
                        "global-edges, corrected"]
    assert by["hardest, corrected"]["fault"].startswith("not run: Hardest has density 'none'")
    assert by["global-edges"]["hardness"] == "" and float(by["global-edges"]["negatives_per_second"]) > 0
    # the harder the negatives, the more of them are true
    assert float(by["hardest"]["hardness"]) > 0.65 > 0.55 > float(by["uniform"]["hardness"]) > 0.45
    assert float(by["hardest"]["false_negatives"]) > float(by["uniform"]["false_negatives"]) > 0
    assert [by[name]["family"] for name in ("ra", "hardest", "global-edges")] == ["reference", "dynamic", "static"]
    assert all(row["mrr"] and row["hits@100"] and row["ap"] and row["valid"] for row in rows if not row["fault"])


def test_references_are_the_heuristics_against_every_seed_of_uniform(done):
    by = {row["name"]: row for row in table(done[0] / "summary.csv")}
    data = load_links("digits")
    for name in REFERENCES:
        found = evaluate_links(HEURISTICS[name](data.graph).pairs, data.test).as_dict()
        assert {key: float(by[name][key]) for key in found} == pytest.approx(found)
        assert by[name]["seeds"] == "1" and by[name]["std"] == "" and by[name]["low"]
        assert float(by[name]["difference"]) == pytest.approx(found["auc"] - float(by["uniform"]["auc"]))


def test_a_run_is_that_of_the_pipeline(done):
    data = load_links("digits")
    config = LinkConfig.preset("digits", epochs=2, k=2, seed=1)
    result = train(data, link_sampler(parse("hardest"), data, 2, config.size), config)
    run = read_json(done[0] / "runs" / "hardest" / "seed-1.json")
    assert {key: run[key] for key in result.test.as_dict()} == pytest.approx(result.test.as_dict(), abs=1e-6)
    assert run["valid"] == pytest.approx(result.valid.auc, abs=1e-6) and run["epoch"] == result.epoch
    assert run["audit"] is None and read_json(done[0] / "runs" / "hardest" / "seed-0.json")["audit"]["draws"] >= 1e5
    runs = [row for row in table(done[0] / "results.csv") if row["name"] == "hardest"]
    by = {row["name"]: row for row in table(done[0] / "summary.csv")}
    for key in ("auc", "mrr", "hits@20", "valid", "epoch"):
        assert float(by["hardest"][key]) == pytest.approx(statistics.mean(float(row[key]) for row in runs))


def test_the_report_speaks_of_the_metric(done):
    text = (done[0] / "report.html").read_text(encoding="utf-8")
    assert "<h1>Negative samplers on links of digits</h1>" in text and "AUC on test edges" in text
    assert "8,440 training edges, 496 for validation, 993 for the test, 64 features" in text
    assert not [word for word in ("ccuracy", "probe", "class;", "gradient of") if word in text]
    assert text.count("<svg") == 3 and "https://" not in text and "<script" not in text
    config = yaml.safe_load((done[0] / "config.yaml").read_text(encoding="utf-8"))
    assert config["settings"]["task"] == "link" and config["data"]["metric"] == "auc"
    assert config["training"]["settings"]["epochs"] == 2 and config["training"]["checkpoint"]["epochs"] == 1


def test_mini_batches(tmp_path):
    """As `train link` has them; what cannot serve mini-batches says so, and the others go on."""
    folder = tmp_path / "out"
    asked = settings("hardest,all", encoder="sage", num_neighbors=(4, 3), seeds=1, epochs=1)
    assert compare(asked, folder, isolate=False, quiet=True) == 0
    data = load_links("digits")
    config = LinkConfig.preset("digits", encoder="sage", epochs=1, k=2, num_neighbors=(4, 3))
    expected = train(data, link_sampler(parse("hardest"), data, 2, config.size), config).test.as_dict()
    found = read_json(folder / "runs" / "hardest" / "seed-0.json")
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-6)
    by = {row["name"]: row for row in table(folder / "summary.csv")}
    assert "All takes every node, and a mini-batch embeds few" in by["all"]["fault"]
    assert "mini-batches, with 4, 3 sampled neighbours a node" in (folder / "report.html").read_text(encoding="utf-8")


def test_mini_batches_as_a_user_asks_for_them(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr("graphns.compare.run.compare", lambda settings, *_, **__: asked.append(settings) or 0)
    for more in ([], ["--num-neighbors", "4, -1"]):
        assert run(["compare", "--task", "link", "--samplers", "uniform", "--out", str(tmp_path), *more]) == 0
    assert [each.config().num_neighbors for each in asked] == [None, (4, -1)]
    for arguments, message in (
        (["--num-neighbors", "4"], "--num-neighbors is an option of --task link, and this is --task node"),
        (["--task", "link", "--num-neighbors", "4,3,2"], "num_neighbors needs a number for each layer"),
        (["--task", "link", "--num-neighbors", "four"], "write numbers of neighbours as 10,5, one for each layer"),
    ):
        assert run(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_a_second_call_repeats_no_run_and_keeps_tasks_apart(done, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    compare(settings(seeds=1, epochs=1), folder, isolate=False, quiet=True)
    asked = []
    real = link_tasks.perform
    monkeypatch.setattr(link_tasks, "perform", lambda task, report: asked.append((task["name"], task["seed"]))
                        or real(task, report))
    compare(settings("uniform,degree", seeds=1, epochs=1), folder, isolate=False, quiet=True)
    assert asked == [("degree", 0)]
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "No verdicts: one seed gives no interval" in text
    for changes, message in (({"epochs": 3}, "epochs = 1, now it is 3"), ({"epochs": 1, "k": 3}, "k = 2, now it is 3"),
                             ({"epochs": 1, "decoder": "dot"}, "decoder = None, now it is dot")):
        with pytest.raises(ValueError, match=message):
            compare(settings(**changes), folder, isolate=False, quiet=True)
    with pytest.raises(ValueError, match="task = link, now it is node"):
        compare(Settings.make(samplers="uniform"), folder, isolate=False, quiet=True)


def test_what_is_shown_on_a_terminal(done, tmp_path, capsys):
    compare(settings("uniform,hardest,global-edges", corrected=True), done[0], isolate=False)
    out = capsys.readouterr().out
    assert "AUC" in out and "Other figures on test edges" in out and "valid AUC" in out and "ccuracy" not in out
    assert f"report: {done[0] / 'report.html'}" in out


@pytest.mark.parametrize(("changes", "message"), [
    ({"seeds": 0}, "seeds must be at least 1"), ({"k": 0}, "k must be at least 1"),
    ({"encoder": "gn"}, "no encoder is called 'gn'"), ({"decoder": "cosine"}, "no decoder is called 'cosine'"),
    ({"corrected": True, "k": 1}, "--k 2 or more with --corrected"),
    ({"samplers": "unifrm"}, "did you mean 'uniform'"),
])
def test_settings_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_data_that_cannot_be_had_leave_no_folder(tmp_path):
    for changes, message in (({"data": "digts"}, "did you mean 'digits'"), ({"evaluation": "heart"}, "'digits' has")):
        with pytest.raises(ValueError, match=message):
            compare(settings(**changes), tmp_path / "out", isolate=False, quiet=True)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_training_is_left_alone(tmp_path):
    """It has a config.yaml as a comparison has, which would be written over."""
    (tmp_path / "config.yaml").write_text("task: link\n")
    with pytest.raises(ValueError, match="holds other files"):
        compare(settings(), tmp_path, isolate=False, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == "task: link\n"
