"""The shape of the package: imports run down the floors, files stay short, nothing hangs in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "graphns"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOORS = [
    {"base", "streams", "catalogue"},
    {"kernels", "graph"},
    {"objectives", "scorers", "views", "mixers"},
    {"samplers", "encoders", "metrics", "batchers"},
    {"data", "adapters", "registry"},
    {"pipelines", "mining"},
    {"compare"},
    {"commands"},
    {"cli", "__main__"},
]
FLOOR = {part: number for number, floor in enumerate(FLOORS, 1) for part in floor}
# the short names that hand the adapters on; they stand where the adapters stand
FLOOR |= {"pyg": FLOOR["adapters"], "dgl": FLOOR["adapters"], "networkx": FLOOR["adapters"],
          "sklearn": FLOOR["adapters"], "ogb": FLOOR["adapters"], "pykeen": FLOOR["adapters"]}


def module_name(file: Path) -> str:
    """`graphns/graph/graph.py` is `graphns.graph.graph`; a package's `__init__` is the package."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(file) for file in FILES}


def is_typing_only(test: ast.expr) -> bool:
    """Whether an `if` guards imports that exist for type checkers alone."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def walk_running(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Import statements that run, and whether they wait inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy
        elif isinstance(child, ast.If) and is_typing_only(child.test):
            for each in child.orelse:
                yield from walk_running(ast.Module([each], []), lazy)
        else:
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk_running(child, inside)


def imports(file: Path, source: str | None = None) -> list[tuple[str, bool]]:
    """The graphns modules that a file imports, with whether each import waits inside a function."""
    found: list[tuple[str, bool]] = []
    for node, lazy in walk_running(ast.parse(file.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, lazy) for alias in node.names if alias.name.split(".")[0] == "graphns"]
            continue
        assert node.level == 0, f"{file}: relative imports hide the floor, write the full name"
        if node.module and node.module.split(".")[0] == "graphns":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in NAMES else node.module, lazy))
    return found


def part(module: str) -> str:
    """The part of the package a module belongs to: its second name."""
    return module.split(".")[1]


def rises(module: str, source: str | None = None, file: Path = PACKAGE / "base.py") -> list[str]:
    """The imports of a module that climb to a higher floor."""
    return [
        f"{module} (floor {FLOOR[part(module)]}) imports {other}"
        for other, _ in imports(file, source)
        if other != "graphns" and FLOOR[part(other)] > FLOOR[part(module)]
    ]


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_imports_run_down(file: Path) -> None:
    module = module_name(file)
    if module == "graphns":
        assert not imports(file), "graphns/__init__.py imports by name, when a name is asked for"
        return
    assert part(module) in FLOOR, f"{module} stands on no floor: add it to FLOORS here and to the layout in docs"
    assert not rises(module, file=file)


def test_upward_import_would_be_seen() -> None:
    """The test above must be able to fail: also for imports inside functions, and not for typing's."""
    assert rises("graphns.graph.walks", "def f():\n    from graphns.samplers.static import uniform\n")
    assert rises("graphns.base", "import graphns.registry\n")
    assert not rises("graphns.graph.walks", "if TYPE_CHECKING:\n    from graphns.samplers.static import uniform\n")
    assert not rises("graphns.samplers.static.degree", "from graphns.kernels.weighted import x\n")


def test_no_cycle() -> None:
    """No module, by imports at its top, needs itself; within a floor too."""
    needs = {module_name(file): {other for other, lazy in imports(file) if not lazy} for file in FILES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "imports in a circle: " + " -> ".join([*trail[trail.index(module):], module])
        if module not in done:
            for other in sorted(needs.get(module, ())):
                visit(other, (*trail, module))
            done.add(module)

    for module in sorted(needs):
        visit(module, ())


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_length(file: Path) -> None:
    limit = 180 if "samplers" in file.parts else 300
    lines = len(file.read_text().splitlines())
    assert lines < limit, f"{file.relative_to(PACKAGE.parent)} has {lines} lines; under {limit}, one idea a file"


def test_no_utils() -> None:
    names = {word for file in FILES for word in file.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "misc", "common"}, "name a file by its idea"


@pytest.mark.parametrize("file", [file for file in FILES if file.name != "cli.py"], ids=module_name)
def test_prints_nothing(file: Path) -> None:
    calls = [
        node.lineno for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls, f"{file.name} prints on lines {calls}; libraries return, the command line shows"


GLOBAL_RANDOM = {"rand", "randn", "randint", "randperm", "multinomial", "bernoulli", "seed", "manual_seed"}


@pytest.mark.parametrize("file", [f for f in FILES if "samplers" in f.parts or "kernels" in f.parts], ids=module_name)
def test_samplers_and_kernels_touch_no_global_generator(file: Path) -> None:
    """Streams alone are random there: no torch.rand, no numpy.random, no random."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            assert not names & {"random", "numpy.random"}, f"{file.name}:{node.lineno} imports a global generator"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) \
                and isinstance(node.func.value, ast.Name) and node.func.value.id == "torch":
            own = any(keyword.arg == "generator" for keyword in node.keywords)
            name = node.func.attr
            assert own or name not in GLOBAL_RANDOM, f"{file.name}:{node.lineno} draws with torch.{name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"np", "numpy"}:
            assert node.attr != "random", f"{file.name}:{node.lineno} uses numpy.random"
