"""The house rules. Each is a function from a module to its flaws, tried here on the code of the product and on planted faults."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"

# Who may import whom; what is not named here may not be imported. Everybody may import `errors`, `times`, siblings in a folder.
# `config`, `metrics` and `limits` are built in app and handed down: below app they are imported for their types.
ALLOWED: dict[str, set[str]] = {
    "__main__": {"cli"},
    # `--json` writes what the API answers
    "cli": {"api", "app", "auth", "bench", "config", "debate", "log", "memory", "providers", "ranking", "receipts", "store"},
    "app": {
        *("api", "auth", "bus", "config", "debate", "dispatch", "engine", "feed", "limits"),
        *("log", "memory", "metrics", "objectives", "providers", "ranking", "recall", "store", "traces", "webhooks", "workers"),
    },
    "api": {
        *("auth", "config", "debate", "engine", "feed", "flaws", "limits", "memory", "metrics"),
        *("objectives", "people", "providers", "ranking", "receipts", "store", "web", "webhooks"),
    },
    "engine": {"bus", "debate", "dispatch", "metrics", "people", "providers", "recall", "run", "store"},
    "run": {"bus", "debate", "metrics", "people", "pieces", "providers", "recall", "store"},
    "": {"client"},  # the package itself hands out its client
    "client": {"api"},
    "webhooks": {"store"},
    "people": {"bus", "debate", "store"},
    "pieces": {"bus", "debate"},
    "dispatch": {"bus", "store"},
    "workers": {"metrics"},
    "objectives": {"metrics"},
    "feed": {"bus", "debate", "metrics", "store"},
    "memory": {"debate", "store"},
    "ranking": {"debate", "store"},
    "recall": {"debate", "memory", "store"},
    "auth": {"limits", "store"},
    "store": {"debate"},
    "providers": {"debate", "metrics", "traces"},
    "receipts": {"debate"},
    "bench": {"bus", "debate", "engine", "feed", "metrics", "providers", "receipts", "store"},
    "bus": set(),
    "web": set(),
    "debate": set(),
    "config": {"flaws"},
    "flaws": set(),
    "metrics": {"traces"},
    "traces": set(),
    "log": set(),
    "limits": set(),
    "errors": set(),
    "times": set(),
}
PURE = {
    *("collections", "copy", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json"),
    *("math", "operator", "re", "statistics", "string", "textwrap", "types", "typing", "unicodedata"),
}
BANNED_WORDS = ("Manager", "Service", "Helper", "Util", "Base", "Abstract", "Factory", "Orchestrator", "Processor")
BANNED_FILES = {"utils", "util", "helpers", "helper", "services", "managers", "base", "common", "misc"}
UNFINISHED = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
FOLDERS_MAX = 2


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the product, read once."""

    name: str  # aragora.store.sqlite; a package is named like its folder
    text: str
    tree: ast.Module

    @property
    def part(self) -> str:
        """The part of the house that it belongs to; empty for the package itself."""
        return (*self.name.split("."), "")[1]


def a_module(name: str, text: str) -> Module:
    """Read a module."""
    return Module(name, text, ast.parse(text))


def product() -> list[Module]:
    """Every module of the product."""
    files = sorted((SRC / "aragora").rglob("*.py"))
    names = [".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return [a_module(name, file.read_text("utf-8")) for name, file in zip(names, files, strict=True)]


def imports(module: Module, *, at_import: bool = False) -> Iterator[str]:
    """What a module imports, as dotted names; `at_import` leaves out what is imported by a function or for types only."""
    waiting: list[ast.AST] = [module.tree]
    while waiting:
        node = waiting.pop()
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        lazy |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if at_import and lazy:
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_direction(module: Module) -> Iterator[str]:
    """Imports that go against the picture of the house."""
    if module.part and module.part not in ALLOWED:
        yield f"{module.name} is no part of the house: give it a line in ALLOWED"
        return
    for name in imports(module):
        first, *rest = name.split(".")
        if first == "aragora" and rest and rest[0] in ALLOWED:
            if rest[0] not in {module.part, "errors", "times"} | ALLOWED.get(module.part, set()):
                yield f"{module.name} may not import {rest[0]}"
        elif first == "None" or first.startswith("."):
            yield f"{module.name} has a relative import"


def impure(module: Module) -> Iterator[str]:
    """In the pure core: anything but a few modules of the standard library, and anything async."""
    if module.part != "debate":
        return
    for name in imports(module):
        if not name.startswith("aragora.debate") and name.split(".")[0] not in PURE:
            yield f"{module.name} imports {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"{module.name}:{node.lineno} is async"


def too_long(module: Module) -> Iterator[str]:
    """Functions and modules over their bounds; the docstring of a function is not counted."""
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES_MAX:
        yield f"{module.name} has {lines} lines"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or 0) - node.lineno + 1 - (first.lineno - node.body[0].lineno)
            if length > FUNCTION_LINES_MAX:
                yield f"{module.name}.{node.name} has {length} lines"


