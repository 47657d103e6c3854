"""Everything that reads what others wrote: how it is called, how it may refuse, and good texts to begin from."""

import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tests.infra.app import config_document
from tests.infra.samples import CWL, SEARCH, SEARCHES, samples
from weyl.auth.errors import InvalidScope, InvalidToken
from weyl.auth.keys import KeySet, generate_keys
from weyl.auth.scopes import parse_scope
from weyl.auth.tokens import PilotIdentity, pilot_claims, user_from_claims
from weyl.client import filters, times
from weyl.client.errors import UsageFault
from weyl.config.errors import InvalidConfig
from weyl.config.source import parse_config
from weyl.cwl.inputs import InputRules, NotJSON
from weyl.cwl.labels import workflow_label
from weyl.cwl.objects import Given
from weyl.cwl.sent_body import NotAvailable, read_body
from weyl.descriptions import jdl
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadSubmission, JDLSyntaxError
from weyl.descriptions.requirements import Limits
from weyl.descriptions.texts import prepare
from weyl.jobs.tables import jobs
from weyl.kit import search_sql
from weyl.kit.errors import BadRequest
from weyl.kit.http import is_unchanged
from weyl.kit.ids import uuid7
from weyl.kit.middleware import client_version
from weyl.kit.search import SearchParams, parse_period
from weyl.matcher.models import MatchRequest
from weyl.matcher.offers import Place, PlaceFacts, pilot_offer, registered_form
from weyl.task_queues import platforms, tags
from weyl.task_queues.errors import InvalidRequirements, TagSyntaxError
from weyl.task_queues.requirements import make_class
from weyl.tasks.errors import InvalidRule
from weyl.tasks.schedule import next_run

NOW = datetime(2026, 11, 25, 12, 0, 1, 5, tzinfo=UTC)
CONFIG = parse_config(json.dumps(config_document()))
KEYS = KeySet(generate_keys(), issuer="http://weyl.test/")
OWNER = Owner("voa", "user", "alice")
COLUMNS = {column.name: column for column in jobs.columns}
TOKEN = KEYS.sign(pilot_claims(PilotIdentity("a" * 32, "voa"), token_id=uuid7(), now=0, lifetime_s=2**40))


@dataclass(frozen=True)
class Reader:
    """One door for text: what it does with it, what it may raise, texts that it reads, and words it knows."""

    read: Callable[[str], Any]
    refuses: tuple[type[Exception], ...]
    good: tuple[str, ...]
    words: tuple[str, ...] = ()


def _submission(text: str) -> object:
    return prepare([text], OWNER, Limits(), jobs_max=1_000)


def _search(text: str) -> object:
    params = SearchParams.model_validate_json(text)
    clauses = [*search_sql.where(params.search, COLUMNS), *search_sql.order_by(params.sort, COLUMNS, last="job_id")]
    return [str(clause) for clause in clauses]


def _offer(text: str) -> object:
    offer = MatchRequest.model_validate_json(text).offer
    return pilot_offer(offer, Place("voa", "LCG.Alpha.org"), PlaceFacts(), now=NOW), registered_form(offer)


def _requirements(text: str) -> object:
    document = TypeAdapter(dict[str, Any]).validate_json(text)
    return make_class(document, vo="voa", group="user", owner="alice", job_type="User").canonical


def _claims(text: str) -> object:
    return user_from_claims(TypeAdapter(dict[str, Any]).validate_json(text))


def _cwl_submission(text: str) -> object:
    sent = read_body(text.encode(errors="surrogatepass"))
    objects = Given(sent.text, sent.inputs or array("Q"), sent.base)
    return INPUT_RULES.check(objects).problems


def _scope(text: str) -> object:
    return parse_scope(text, registry=CONFIG.registry, properties=["NormalUser", "JobAdministrator"]).text


def _config(text: str) -> object:
    return parse_config(text).model_dump_json(by_alias=True)


def _filter(text: str) -> object:
    return filters.specs(filters.parse(text), NOW)


def _version(text: str) -> object:
    return client_version(text.encode("latin-1", "replace").decode("latin-1"))


def _validators(text: str) -> object:
    return is_unchanged({"if-none-match": text, "if-modified-since": text}, etag="abc", modified=NOW)


INPUT_RULES = InputRules.of(
    {"type": "object", "properties": {"x": {}, "y": {}}, "additionalProperties": False},
    [{"name": "x", "type": ["null", "int"]}, {"name": "y", "type": ["null", "Any"]}],
)

