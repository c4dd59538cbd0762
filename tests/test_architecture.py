"""Imports point one way, nothing happens on import, nobody asks the clock, and one file looks past a cutoff."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("features", "training", "serving")
MAY_IMPORT = {"features": {"features"}, "training": {"features", "training"}, "serving": {"features", "serving"}}
CLIENT = "serving.client"
ONE_FILE = {"mlflow": "training/tracking.py", "bentoml": "serving/service.py"}
FILES = {str(path.relative_to(ROOT)): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in FILES}
every_file = pytest.mark.parametrize("name", FILES)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module, or name in a module, that is imported anywhere in a tree (the project imports by full names)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = f"{CLIENT}." if node.level == 1 else ""  # the client may be copied elsewhere, so it alone imports by relative names
            assert node.level <= 1, "relative import"
            yield from (f"{home}{node.module}.{alias.name}" for alias in node.names)


def test_the_client_alone_imports_by_relative_names_and_stands_alone():
    for name, tree in TREES.items():
        is_client = name.startswith(CLIENT.replace(".", "/"))
        relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        assert is_client or not relative, name
        foreign = {one.partition(".")[0] for one in imports(tree)} - sys.stdlib_module_names if is_client else set()
        assert all(one.startswith(CLIENT) for one in imports(tree) if one.startswith("serving")) or not is_client
        assert foreign <= {"httpx", "serving"}, name


def at_the_top(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, inside `if` and `with` and `try` too."""
    pending = list(tree.body)
    while pending:
        statement = pending.pop()
        if not (isinstance(statement, ast.If) and re.search("TYPE_CHECKING|__main__", ast.unparse(statement.test))):
            yield statement
            pending += [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt) and not _is_later(statement)]


def _is_later(statement: ast.AST) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def test_there_is_something_to_look_at():
    assert len(FILES) > 60 and all(any(name.startswith(package) for name in FILES) for package in PACKAGES)


# --- direction


def foreign(package: str, tree: ast.AST) -> set[str]:
    """The project's packages that a file of `package` imports and may not."""
    return {name.partition(".")[0] for name in imports(tree)} & set(PACKAGES) - MAY_IMPORT[package]


@every_file
def test_imports_point_one_way(name):
    assert foreign(name.partition("/")[0], TREES[name]) == set()


def strangers(name: str, tree: ast.AST) -> set[str]:
    """The packages that a file imports although they have a file of their own."""
    return {top for top in {one.partition(".")[0] for one in imports(tree)} if top in ONE_FILE and ONE_FILE[top] != name}


@every_file
def test_mlflow_and_bentoml_have_one_file_each(name):
    assert strangers(name, TREES[name]) == set()


def test_the_one_files_are_there():
    for package, name in ONE_FILE.items():
        assert name not in FILES or package in {one.partition(".")[0] for one in imports(TREES[name])}
    assert ONE_FILE["mlflow"] in FILES


def module_of(name: str, modules: dict[str, str] | dict[str, set[str]]) -> str | None:
    """The project's module that an imported name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def graph_of(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Which modules a module imports when it is imported."""
    graph: dict[str, set[str]] = {module: set() for module in trees}
    for module, tree in trees.items():
        for statement in at_the_top(tree):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                graph[module] |= {found for one in imports(statement) if (found := module_of(one, graph)) and found != module}
    return graph


def test_there_are_no_import_cycles():
    graph = graph_of({module: TREES[name] for module, name in MODULES.items()})
    assert sum(map(len, graph.values())) > 100
    list(TopologicalSorter(graph).static_order())


def test_a_cycle_would_be_found():
    trees = {"a": ast.parse("from b import x"), "b": ast.parse("try:\n    import a\nfinally:\n    pass")}
    with pytest.raises(CycleError):
        list(TopologicalSorter(graph_of(trees)).static_order())
    assert graph_of({"a": ast.parse("def f():\n    import b"), "b": ast.parse("")}) == {"a": set(), "b": set()}


# --- nothing happens on import

DOES = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "mkdir",
    "connect",
    "execute",
    "urlopen",
    "print",
    "run",
    "Popen",
    "catalogue",
}


def deeds(tree: ast.Module) -> list[str]:
    """What a module does when it is imported, beside importing, defining and naming things."""
    found = []
    for statement in at_the_top(tree):
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not is_text and not isinstance(
            statement,
            ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If,
        ):
            found.append(ast.unparse(statement))
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            calls = [node for node in _now(statement) if isinstance(node, ast.Call)]
            found += [ast.unparse(call) for call in calls if _last(call.func) in DOES]
    return found


def _now(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda):
            yield from _now(child)


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@every_file
def test_a_module_only_imports_defines_and_names(name):
    wires = name.endswith(("commands.py", "service.py"))  # may join commands, or middleware, to one application
    assert [deed for deed in deeds(TREES[name]) if not (wires and re.match(r"\w+\.(command|callback|add_\w+)\(", deed))] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("X = open('a').read()", True),
        ("X: dict = json.loads(Path('a').read_text())", True),
        ("for x in []: pass", True),
        ("main()", True),
        ("if __name__ == '__main__':\n    main()", False),
        ("X = lambda: open('a')", False),
        ("X = tuple(sorted([3, 2]))", False),
    ],
)
def test_a_deed_would_be_found(code, found):
    assert bool(deeds(ast.parse(code))) == found


