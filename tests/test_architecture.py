"""What a program can keep of the house rules: sizes, names, whose tables, and that nothing is undocumented."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
WEYL = SOURCE / "weyl"
ROOMS = sorted(path.parent.name for path in WEYL.glob("*/tables.py") if path.parent.name not in ("tasks", "migrations"))

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
ARGUMENTS_MAX = 6
FORBIDDEN_FILES = {"utils.py", "helpers.py", "common.py", "base.py", "misc.py"}
# Files whose functions are an interface: their arguments are the parameters of a route, the options of a command, or
# what scientists write in a program.
INTERFACES = {"routes", "cli", "internal_cli", "cli.py", "routes.py", "internal_cli.py", "server.py", "internal.py"}
INTERFACES |= {"science"}
LATE_IMPORTS = {
    "weyl/accounting/cli.py": "the library that writes Parquet is optional, and takes long to import",
    "weyl/cli/": "commands are imported when they run, so that help and completion are quick",
    "weyl/client/": "the HTTP library is imported by the first request",
}
# Every other module of a room is a noun: data in, data out. Those that do reach out say why.
ROLES = {"room", "models", "errors", "tables", "permits", "queries", "policy", "service", "routes", "tasks", "calls"}
ROLES |= {"cli", "internal_cli", "views", "tools", "drivers", "compute_elements"}
OUTSIDE = ("fastapi", "starlette", "sqlalchemy", "asyncpg", "aiohttp", "weyl.client")
NOUNS_THAT_REACH_OUT = {
    "weyl/config/administration.py": "changes of the document are pure, two functions commit them to the repository",
    "weyl/sandboxes/contents.py": "archives are compared and packed while they stream from the store",
    "weyl/sandboxes/transfer.py": "the client's side of sandboxes, used by commands only",
    **dict.fromkeys(
        [f"weyl/storage/transfer/{name}.py" for name in ("fetching", "registering", "sending", "writing")],
        "the client's side of storage, used by commands and by Python programs",
    ),
}

# Rows that leave `queries` have types of their own. These cannot have one: the caller chooses their columns
# (`WireRow`), or they are JSON that somebody sent (`Document`).
OPEN_ROWS = {
    "weyl/accounting/queries.py:select_series": "the sums that a plot is made of",
    "weyl/accounting/queries.py:select_sums": "the keys and sums that a report asks for",
    "weyl/accounting/queries.py:select_records": "all columns of a kind of records",
    "weyl/file_catalog/queries/metadata.py:select_shown": "values under the names that a VO has declared",
    "weyl/file_catalog/queries/sums.py:select_sums": "the parameters that a summary counts by",
    "weyl/jobs/queries/checks.py:select_documents": "descriptions of jobs",
    "weyl/jobs/queries/checks.py:select_parameters": "values of parametric jobs",
    "weyl/jobs/queries/heartbeat.py:select_parameters": "parameters of a job under free names",
    "weyl/jobs/queries/search.py:select_counts": "the columns that a summary counts by",
    "weyl/jobs/queries/search.py:select_counts_from_counters": "the columns that a summary counts by",
    "weyl/jobs/queries/search.py:select_page": "the columns that a search shows",
    "weyl/matcher/queries/claims.py:select_request": "what was kept of jobs for a repeated question",
    "weyl/pilots/queries/registry.py:select_pilots": "the columns that a search shows",
    "weyl/pilots/queries/registry.py:summarise_pilots": "the columns that a summary counts by",
    "weyl/task_queues/queries/classes.py:select_classes": "what the jobs of a class require",
    "weyl/tasks/queries/outcomes.py:search_dead_letters": "the columns that a search shows",
}
UNTYPED = {"Any", "object", "Record", "Row", "RowMapping", "CursorResult"}


def sources() -> list[Path]:
    """Return every module that the rules hold for."""
    return sorted(
        path for path in SOURCE.rglob("*.py") if "generated" not in path.parts and "versions" not in path.parts
    )


def name(path: Path) -> str:
    """Return a module's path for messages."""
    return str(path.relative_to(SOURCE))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every module, parsed."""
    return {path: ast.parse(path.read_text()) for path in sources()}


def test_no_file_is_longer_than_400_lines() -> None:
    tests = list((ROOT / "tests").rglob("*.py"))
    long = {str(path): len(path.read_text().splitlines()) for path in [*sources(), *tests]}
    assert {path: lines for path, lines in long.items() if lines > LINES_MAX} == {}


def test_no_function_is_longer_than_60_lines(trees: dict[Path, ast.Module]) -> None:
    long = {
        f"{name(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path, tree in trees.items()
        for function in functions(tree)
    }
    assert {function: lines for function, lines in long.items() if lines > FUNCTION_LINES_MAX} == {}


def test_functions_take_six_arguments_at_most(trees: dict[Path, ast.Module]) -> None:
    problems = []
    for path, tree in trees.items():
        if path.name in INTERFACES or INTERFACES & set(path.relative_to(WEYL.parent).parts):
            continue
        for function in functions(tree):
            every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            if len([argument for argument in every if argument.arg not in ("self", "cls")]) > ARGUMENTS_MAX:
                problems.append(f"{name(path)}:{function.name} takes more than {ARGUMENTS_MAX}")
    assert problems == []


def test_every_module_says_in_its_first_line_what_it_is_for(trees: dict[Path, ast.Module]) -> None:
    silent = [name(path) for path, tree in trees.items() if path.name != "__init__.py" and not ast.get_docstring(tree)]
    assert silent == []


def test_lists_that_end_at_their_first_fault_say_so_by_field(trees: dict[Path, ast.Module]) -> None:
    """Python 3.11 hashes the members of a union of types, and pydantic's `FailFast` cannot be hashed."""
    found = [
        name(path)
        for path, tree in trees.items()
        if path.name != "routes.py"
        and any(isinstance(node, ast.Name) and node.id == "FailFast" for node in ast.walk(tree))
    ]
    assert found == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name(path) for path in sources() if path.name in FORBIDDEN_FILES] == []


