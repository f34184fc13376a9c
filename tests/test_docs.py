"""The docs are true: examples run, tables are up to date, every name has its page, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from graphns.registry import Entry, Kind, entries

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
SAMPLERS = [entry for entry in entries("sampler") if entry.family != "third party"]
KINDS = ("objective", "mixer", "batcher")
OTHERS = [entry for kind in KINDS for entry in entries(kind) if entry.family != "third party"]


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a page, with the lines they begin on."""
    text = page.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 2, match[1]) for match in found]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=page_name)
def test_examples_run(page: Path) -> None:
    """The Python blocks of a page, one after another, as a reader would run them; their asserts hold."""
    names: dict[str, object] = {"__name__": "__docs__"}
    if "import dgl" in page.read_text():
        pytest.importorskip("dgl", reason="DGL is not installed: it has no wheel above Python 3.11")
    for line, code in blocks(page, "python"):
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    assert names.keys() - {"__name__", "__builtins__"}


@pytest.mark.parametrize("entry", SAMPLERS, ids=lambda e: e.name)
def test_every_sampler_has_a_page(entry: object) -> None:
    """Formula first, then the paper, then an example that uses it."""
    name, target = entry.name, entry.target.partition(":")[2]  # type: ignore[attr-defined]
    page = DOCS / "samplers" / f"{name}.md"
    assert page.exists(), f"write {page}"
    text = page.read_text()
    assert text.startswith(f"# {name}\n\n$$"), "the formula comes first"
    assert "**Paper" in text and target in "".join(code for _, code in blocks(page, "python"))


@pytest.mark.parametrize("entry", OTHERS, ids=lambda e: f"{e.kind}-{e.name}")
def test_every_objective_mixer_and_batcher_has_a_page(entry: Entry) -> None:
    """Formula first, then the paper, what was kept and changed, and an example that imports it and asserts."""
    page = DOCS / f"{entry.kind}s" / f"{entry.name}.md"
    assert page.exists(), f"write {page}"
    text, code = page.read_text(), "".join(code for _, code in blocks(page, "python"))
    module, _, target = entry.target.partition(":")
    assert text.startswith(f"# {entry.name}\n\n$$"), "the formula comes first"
    assert "**Paper" in text and "**Kept and changed.**" in text
    assert re.search(rf"^from {re.escape(module)} import .*\b{target}\b", code, re.MULTILINE)
    assert re.search(rf"\b{target}\(", code) and re.search("^ *assert ", code, re.MULTILINE)


@pytest.mark.parametrize("kind", ["sampler", *KINDS])
def test_no_page_without_a_name(kind: Kind) -> None:
    names = {entry.name for entry in (*SAMPLERS, *OTHERS) if entry.kind == kind}
    assert {page.stem for page in (DOCS / f"{kind}s").glob("*.md")} == names


def test_the_navigation_names_every_page_beside_the_samplers() -> None:
    pages = re.findall(r"[\w-]+/[\w-]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert pages == [f"{entry.kind}s/{entry.name}.md" for entry in OTHERS]


@pytest.mark.parametrize("name", ["samplers.md", "reference.md"])
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == generator().PAGES[name](), "run: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+\.md)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page_name(page)} links to {target}"


def test_commands_of_the_readme_are_understood() -> None:
    """Every `graphns …` line in the docs parses: its command and its options exist."""
    import typer.main

    from graphns.cli import app

    command = typer.main.get_command(app)
    lines = [
        line.split("#")[0].split("&&")[-1].strip()
        for page in PAGES for _, code in blocks(page, "bash") for line in code.splitlines() if "graphns " in line
    ]
    asked = [shlex.split(line)[1:] for line in lines if line.startswith("graphns ")]
    assert {words[0] for words in asked} >= {"audit", "compare", "eval", "list", "sample", "train"}
    for words in asked:
        sub, given = command, iter(words)
        while hasattr(sub, "commands"):  # `train node` is a command in a group
            sub = sub.commands[next(given)]
        options = {name for parameter in sub.params for name in parameter.opts}
        unknown = [word for word in words[1:] if word.startswith("--") and word not in options]
        assert not unknown, f"graphns {' '.join(words)}: no {unknown}"


def test_ci_runs_the_readmes_test_command() -> None:
    lines = [line for line in (ROOT / "README.md").read_text().splitlines()
             if line.startswith("pip install") and "pytest" in line]
    assert len(lines) == 1 and "-c constraints.txt" in lines[0]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-py313.txt", "constraints-oldest.txt"])
def test_constraints_pin_every_dependency(name: str) -> None:
    """Exact versions, within the bounds of pyproject.toml, for everything a test environment needs."""
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.\-]+==[\w.!]+", line), f"{name}: {line!r} is no exact pin"
            package, _, version = line.partition("==")
            pins[canonicalize_name(package)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    python = "3.13" if name == "constraints-py313.txt" else "3.11"
    wanted = [*project["dependencies"], *extras["test"]]
    for text in wanted:  # an extra of our own adds to what is wanted
        need = Requirement(text)
        if need.name == "graphns":
            wanted += [each for extra in sorted(need.extras) for each in extras[extra]]
            continue
        if need.marker is not None and not need.marker.evaluate({"python_version": python}):
            continue
        pin = pins.get(canonicalize_name(need.name))
        assert pin is not None, f"{name} pins no {need.name}"
        assert need.specifier.contains(pin), f"{name} pins {need.name}=={pin}, pyproject.toml wants {need.specifier}"