def reads_environment(module: Module) -> Iterator[str]:
    """The environment, outside of config."""
    if module.name == "aragora.config":
        return
    for node in ast.walk(module.tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in {"environ", "environb", "getenv", "getenvb"}:
            yield f"{module.name} reads the environment"
    for name in imports(module):
        if name in {"os.environ", "os.environb", "os.getenv", "os.getenvb"}:
            yield f"{module.name} reads the environment"


def badly_named(module: Module) -> Iterator[str]:
    """Names that say nothing."""
    if BANNED_FILES & set(module.name.split(".")):
        yield f"{module.name} is no name for a module"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and (words := [word for word in BANNED_WORDS if word in node.name]):
            yield f"{module.name}.{node.name} says {words[0]}"


def unstructured(module: Module) -> Iterator[str]:
    """Tasks that no group waits for."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, name = called.rpartition(".")
        if name in {"gather", "ensure_future", "run_coroutine_threadsafe"} and owner in {"", "asyncio"}:
            yield f"{module.name}:{node.lineno} calls {name}"
        if name == "create_task" and (owner in {"", "asyncio"} or "loop" in owner.lower()):
            yield f"{module.name}:{node.lineno} starts a task outside of a group"


def unexplained(module: Module) -> Iterator[str]:
    """Modules that do not say what they are, and marks of unfinished work."""
    if not ast.get_docstring(module.tree):
        yield f"{module.name} has no docstring"
    if UNFINISHED.search(module.text):
        yield f"{module.name} has a mark of unfinished work"


RULES = (wrong_direction, impure, too_long, reads_environment, badly_named, unstructured, unexplained)


def cycle(modules: Sequence[Module]) -> list[str]:
    """A circle of modules that import each other when they are imported; empty if there is none."""
    names = {module.name for module in modules}
    graph = {}
    for module in modules:
        wanted = (name if name in names else name.rpartition(".")[0] for name in imports(module, at_import=True))
        graph[module.name] = {name for name in wanted if name in names and name != module.name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_product_keeps_rule(rule: object) -> None:
    """No module of the product breaks the rule."""
    assert callable(rule)
    assert [] == [flaw for module in product() for flaw in rule(module)]


def test_product_has_no_import_cycle() -> None:
    """Modules can be read from the bottom to the top."""
    assert [] == cycle(product())


def test_product_is_flat() -> None:
    """A folder exists for a family of siblings; there is no third level."""
    assert [] == [module.name for module in product() if module.name.count(".") > FOLDERS_MAX]


def test_picture_of_the_house_has_no_cycle() -> None:
    """The allowed edges themselves lead downwards only."""
    graph = {part: below - {part} for part, below in ALLOWED.items()}
    assert set(ALLOWED) == set(TopologicalSorter(graph).static_order())


PLANTED = [
    (wrong_direction, "aragora.store.sqlite", "def f():\n    from aragora.api import routes"),
    (wrong_direction, "aragora.debate.model", "import aragora.errors\nimport aragora.config"),
    (wrong_direction, "aragora.attic", ""),
    (wrong_direction, "aragora.engine", "from . import feed"),
    (impure, "aragora.debate.model", "from time import time"),
    (impure, "aragora.debate.model", "async def f(): pass"),
    (too_long, "aragora.feed", "def f():\n" + "    x = 1\n" * 60),
    (too_long, "aragora.feed", "x = 1\n" * 501),
    (reads_environment, "aragora.app", "import os\nos.environ['HOME']"),
    (reads_environment, "aragora.app", "from os import getenv"),
    (badly_named, "aragora.feed", "class FeedManager: pass"),
    (badly_named, "aragora.store.utils", ""),
    (unstructured, "aragora.feed", "async def f():\n    await asyncio.gather(a(), b())"),
    (unstructured, "aragora.feed", "def f():\n    asyncio.get_running_loop().create_task(a())"),
    (unexplained, "aragora.feed", "x = 1"),
    (unexplained, "aragora.feed", '"""A feed."""\n# TODO: end'),
]


@pytest.mark.parametrize(("rule", "name", "text"), PLANTED)
def test_rule_finds_planted_fault(rule: object, name: str, text: str) -> None:
    """A rule that finds nothing where something is wrong would be a wish."""
    assert callable(rule)
    assert [*rule(a_module(name, text))]


def test_cycle_is_found() -> None:
    """Two modules that import each other are a circle; an import inside a function makes none."""
    one, other = a_module("aragora.a", "import aragora.b"), a_module("aragora.b", "from aragora.a import x")
    lazy = a_module("aragora.b", "def f():\n    from aragora.a import x")
    assert cycle([one, other])
    assert not cycle([one, lazy])


def test_task_in_group_is_allowed() -> None:
    """A group's own create_task is the one way to start a task."""
    text = "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(a())"
    assert [] == [*unstructured(a_module("aragora.feed", text))]
