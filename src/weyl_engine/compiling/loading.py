"""Loads a bundle with cwltool: links, types and the inheritance of requirements, without a file or a connection."""

from collections.abc import Mapping
from functools import partial
from importlib.resources import files as package_files
from typing import Any

from cwl_utils.parser import cwl_v1_0, cwl_v1_1, cwl_v1_2
from cwltool import process
from cwltool.context import LoadingContext
from cwltool.errors import UnsupportedRequirement, WorkflowException
from cwltool.load_tool import load_tool
from cwltool.process import Process
from cwltool.workflow import default_make_tool
from ruamel.yaml.error import YAMLError
from schema_salad.exceptions import SchemaSaladException, ValidationException
from schema_salad.fetcher import Fetcher
from schema_salad.runtime import LoadingOptions

from weyl_engine.compiling.bundle import SCHEME, Bundle, EscapesBundle, joined_url, path_of, url_of
from weyl_engine.compiling.complaints import complaints
from weyl_engine.compiling.problems import Problem, Refused
from weyl_engine.compiling.sources import VERSIONS, Sources

_PARSERS = {"v1.0": cwl_v1_0, "v1.1": cwl_v1_1, "v1.2": cwl_v1_2}
_BREAKS = (KeyError, TypeError, ValueError, AttributeError, AssertionError, IndexError)
_SCHEMES = ["bundle", "file", "http", "https", "mailto"]
_TOOL = b"""
cwlVersion: %s
class: CommandLineTool
inputs: {a: {type: {type: record, fields: {b: File?}}}, c: string, d: {type: {type: enum, symbols: [e]}, default: e}}
outputs: {f: stdout, g: Directory}
baseCommand: echo
"""
_FLOW = b"""
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, StepInputExpressionRequirement: {}}
inputs: {a: Any, c: {type: {type: array, items: string}}}
outputs: {f: {type: "File[]", outputSource: s/f}}
steps: {s: {run: tool.cwl, scatter: c, in: {a: a, c: c}, out: [f]}}
"""


class BundleFetcher(Fetcher):
    """What the loader may read: files of the bundle. Any other address is refused before anything is asked."""

    def __init__(self, bundle: Bundle, cache: Any, session: Any) -> None:
        self._bundle = bundle

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        """Return the text of a file; raises `ValidationException` for what is not one of the bundle."""
        try:
            path = path_of(url)
        except EscapesBundle as error:
            raise ValidationException(f"{error}, and the server fetches nothing") from None
        try:
            return self._bundle.files[path].decode()
        except KeyError:
            raise ValidationException(f"{path} is not in the bundle") from None
        except UnicodeDecodeError:
            raise ValidationException(f"{path} is not UTF-8") from None

    def check_exists(self, url: str) -> bool:
        """Whether the bundle has what an address names; of other addresses nobody here may ask, so it is believed."""
        try:
            return self._bundle.has(path_of(url))
        except EscapesBundle:
            return not url.startswith(f"{SCHEME}:")

    def urljoin(self, base_url: str, url: str) -> str:
        """Return the address of a reference."""
        return joined_url(base_url, url)

    def supported_schemes(self) -> list[str]:
        """Return what the loader takes for an address, and not for a name; of these it can read one."""
        return _SCHEMES


def warm() -> None:
    """Load what every compilation needs: schemas of all versions, and modules that are imported late."""
    for version in VERSIONS:
        load(Sources(Bundle("tool.cwl", None, {"tool.cwl": _TOOL % version.encode()})))
    load(Sources(Bundle("flow.cwl", None, {"flow.cwl": _FLOW, "tool.cwl": _TOOL % b"v1.2"})))


def load(sources: Sources, *, with_extensions: bool = False) -> Process:
    """Return the process of a bundle, as cwltool would run it; raises `Refused`."""
    bundle = sources.bundle
    if with_extensions:
        _allow_extensions()
    context = LoadingContext(
        {
            "fetcher_constructor": partial(BundleFetcher, bundle),
            "resolver": _as_it_is,
            "construct_tool_object": default_make_tool,
            "disable_js_validation": True,
            "doc_cache": False,
            # Ontologies matter when files are checked against formats, which is done where the job runs.
            "skip_schemas": True,
        }
    )
    try:
        return load_tool(url_of(bundle.entry, bundle.fragment), context)
    except UnsupportedRequirement as error:
        raise Refused(complaints(str(error), sources, "unsupported-requirement")) from None
    except (SchemaSaladException, WorkflowException) as error:
        raise Refused(complaints(str(error), sources)) from None
    except YAMLError as error:
        raise Refused([Problem("not-yaml", str(error).split("\n")[0], "", bundle.entry, 1, 1)]) from None
    except RecursionError:
        raise Refused([Problem("invalid", "the document refers to itself", "", bundle.entry, 1, 1)]) from None
    except _BREAKS as error:
        # cwltool takes for granted what it has not checked yet.
        raise Refused(_second_opinion(sources, f"{type(error).__name__}: {error}")) from None


def _second_opinion(sources: Sources, said: str) -> list[Problem]:
    """Return what cwl-utils finds wrong with a document on which cwltool broke: it looks at types first."""
    for path in sources.paths():
        raw = sources.value(path, "")
        version = raw.get("cwlVersion") if isinstance(raw, Mapping) else None
        parser = _PARSERS.get(str(version).removeprefix("cwl:"))
        if parser is None:
            continue
        address, fetcher = url_of(path), BundleFetcher(sources.bundle, {}, None)
        options = LoadingOptions(fetcher=fetcher, fileuri=address)
        try:
            parser.load_document_by_string(sources.bundle.files[path].decode(), address, options)
        except ValidationException as error:
            # Of a union, what is wrong with each of its types is told at one place: the first will do.
            found = complaints(str(error), sources)
            return list({(each.file, each.line, each.column): each for each in reversed(found)}.values())
        except _BREAKS:
            continue
    detail = f"cwltool cannot read this document: {said}"
    return [Problem("invalid", detail[:500], "", sources.bundle.entry, 1, 1)]


def _allow_extensions() -> None:
    for version, name in (("v1.0", "extensions.yml"), ("v1.1", "extensions-v1.1.yml"), ("v1.2", "extensions-v1.2.yml")):
        text = package_files("cwltool").joinpath(name).read_text("utf-8")
        process.use_custom_schema(version, "http://commonwl.org/cwltool", text)


def _as_it_is(loader: Any, address: str) -> str:
    return address
