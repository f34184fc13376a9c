import pytest

from graphns import Graph, registry
from graphns.base import Negatives, Sampler
from graphns.compare.options import option_names
from graphns.compare.specs import Spec, misfits, parse, parse_list, unmet
from graphns.samplers.static.uniform import Uniform


def test_options_are_read_as_what_they_look_like():
    spec = parse("rns:exclude=self:infeasible=raise")
    assert (spec.name, spec.text) == ("uniform", "uniform:exclude=self:infeasible=raise")
    built = spec.build(Graph.empty(5))
    assert isinstance(built, Uniform) and built.exclude == "self" and built.infeasible == "raise"


def test_a_default_yields_to_the_options_and_to_classes_without_it():
    graph = Graph.empty(5)
    assert parse("uniform").build(graph, exclude="self", no_such=3).exclude == "self"
    assert parse("uniform:exclude=neighbors").build(graph, exclude="self").exclude == "neighbors"


@pytest.mark.parametrize(("text", "message"), [
    ("unifrom", "no sampler is called 'unifrom'; did you mean 'uniform'"),
    ("uniform:exclde=self", "uniform has no option 'exclde'; did you mean 'exclude'"),
    ("uniform:qqq=1", "uniform has no option 'qqq'; it has exclude, "),
    ("uniform:self", "write options as name:option=value, not 'self'"),
    ("uniform:exclude=self:exclude=self", "given twice"),
])
def test_mistakes_name_the_cure(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_lists():
    assert [spec.text for spec in parse_list("uniform, uniform:exclude=self,")] == ["uniform", "uniform:exclude=self"]
    with pytest.raises(ValueError, match="'uniform' is named twice"):
        parse_list("uniform,rns")
    with pytest.raises(ValueError, match="at least one sampler"):
        parse_list(" ,")


class Needy(Sampler):
    """A third party's sampler that a graph alone does not make."""

    def __init__(self, graph, table, *, depth=2):
        super().__init__()

    def sample(self, query):
        return Negatives(query.anchor[:, None], None, query.anchor[:, None] > 0)


def test_a_registered_sampler_works_by_name_and_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(registry.Entry("needy", "sampler", f"{__name__}:Needy", "third party", "needs a table"))
    assert option_names(Needy) == ("table", "depth")
    with pytest.raises(ValueError, match=r"needy:depth=3 cannot be built from a graph and options alone: .*table"):
        parse("needy:depth=3").build(Graph.empty(3))


def test_values():
    monkey = {"1": 1, "-2": -2, "0.5": 0.5, "true": True, "No": False, "none": None, "word": "word"}
    for text, value in monkey.items():
        assert parse(f"uniform:exclude={text}").options == {"exclude": value}


class Featured(Sampler):
    """A sampler that takes node features."""

    def __init__(self, graph, *, features=None):
        super().__init__()
        self.features = features

    def sample(self, query):
        raise AssertionError


@pytest.fixture
def wanting(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    for name, cls, needs in (("timed", Needy, ("time",)), ("both", Needy, ("model", "relations")),
                             ("featured", Featured, ("features",)), ("otherwise", Needy, ("features",)),
                             ("odd", Needy, ("moonlight",))):
        registry.register(registry.Entry(name, "sampler", f"{__name__}:{cls.__name__}", "third party", "for a test",
                                         needs=needs))


def test_defaults_that_cost_are_made_only_where_they_are_wanted():
    graph = Graph.empty(4)
    spec = Spec("featured", "featured", {}, f"{__name__}:Featured")
    assert spec.build(graph, features=lambda: "made", pool=3).features == "made"
    given = Spec("featured", "featured", {"features": "own"}, f"{__name__}:Featured")

    def costly():
        raise AssertionError("made for nothing")

    assert given.build(graph, features=costly).features == "own"
    assert parse("uniform").build(graph, features=costly)


@pytest.mark.usefixtures("wanting")
def test_what_is_unmet():
    given = {"model": None, "features": "features"}
    found = {name: unmet(registry.find(name), given) for name in ("timed", "both", "featured", "otherwise", "odd",
                                                                  "hardest", "uniform")}
    assert found == {"timed": ("a time for each edge",), "both": ("triples with relations",), "featured": (),
                     "otherwise": ("a feature vector for each node",), "odd": ("moonlight",), "hardest": (),
                     "uniform": ()}
    assert unmet(registry.find("both"), {}) == ("a model's scores", "triples with relations")


@pytest.mark.usefixtures("wanting")
def test_misfits_get_a_line_each():
    given = {"model": None, "features": "features"}
    specs = parse_list("uniform,timed,both:depth=3,featured", given)
    assert misfits(specs, given, "the data set") == {
        "timed": "needs a time for each edge, which the data set has not",
        "both:depth=3": "needs triples with relations, which the data set has not"}
    with pytest.raises(ValueError, match=r"timed needs .* has not; odd needs moonlight.*--samplers all-fitting takes"):
        misfits(parse_list("timed,odd", given), given, "the data set")


@pytest.mark.usefixtures("wanting")
def test_all_fitting():
    given = {"model": None, "features": "features"}
    names = [spec.name for spec in parse_list("all-fitting", given)]
    assert {"uniform", "hardest", "all", "featured"} <= set(names)
    assert not {"timed", "both", "otherwise", "odd"} & set(names)
    specs = parse_list("hardest:pool=8, All-Fitting", given)
    assert specs[0].text == "hardest:pool=8" and [spec.name for spec in specs].count("hardest") == 1
    assert len(specs) == len(names)
    assert "hardest" not in [spec.name for spec in parse_list("all-fitting", {})]
    with pytest.raises(ValueError, match="no sampler is called 'all-fittin'; did you mean 'all-fitting'"):
        parse_list("uniform,all-fittin", given)
    with pytest.raises(ValueError, match="no sampler is called 'all-fitting'"):
        parse_list("all-fitting")
