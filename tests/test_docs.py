"""The documentation is true where a program can tell: nothing missing, nothing stale, no command that is not there."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools import reference
from tools.meanings import LATER, MEANINGS
from typer.core import TyperGroup

from weyl.activation import activate
from weyl.app import create_app
from weyl.builtin import BUILTIN
from weyl.cli.options import PARAMETERS
from weyl.cli.tree import root_command
from weyl.client.errors import UsageFault
from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.config.section import merge_below
from weyl.config.source import parse_config
from weyl.descriptions import jdl, parametric
from weyl.descriptions.attributes import KNOWN
from weyl.extension import Extension
from weyl.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GENERATED = set(reference.pages())
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
WRITTEN = [page for page in PAGES if page not in GENERATED]
SHELL = ("console", "sh", "")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """Yield the code blocks of a page in one of these languages."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        if match[1] in languages:
            yield match[2]


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words after `weyl` of every command that a page tells the reader to type."""
    lines = [line.removeprefix("$ ") for block in blocks(page, *SHELL) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", prose(page))
    for line in lines:
        if "weyl " in line:
            yield from _commands_of(line)


def _commands_of(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    before, words = "", list(lexer)
    for at, word in enumerate(words):
        if word.rpartition("/")[2] == "weyl" and (at == 0 or set(before) <= set("();|&") or before == "$"):
            yield list(takewhile(lambda each: not set(each) <= set("();|&<>…"), words[at + 1 :]))
        before = word


@cache
def root() -> Any:
    return root_command()


def problem(words: list[str]) -> str | None:
    """Return what is wrong with a command, by the program's own tree."""
    command = root()
    options = _options(PARAMETERS)
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            break
        if word.startswith("-") and word != "-":
            option, equals, _ = word.partition("=")
            if option not in options:
                return f"no option {option}"
            if options[option] and not equals:
                next(waiting, None)
        elif isinstance(command, TyperGroup):
            found = _below(command, word)
            if found is None:
                return f"no command {word}"
            command = found
            options |= _options(command.params)
    return None


def _options(parameters: Any) -> dict[str, bool]:
    """Return every option with whether a value follows it."""
    found = {"-h": False, "--help": False}
    for parameter in parameters:
        takes_value = parameter.param_type_name == "option" and not parameter.is_flag
        found |= dict.fromkeys([*parameter.opts, *parameter.secondary_opts], takes_value)
    return found


def _below(group: Any, word: str) -> Any:
    try:
        found = group.get_command(None, word)
    except UsageFault:
        return None
    # `submit FILE` is `submit jdl FILE`, or `submit cwl FILE`.
    return found or group.get_command(None, "cwl" if ".cwl" in word else "jdl")


def models() -> dict[str, Any]:
    return {model.__name__: model for _, model in reference.sections(Config, "")}


@pytest.mark.parametrize("page", sorted(GENERATED), ids=name)
def test_a_generated_page_is_what_the_code_makes_of_it(page: Path) -> None:
    assert page.exists(), "run: make docs"
    assert page.read_text() == reference.pages()[page], "run: make docs"


def test_every_setting_has_a_sentence() -> None:
    assert [
        field for field, info in Settings.model_fields.items() if not (info.description or "").endswith((".", "?"))
    ] == []
    page = (DOCS / "admin" / "settings.md").read_text()
    assert [field for field in Settings.model_fields if f"`WEYL_{field.upper()}`" not in page] == []


@pytest.mark.parametrize("section", sorted(MEANINGS))
def test_every_key_of_the_configuration_has_a_meaning(section: str) -> None:
    model = models()[section]
    keys = {info.alias or field for field, info in model.model_fields.items()}
    if model is Operations:
        keys = {key for key in keys if not isinstance(model.model_fields[_field(model, key)].default, type(None))}
    assert set(MEANINGS[section]) == keys