_JDL = (
    'Executable = "/bin/sh"; Arguments = {"-c", "echo %s"}; Parameters = {"a", "b"}; Tags = {"os:el9", "4Processors"};',
    '[ Executable = "x"; CPUTime = 3600; Site = {"LCG.CERN.ch"}; Requirements = (a > 3 && b == "x"); /* c */ ]',
    'Executable = "x"; Parameters = 3; ParameterStart = 1.5; ParameterStep = 1; ParameterFactor = 2; JobName = "%n%j";',
    'Executable = "x"; Parameters.A = {1, 2}; Parameters.B = 2; ParameterStart.B = 7; Arguments = "%(A)s %(B)s";',
    'Executable = "x"; Platform = "x86_64_v3-el9"; MinRAM = 2000; MaxRAM = 4000; WholeNode = true; GridCE = "c";\n# x',
    'Executable="x"; InputSandbox={"SB:x"}; Nested=[a=[b={[c=1;]};];]; ExecutionEnvironment="A=1;B=%41"; Priority=-1;',
)
_JDL_WORDS = (
    *('"', "{", "}", "[", "]", "(", ")", ";", "=", "==", ",", "/*", "*/", "//", "#", "\\", '\\"', "\\000", "%s", "%n"),
    *("%j", "%(A)s", "%(", "Parameters = ", "Parameters.A = ", "ParameterStep = ", "ParameterFactor = ", "undefined"),
    *("Tags = ", "Platform = ", "Site = ", "CPUTime = ", "MinRAM = ", "1e308", "1e-400", "9" * 20, "-", ".", "true"),
)
_CONFIG = f"""\
DIRAC: {{NoSetup: false}}
Registry:
  voa: &vo
    IdP: {{URL: "https://idp.example.org", ClientID: weyl}}
    DefaultGroup: user
    Users: {{"1f2": {{PreferedUsername: alice}}}}
    Groups: {{user: {{Properties: [NormalUser], Users: ["1f2"], JobShare: 1000}}}}
  vob: {{<<: *vo, DefaultGroup: user}}
Operations:
  Defaults: {{JobDescription: {{MaxCPUTime: 500000}}}}
Resources: {json.dumps(config_document()["Resources"])}
Systems: {{a: [1, 2.5, true, null, 2026-01-01], b: "x"}}
"""
_YAML_WORDS = (
    *("&a ", "*a", "<<: ", "!!", "!!python/name:os.system", "!!binary ", "!!set ", "!!int ", "!!bool ", "? ", ": "),
    *("- ", "---\n", "...\n", "|\n", ">\n", "%YAML 1.1\n", "{", "}", "[", "]", '"', "'", "#", "\t", "  ", "\n", ".inf"),
    *("0x1F", "1:30", "0o17", "~", "yes", "2026-99-99", "@", "`", "=", "!!float ", "!!timestamp ", "*b", "&a *a"),
)
_OFFER = json.dumps(
    samples(1)["POST /api/matcher/match"]
    | {
        "offer": {
            **samples(1)["POST /api/matcher/match"]["offer"],
            "cpu_power_db12": 10.5,
            "host": "x",
            "vo": "voa",
            "gpu": {"count": 1, "vendor": "nvidia", "arch": "sm_80", "vram_mb_per_gpu": 1, "runtime_version": "12.4"},
            "accept": {"job_types": ["User"], "required_tags": ["a"]},
            "tags": ["os:el9", "platform:x", "cvmfs:lhcb.cern.ch"],
        }
    }
)
_REQUIREMENTS = json.dumps(
    {
        "system": {"name": "Linux"},
        "cpu_work_db12": 1000,
        "wall_time": 3600,
        "tags": "(a | b) & ~c",
        "cpu": {
            "num_cores": {"min": 1, "max": 8},
            "ram_mb": {"request": {"overhead": 1, "per_core": 2}},
            "architecture": {"name": "x86_64", "required_features": ["avx2"]},
        },
        "gpu": {"vendor": "nvidia", "arch": "sm_50", "count": {"min": 1, "max": 2}},
        "io": {"scratch_mb": 5},
    }
)
_JSON_WORDS = (
    '"',
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "1e999",
    "NaN",
    "-1",
    "9" * 30,
    "0.1",
    '"a": ',
    "\\u0000",
)
_JSON_WORDS += ("\\ud800", '"regex"', '"like"', '"job_id"', '"in"', '"values": ["x"]', '"2026-11"', "~", "&", "|", "(")