WATCH = """
import importlib, json, sys
root, names, seen = sys.argv[1], json.loads(sys.argv[2]), []
def watch(event, args):
    if event == "open" and isinstance(args[0], str):
        mode = args[1] or "r"
        ours = args[0].startswith(root) and "/.venv/" not in args[0]
        if (ours and not args[0].endswith((".py", ".pyc"))) or (ours and set(mode) & set("wax+")):
            seen.append(["open", args[0], mode])
    elif event in ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "sqlite3.connect", "os.mkdir"):
        seen.append([event, str(args)])
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
print(json.dumps([seen, sorted(sys.modules)]))
"""
HEAVY = {
    "features": {"mlflow", "bentoml", "shap", "matplotlib", "pyspark", "training", "serving"},
    "training": {"mlflow", "bentoml", "pyspark", "serving"},
    "serving": {"mlflow", "bentoml", "shap", "matplotlib", "pyspark", "training"},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_reads_writes_and_starts_nothing(package, tmp_path):
    names = [module for module, name in MODULES.items() if module.startswith(package) and name != ONE_FILE["bentoml"]]
    command = [sys.executable, "-B", "-W", "ignore", "-c", WATCH, str(ROOT), json.dumps(names)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    seen, loaded = json.loads(answer.stdout)
    assert [event for event in seen if event[0] != "os.mkdir" or str(ROOT) in event[1]] == []
    assert set(names) <= set(loaded)
    assert HEAVY[package] & set(loaded) == set()
    assert list(tmp_path.iterdir()) == []


# --- time is given, never taken

CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"), ("time", "time_ns")}
CLOCKS |= {
    ("Timestamp", "now"),
    ("Timestamp", "today"),
    ("Timestamp", "utcnow"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("time", "strftime"),
}
CLOCK_FILE = "features/shell.py"
COMMAND_LINE = re.compile(r"keepwell\.py|\w+(/\w+)?/\w*commands\.py|features/shell\.py")
SQL_CLOCK = re.compile(r"\b(current_date|current_timestamp|now\(\)|today\(\)|get_current_\w+\()", re.IGNORECASE)


def clocks(tree: ast.AST) -> list[str]:
    """Where a tree asks what time it is, in Python or in SQL."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (_last(node.value), node.attr) in CLOCKS:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"time.{alias.name}" for alias in node.names if ("time", alias.name) in CLOCKS]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SQL_CLOCK.search(node.value)
            and "SELECT" in node.value.upper()
        ):
            found.append(node.value)
    return found


@every_file
def test_nobody_below_the_command_line_asks_the_clock(name):
    assert name == CLOCK_FILE or clocks(TREES[name]) == []
    if not COMMAND_LINE.fullmatch(name):
        assert not any(one.startswith("features.shell") for one in imports(TREES[name]))


@pytest.mark.parametrize(
    "code",
    [
        "datetime.now(UTC)",
        "dt.date.today()",
        "import time\nX = time.time()",
        "from time import time",
        "pd.Timestamp.now()",
        "'SELECT now()'",
    ],
)
def test_a_clock_would_be_found(code):
    assert clocks(ast.parse(code))


# --- the future has its own file

FUTURE = "training/labels.py"
ROOMS = ("tiles", "kernel", "cells", "entities", "gaps", "holdings", "peers", "grid", "program", "engines", "streams", "intake")
BELOW_SNAPSHOT = {f"features.{room}": "" for room in ROOMS}
EVENTS = {"tiles", "held", "connection", "snapshot_of"}
LABELLED = {"training/dataset.py", "training/commands.py", "training/activation.py"}
"""Who is handed labels: the training set, and `keepwell check`, which prints how many left."""
BEYOND = {"orders_within", "gmv_ahead", "ordered_before", "gmv_before", "After"}


def looks_past(tree: ast.AST) -> set[str]:
    """Ways in which a file outside `features` gets at events without a cutoff, or at what came after one."""
    found = {one for one in imports(tree) if module_of(one, BELOW_SNAPSHOT)}
    found |= {one for one in imports(tree) if one in ("training.labels.labels", "training.labels.After", "training.labels")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in EVENTS | BEYOND:
            found.add(node.attr)
    return found


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("features/")])
def test_only_the_labels_look_past_a_cutoff(name):
    past = looks_past(TREES[name])
    if name == FUTURE:
        assert {"features.tiles.Tiles", "tiles", "orders_within", "gmv_ahead"} <= past
    else:
        own = {"connection"} if name.startswith("serving/ledger/") else set()  # to its own database, which has no events
        assert past <= own | ({"training.labels.labels"} if name in LABELLED else set())


@pytest.mark.parametrize(
    "code",
    [
        "market.tiles('orders', ())",
        "market.source.connection.execute('SELECT 1')",
        "market.held.kernel(0, 1, [9], plan)",
        "from features.tiles import Tiles",
        "from features import kernel",
        "from training.labels import labels",
        "from training import labels",
        "after.gmv_ahead()",
    ],
)
def test_a_look_past_the_cutoff_would_be_found(code):
    assert looks_past(ast.parse(code))


def test_snapshots_know_no_instant_after_their_cutoff():
    """In `features`, only a source knows where its data ends; nothing that computes a snapshot asks."""
    computing = {f"features/{room}.py" for room in ("snapshot", "verbs", "declare", *ROOMS[:10])} & FILES.keys()
    assert len(computing) >= 8
    for name in sorted(computing):
        named = {node.attr for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
        assert not named & {"last_day", "end_day"}, name