def test_packages_have_empty_init_files() -> None:
    full = [name(path) for path in sources() if path.name == "__init__.py" and path.read_text().strip()]
    assert full == ["weyl/__init__.py", "weyl/client/__init__.py"]


def test_imports_stand_at_the_top_of_their_module(trees: dict[Path, ast.Module]) -> None:
    late = []
    for path, tree in trees.items():
        if any(name(path).startswith(place) for place in LATE_IMPORTS) or name(path).startswith("weyl_pilot/"):
            continue
        late += [
            f"{name(path)}:{node.lineno}"
            for function in functions(tree)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
    assert late == []


def test_what_is_loaded_late_imports_nothing_of_its_loader(trees: dict[Path, ast.Module]) -> None:
    """A module that another one loads by its name hides a circle from the import contracts."""
    imported, late = {}, []
    for path, tree in trees.items():
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        imported[module] = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
        imported[module] |= {str(node.module) for node in froms}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        for call in calls:
            if ast.unparse(call.func) == "import_module" and isinstance(call.args[0], ast.Constant):
                late.append((module, str(call.args[0].value)))
    for loader, loaded in late:
        seen, ahead = set(), {loaded}
        while ahead:
            seen |= ahead
            ahead = {name for module in ahead for name in imported.get(module, ())} - seen
        assert loader not in seen, f"{loader} loads {loaded}, which imports it"
    assert ("weyl.migrations.loader", "weyl.migrations.migrate") in late


def test_rooms_query_their_own_tables_only(trees: dict[Path, ast.Module]) -> None:
    foreign = []
    for path, tree in trees.items():
        parts = path.relative_to(WEYL).with_suffix("").parts if WEYL in path.parents else ()
        if not parts or parts[0] == "migrations":
            continue
        for node in ast.walk(tree):
            module = getattr(node, "module", None)
            if not isinstance(node, ast.ImportFrom) or module is None:
                continue
            match = re.fullmatch(r"weyl\.(\w+)\.(tables|queries)(\.\w+)?", module)
            if match is None or match[1] in (parts[0], "kit"):
                continue
            # A statement that spans rooms names the lower one's tables: tests/test_sql.py has the reason of each pair.
            if parts[1:2] != ("queries",) if match[2] == "tables" else parts[0] not in _rooms_above(match[1]):
                foreign.append(f"{name(path)} imports {module}")
    assert foreign == []


def test_a_policy_returns_a_permit_and_nobody_drops_it() -> None:
    """A permit that is dropped is a check that the type checker would not miss."""
    extensions = [path for path in (ROOT / "extensions").rglob("*.py") if "tests" not in path.parts]
    problems = []
    for path in [*sources(), *extensions]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            call = node.value if isinstance(node, ast.Expr) else None
            call = call.value if isinstance(call, ast.Await) else call
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2].startswith("may_"):
                problems.append(f"{path.relative_to(ROOT)}:{call.lineno} drops a permit")
        if "policy" not in path.relative_to(ROOT).with_suffix("").parts:
            continue
        problems += [
            f"{path.relative_to(ROOT)}:{function.name} returns no permit"
            for function in functions(tree)
            if function.name.startswith("may_")
            and (function.returns is None or ast.unparse(function.returns) in ("None", "bool"))
        ]
    assert problems == []