READERS: dict[str, Reader] = {
    "jdl": Reader(jdl.parse, (JDLSyntaxError,), _JDL, _JDL_WORDS),
    "jdl value": Reader(jdl.parse_value, (JDLSyntaxError,), ('{"a", 1}', "a + b", "[x = 1;]"), _JDL_WORDS),
    "submission": Reader(_submission, (BadSubmission,), _JDL, _JDL_WORDS),
    "tags": Reader(
        tags.parse_authored,
        (TagSyntaxError,),
        ("a", "a & ~b | (c & d)", "os:el9 & ~(cvmfs:lhcb.cern.ch | network:outbound)", "~"),
        ("(", ")", "~", "&", "|", "os:", "a:b", "gpu:opportunistic-cpu-ok", "~~", "((", "a|", "b&"),
    ),
    "platform": Reader(
        lambda text: platforms.need_of_platforms([text, "x86_64-any"]), (), ("x86_64_v3-el9.avx2+bmi", "any")
    ),
    "scope": Reader(
        _scope,
        (InvalidScope,),
        ("vo:voa", "vo:voa group:admin property:NormalUser"),
        ("vo:", "group:", "property:", " "),
    ),
    "search": Reader(
        _search,
        (ValidationError, BadRequest),
        (
            json.dumps(SEARCH | {"search": [{"parameter": "job_id", "operator": "in", "values": ["1"]}], "sort": []}),
            json.dumps({"search": [{"parameter": "submission_time", "operator": "gt", "value": "2026-11-25 10:00"}]}),
            *(json.dumps(each) for each in SEARCHES[::40]),
        ),
        _JSON_WORDS,
    ),
    "period": Reader(
        parse_period, (ValueError,), ("2026", "2026-11-25T10:11:12.5+01:00"), ("-", ":", "Z", "T", "0000")
    ),
    "span": Reader(times.parse_span, (UsageFault,), ("90m", "-2d"), ("9" * 30, "w", "-")),
    "moment": Reader(lambda text: times.before(NOW, text), (UsageFault,), ("-2d", "-90000w"), ("9" * 9, "w")),
    "filter": Reader(
        _filter,
        (UsageFault,),
        ('Status not in (Done, "Fai led") and Site = LCG.* and LastUpdateTime > -2d', "JobID = 5"),
        ("and", "not", "in", "like", "(", ")", '"', "'", "\\", "*", "%", "!=", "~", "-9999999d"),
    ),
    "condition": Reader(
        filters.parse_peer_condition, (UsageFault,), ('Status in ["Done"]', "JobID eq 5"), ("not", " ", "[", "{", "eq")
    ),
    "config": Reader(_config, (InvalidConfig,), (_CONFIG, "DIRAC: {}\nRegistry: {}\n"), _YAML_WORDS),
    "offer": Reader(_offer, (ValidationError,), (_OFFER,), _JSON_WORDS),
    "requirements": Reader(_requirements, (ValidationError, InvalidRequirements), (_REQUIREMENTS,), _JSON_WORDS),
    "token": Reader(
        lambda text: user_from_claims(KEYS.decode(text)),
        (InvalidToken,),
        (TOKEN,),
        (".", "..", "=", "-", "_", "eyJ", "e30"),
    ),
    "claims": Reader(_claims, (ValidationError, InvalidToken), (json.dumps(dict(KEYS.decode(TOKEN))),), _JSON_WORDS),
    "cwl submission": Reader(
        _cwl_submission,
        (ValidationError, JSONDecodeError, NotJSON, NotAvailable),
        (
            json.dumps(samples(1)["POST /api/jobs/"]),
            json.dumps({"workflow": "x", "scatter": {"x": [1, 2.5], "y": ["a", {"class": "File", "path": "lfn:/a"}]}}),
            json.dumps({"workflow": "x", "range_param": "x", "range_end": 9, "base_inputs": {"y": [[1], {"z": 1}]}}),
        ),
        (*_JSON_WORDS, '"inputs": [', '"cwl:requirements"', '"class": "File"', '"location": "SB:x|/S3/', '"scatter"'),
    ),
    "cwl label": Reader(workflow_label, (), (CWL, "a: &a [1, 2]\nb: [*a, *a]", "{a: 1:30, b: no}"), _YAML_WORDS),
    "rule": Reader(
        lambda text: next_run(text, NOW),
        (InvalidRule,),
        ("every 60 s", "cron 5 4 * * mon-fri", "rrule FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=3", "rrule FREQ=DAILY;INTERVAL=2"),
        (
            "*",
            "/",
            "-",
            ",",
            "L",
            "#",
            "FREQ=",
            "MINUTELY",
            "SECONDLY",
            ";",
            "BYMONTHDAY=31",
            "BYMONTH=2",
            "COUNT=9999999",
        ),
    ),
    "version": Reader(_version, (), ("0.7.0", "1.2.3rc4+x", "v1"), (".dev", ".post", "+", "9" * 9)),
    "validators": Reader(
        _validators, (), ('W/"abc", "d"', "Wed, 25 Nov 2026 10:00:00 GMT"), (",", "W/", '"', "+9999", "-0000", "99:99")
    ),
}
"""By name; see `Reader`."""