def test_what_is_said_to_be_unused_is_used_nowhere() -> None:
    unused = {
        _field(models()[section], key) for section, told in MEANINGS.items() for key in told if told[key] == LATER
    }
    used = re.compile(rf"\.({'|'.join(sorted(unused))})\b")
    rooms = [path for path in (ROOT / "src").rglob("*.py") if path.parent.name != "config"]
    assert {found for path in rooms for found in used.findall(path.read_text())} == set()


def test_a_choice_is_written_by_its_words() -> None:
    page = (DOCS / "admin" / "configuration-reference.md").read_text()
    assert "| `Mode` | one of `pull`, `push` |" in page
    assert "typing." not in page


def _field(model: Any, key: str) -> str:
    return next(field for field, info in model.model_fields.items() if info.alias == key)


def test_every_section_of_the_configuration_is_in_the_reference() -> None:
    assert set(models()) - set(MEANINGS) == set()


def test_every_field_of_an_extension_is_explained() -> None:
    page = (DOCS / "developer" / "extensions.md").read_text()
    assert [field.name for field in fields(Extension) if f"| `{field.name}` |" not in page] == []


def test_every_page_can_be_found() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    decisions = re.findall(r"\(([\w-]+\.md)\)", (DOCS / "decisions" / "index.md").read_text())
    listed |= {f"decisions/{page}" for page in decisions}
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.system
def test_the_site_can_be_built(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "user" / "quick-start" / "index.html").exists()


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_commands_that_a_page_tells_exist(page: Path) -> None:
    wrong = {" ".join(words): reason for words in commands(page) if (reason := problem(words))}
    assert wrong == {}


def test_the_quick_start_tells_commands_at_all() -> None:
    told = [words[0] for words in commands(DOCS / "user" / "quick-start.md") if words]
    assert {"up", "login", "whoami", "doctor", "jobs"} <= set(told)


def test_a_command_or_option_that_does_not_exist_is_noticed() -> None:
    assert problem(["jobs", "fly"]) == "no command fly"
    assert problem(["jobs", "search", "--fly"]) == "no option --fly"
    assert problem(["jobs", "submit", "fly.jdl", "--wait", "-o", "json"]) is None


@pytest.mark.parametrize("page", [page for page in WRITTEN if list(blocks(page, "jdl"))], ids=name)
def test_descriptions_of_jobs_can_be_read(page: Path) -> None:
    for block in blocks(page, "jdl"):
        document = jdl.parse(block)
        assert document["Executable"]
        if "Parameters" in block:
            assert parametric.expand(document, jobs_max=100_000) is not None


def test_the_attributes_of_jobs_are_all_explained() -> None:
    page = (DOCS / "user" / "jobs.md").read_text()
    assert [attribute for attribute in KNOWN if f"`{attribute}`" not in page] == []


def test_the_example_configuration_is_valid() -> None:
    examples = list(blocks(DOCS / "admin" / "configuration.md", "yaml"))
    whole, *additions = examples
    assert "hep" in parse_config(whole).registry
    for addition in additions:
        parse_config(yaml.safe_dump(merge_below(yaml.safe_load(addition), yaml.safe_load(whole))))


@pytest.mark.parametrize("page", [page for page in WRITTEN if list(blocks(page, "python"))], ids=name)
def test_programs_name_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("weyl"):
                module = import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name) or import_module(f"{node.module}.{alias.name}")


def test_the_example_of_the_environment_has_only_settings_that_exist() -> None:
    lines = (ROOT / "deploy" / "systemd" / "weyl.env.example").read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert [each for each in names if each.removeprefix("WEYL_").lower() not in Settings.model_fields] == []


def test_the_example_of_an_extension_adds_its_route() -> None:
    program, *_ = blocks(DOCS / "developer" / "extensions.md", "python")
    names: dict[str, Any] = {"__name__": "example_vo.extension"}
    exec(compile(program, "extensions.md", "exec", flags=0, dont_inherit=True), names)
    paths = create_app(Settings(), activate([BUILTIN, names["EXTENSION"]])).openapi()["paths"]
    assert paths["/api/example/hello"]["get"]["operationId"] == "example_hello"