# What a name means where it comes from another room; the client's side and the server's never meet in one file.
AMBIGUOUS = {
    "Document": "what is served as it lies ready, and the configuration as the demo changes it",
    "Expression": "of the JDL, and of tags",
    "Verifier": "what verifies tokens, and what it looks like from below",
}


def test_a_class_name_from_another_room_means_one_thing(trees: dict[Path, ast.Module]) -> None:
    classes = {node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        parts = path.relative_to(WEYL).with_suffix("").parts if WEYL in path.parents else ()
        callers = {"cli", "client", "commands", "science"}
        if not parts or parts[0] in callers or {"cli", "calls", "transfer"} & set(parts):
            continue
        for node in ast.walk(tree):
            match = re.match(r"weyl\.(\w+)\.", f"{getattr(node, 'module', '')}.")
            if isinstance(node, ast.ImportFrom) and match is not None and match[1] != parts[0]:
                for alias in node.names:
                    found.setdefault(alias.name, set()).add(match[1])
    assert {name for name, rooms in found.items() if name in classes and len(rooms) > 1} == AMBIGUOUS.keys()


def test_rows_that_leave_queries_are_typed(trees: dict[Path, ast.Module]) -> None:
    untyped, open_rows = [], set()
    for path, tree in trees.items():
        if path.relative_to(SOURCE).with_suffix("").parts[2:3] != ("queries",):
            continue
        for function in tree.body:
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.name.startswith("_"):
                continue
            assert function.returns is not None, f"{name(path)}:{function.name} says nothing of what it returns"
            said = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(function.returns)}
            if said & UNTYPED:
                untyped.append(f"{name(path)}:{function.name}")
            if said & {"WireRow", "Document"}:
                open_rows.add(f"{name(path)}:{function.name}")
    assert untyped == []
    assert open_rows == OPEN_ROWS.keys()


def test_texts_of_sql_are_blocks_with_named_parameters(trees: dict[Path, ast.Module]) -> None:
    keyword = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|FROM|WHERE|SET)\b")
    problems = []
    for path, tree in trees.items():
        if path.relative_to(SOURCE).with_suffix("").parts[2:3] != ("queries",):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            parts = [node] if isinstance(node, ast.Constant) else node.values
            text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if not keyword.search(text):
                continue
            if re.search(r"\$\d", text):
                problems.append(f"{name(path)}:{node.lineno} has numbers for parameters")
            if node.end_lineno != node.lineno and "\n" not in text:
                problems.append(f"{name(path)}:{node.lineno} is put together from strings")
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if getattr(called, "id", getattr(called, "attr", "")) == "text" and keyword.search(ast.unparse(node)):
                problems.append(f"{name(path)}:{node.lineno} is a text, and no Sql")
    assert problems == []


def test_nouns_are_pure(trees: dict[Path, ast.Module]) -> None:
    rooms = [*ROOMS, "config", "descriptions", "resource_status"]
    reaching = set()
    for path, tree in trees.items():
        parts = path.relative_to(WEYL).with_suffix("").parts if WEYL in path.parents else ()
        if len(parts) < 2 or parts[0] not in rooms or parts[1] in ROLES:
            continue
        modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        if any(f"{module}.".startswith(f"{outside}.") for module in modules for outside in OUTSIDE):
            reaching.add(name(path))
        if any(isinstance(function, ast.AsyncFunctionDef) for function in functions(tree)):
            reaching.add(name(path))
    assert reaching == NOUNS_THAT_REACH_OUT.keys()


def test_the_page_of_the_house_names_every_room() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract.get("exhaustive")]
    page = (ROOT / "docs" / "developer" / "house.md").read_text()
    rooms = {word.strip() for layer in layers for word in layer.split("|")} - {"__main__"}
    assert {room for room in rooms if f"`{room}`" not in page} == set()


def _rooms_above(room: str) -> set[str]:
    """Return the rooms that may call a lower room's queries directly: none, a read goes through its service or query
    functions that take a permit; listed here when one has a reason."""
    above = {
        # What a job reads and leaves is shown to whoever may read the job, whatever the modes of directories say.
        "file_catalog": {"jobs"},
        "storage": {"jobs"},
        "jobs": {"pilots", "matcher", "preparation"},
        "matcher": {"pilots"},
        "task_queues": {"pilots", "matcher", "jobs"},
    }
    return above.get(room, set())


def test_nothing_is_left_for_later(trees: dict[Path, ast.Module]) -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{name(path)}:{number}"
        for path in trees
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_no_error_is_swallowed(trees: dict[Path, ast.Module]) -> None:
    silent = [
        f"{name(path)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert silent == []
