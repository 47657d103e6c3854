"""A request for every operation, with all that may stand in it, for those who then change one thing."""

from typing import Any

STAMP = "a" * 32
UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
JDL = 'Executable = "/bin/true"; Arguments = {"a", "b"}; CPUTime = 100; Parameters = 2;'
PFN = f"/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.bz2"
UPDATE = {
    "Status": "Running",
    "MinorStatus": "Application",
    "ApplicationStatus": "x",
    "Source": "JobWrapper",
    "ErrorClass": "host",
}
FIGURES = {"LoadAverage": 1.0, "MemoryUsed": 1.0, "StandardOutput": "x", "CPUConsumed": 1.0}
PARAMETERS = {
    "Site": "LCG.Alpha.org",
    "HostName": "x",
    "Memory(MB)": 1,
    "CPUNormalizationFactor": "1",
    "free": {"a": 1},
}
SEARCH: dict[str, Any] = {
    "parameters": ["Status"],
    "search": [{"parameter": "Status", "operator": "eq", "value": "Done"}],
    "sort": [{"parameter": "Status", "direction": "asc"}],
    "distinct": True,
}
GOOD_QUERY = {"page": "1", "per_page": "9", "limit": "9", "first": "0", "chunk": "0", "force": "no", "pfn": PFN}
GOOD_QUERY |= {"from": "master", "to": "master", "before": "master", "reset_jobs": "no", "everybody": "no"}
GOOD_QUERY |= {"stream": "output", "tail": "9", "lfn": "/voa/a"}
PATH_NAMES = {
    "jti": UUID,
    "secret_id": UUID,
    "operation_id": UUID,
    "session_id": UUID,
    "dashboard_id": UUID,
    "stamp": STAMP,
    "class_id": "1",
    "sandbox_type": "input",
    "name": "a.task",
    "revision": "newest",
    "signature": "0" * 16,
    "workflow_id": "0" * 64,
    "path": "main.cwl",
    "se": "DISK",
    "vo": "voa",
    "sha256": "0" * 64,
    "file_id": "1",
    "upload_id": "1",
}

_SPECS: dict[tuple[str, str], list[Any]] = {
    ("Status", "regex"): ["(", "[", "*", "\\", "(?<=a)b", "a{9999}", "((((((x{99}){99}){99}){99}", "(" * 5_000],
    ("Status", "like"): ["\\", "%" * 5_000, "_" * 5_000],
    ("SubmissionTime", "gt"): [1, "2026-13", "x", "2026-02-30", ""],
    **{(name, "eq"): ["x"] for name in ("nothing", "", "job_id", "JobID; --", "*", "JobID", "PilotID")},
    **{("Status", word): ["x"] for word in ("", "EQ", "~", "is", "in", "between")},
}
_LISTS: list[Any] = [[1, "x"], [2**64], ["\x00"], ["\ud800"], [[]], "x", [None]]
SPECS = [
    *({"parameter": name, "operator": word, "value": one} for (name, word), many in _SPECS.items() for one in many),
    *(
        {"parameter": name, "operator": "in", "values": values}
        for name in ("VO", "JobID", "PilotStamp", "PilotID")
        for values in _LISTS
    ),
]
_NAMES: list[Any] = [["nothing"], ["\ud800"], [], ["Status"] * 2_000, ["LoggingInfo"] * 2_000, "Status"]
SEARCHES: list[dict[str, Any]] = [
    *({"search": [spec]} for spec in SPECS),
    *({"search": [spec], "grouping": ["Status"]} for spec in SPECS),
    *({"grouping": names, "search": []} for names in _NAMES),
    *({"parameters": names} for names in _NAMES),
    *({"sort": [{"parameter": name, "direction": "asc"}]} for name in ("nothing", "LoggingInfo", "PilotStamp", "1")),
    *({"sort": [{"parameter": "Status", "direction": word}]} for word in ("", "ASC", "asc nulls first")),
    {"sort": [{"parameter": "\ud800", "direction": "asc"}], "distinct": True},
    {"sort": [{"parameter": "Status", "direction": "asc"}] * 2_000},
    {"search": [{"parameter": "Status", "operator": "eq", "value": "x"}] * 2_000},
    {"grouping": ["Status"], "search": [{"parameter": "Status", "operator": "neq", "value": "x"}] * 2_000},
]


CWL = """\
cwlVersion: v1.2
class: CommandLineTool
inputs: {x: {type: int, default: 1, inputBinding: {}}}
outputs: []
baseCommand: echo
"""
_BUNDLE = {"v": 1, "entry": "main.cwl", "files": {"main.cwl": {"sha256": "0" * 64, "size": 1, "content": "eA=="}}}


_FIELD = {"unit": "s", "values": [1, 2], "help": "x"}
FILES: dict[str, Any] = {
    "under": "/voa",
    "depth": 3,
    "where": [{"parameter": "Size", "operator": "between", "values": [1, 2]}],
    "any": [[{"parameter": "Name", "operator": "like", "value": "a%"}], [{"parameter": "JobID", "operator": "exists"}]],
}

_LFNS = {"lfns": ["/voa/a"]}
_FILE: dict[str, Any] = {
    "lfn": "/voa/a",
    "size": 1,
    "checksums": {"adler32": "00000001"},
    "guid": UUID,
    "metadata": {"Run": 1},
    "ancestors": ["/voa/b"],
}
_PRODUCED = {"name": "a.root", "output": "o", "size": 1, "checksums": {"adler32": "00000001"}, "metadata": {"Run": 1}}


def _manifest(job_id: int) -> dict[str, Any]:
    file = {"output": "o", "index": 0, "path": "outputs/x", "size": 1, "adler32": "0" * 8, "sha1": "0" * 40}
    outputs = {"o": {"class": "File", "location": "outputs/x", "basename": "x", "size": 1}, "n": [1, 1.0, None]}
    return {
        "v": 1,
        "job_id": job_id,
        "status": "success",
        "exit_code": 0,
        "outputs": outputs,
        "files": [file | {"guid": UUID}],
        "inputs": [],
        "containers": [],
    }


def samples(job_id: int) -> dict[str, Any]:
    """Return a body for every operation that takes JSON, with all that may stand in it."""
    job_ids = {"job_ids": [job_id]}
    offer = {
        "system": {"name": "Linux"},
        "wall_time": 3600,
        "tags": ["a"],
        "site": "LCG.Alpha.org",
        "cpu": {"num_cores": 1, "ram_mb": 100, "architecture": {"name": "x86_64", "features": ["sse2"]}},
        "gpu": {"count": 0},
    }
    registration = {"pilot_stamp": "b" * 32, "vo": "voa", "pilot_reference": "x", "pilot_status": "Submitted"}
    sandbox = {"checksum_algorithm": "sha256", "checksum": "1" * 64, "size": 10, "format": "tar.bz2"}
    ever = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    site = {"kind": "site", "name": "LCG.Alpha.org", "access": "all", "vo": "voa"}
    dashboard = {"title": "x", "shared": True, "document": {"panels": [1]}}
    return {
        "POST /api/jobs/sandbox": sandbox,
        "POST /api/jobs/sandbox/unassign": job_ids,
        "PATCH /api/jobs/{job_id}/sandbox/output": PFN,
        "PUT /api/jobs/{job_id}/outputs": {"sandbox": PFN, "manifest": _manifest(job_id)},
        "POST /api/config/changes": {"base": "0" * 40, "document": "DIRAC: {}", "message": "x", "dry_run": True},
        "PUT /api/jobs/failures/{signature}/note": {"note": "x", "link": "https://example.org"},
        "POST /api/jobs/jdl": [JDL],
        "POST /api/jobs/json": [{"executable": "/bin/true", "requirements": {"wall_time": 60, "tags": "os:el9"}}],
        "POST /api/jobs/check": {"jdl": [JDL]},
        "POST /api/jobs/": {
            "workflow": CWL,
            "inputs": [{"x": 1}, {"x": 2}],
            "base_inputs": {"x": 1},
            "hints": {"priority": 1},
            "dry_run": True,
            "allow_unknown": True,
        },
        "POST /api/workflows/validate": {"workflow": CWL, "inputs": [{"x": 1}], "hints": {"priority": 1}},
        "PUT /api/workflows/{workflow_id}": _BUNDLE,
        "POST /api/jobs/search": SEARCH,
        "POST /api/jobs/groups/search": {"search": [{"parameter": "Owner", "operator": "eq", "value": "alice"}]},
        "POST /api/jobs/summary": {"grouping": ["Status"], "search": SEARCH["search"]},
        "PATCH /api/jobs/status": {str(job_id): {"2026-11-25T00:00:00Z": UPDATE}},
        "POST /api/jobs/kill": job_ids,
        "POST /api/jobs/delete": job_ids,
        "POST /api/jobs/bulk": {
            "action": "kill",
            "search": SEARCH["search"],
            "fields": {"reset": False},
            "dry_run": True,
            "undo_s": 10,
        },
        "PATCH /api/jobs/heartbeat": {str(job_id): FIGURES},
        "PATCH /api/jobs/metadata": {str(job_id): PARAMETERS},
        "POST /api/jobs/reschedule": job_ids,
        "POST /api/tasks/{name}/run": {"payload": {"a": [1]}, "vo": "voa"},
        "POST /api/tasks/dead/search": {
            "parameters": ["task"],
            "search": [{"parameter": "task", "operator": "eq", "value": "a.task"}],
            "sort": [{"parameter": "id", "direction": "asc"}],
        },
        "POST /api/tasks/dead/replay": {"ids": [1]},
        "POST /api/tasks/dead/discard": {"ids": [1]},
        "PUT /api/ui/preferences": {"document": {"theme": "dark"}},
        "POST /api/ui/dashboards": {**dashboard, "kind": "view"},
        "PUT /api/ui/dashboards/{dashboard_id}": {**dashboard, "kind": "view", "revision": 1},
        "POST /api/matcher/match": {"offer": offer, "count": 1, "fill": False, "wait_s": 0, "request_id": "x"},
        "POST /api/matcher/explain": {"offer": offer},
        "POST /api/auth/web/switch": {"vo": "voa", "group": "user", "properties": ["NormalUser"]},
        "POST /api/accounting/jobs/report": {**ever, "by": ["site"], "bucket": "day", "where": {"site": ["a"]}},
        "POST /api/accounting/pilots/report": {**ever, "by": ["ce"], "bucket": "hour", "where": {"ce": ["a"]}},
        "POST /api/accounting/jobs/series": {**ever, "by": "site", "value": "core_s", "top": 3, "normalised": True},
        "POST /api/accounting/pilots/series": {**ever, "by": "ce", "bucket": "month", "where": {"ce": ["a"]}},
        "PATCH /api/rss/status": [{**site, "status": "Banned", "reason": "x", "expires_at": "2030-01-01T00:00:00Z"}],
        "POST /api/rss/status/release": [site],
        "POST /api/rss/drain": [{**site, "reason": "x", "until": "2030-01-01T00:00:00Z"}],
        "POST /api/rss/drain/release": [site],
        "POST /api/files/fields": {"name": "Run", "type": "int", "on": "file", "indexed": True, **_FIELD},
        "PATCH /api/files/fields/{name}": {"indexed": True, **_FIELD},
        "POST /api/files/metadata": {"paths": ["/voa/a"], "inherited": False},
        "POST /api/files/metadata/set": {"set": {"/voa/a": {"Run": 1}}},
        "POST /api/files/search": {**FILES, "parameters": ["LFN"], "sort": [{"parameter": "LFN", "direction": "asc"}]},
        "POST /api/files/summary": {**FILES, "grouping": ["Owner"]},
        "POST /api/files/register": {
            "files": [{**_FILE, "replicas": [{"se": "DISK", "pfn": "/voa/b"}]}],
            "atomic": True,
        },
        "POST /api/files/lookup": {**_LFNS, "parameters": ["size", "replicas"], "trash": False},
        "POST /api/files/replicas": {**_LFNS, "site": "LCG.Alpha.org"},
        "POST /api/files/replicas/status": {**_LFNS, "se": "DISK", "status": "Suspect", "reason": "x"},
        "POST /api/files/list": {"path": "/voa", "limit": 10, "trash": False},
        "POST /api/files/directories": {"paths": ["/voa/d"], "mode": "0755"},
        "POST /api/files/rmdir": {"paths": ["/voa/d"]},
        "POST /api/files/usage": {"paths": ["/voa"]},
        "POST /api/files/move": {"moves": [{"from": "/voa/a", "to": "/voa/b"}]},
        "POST /api/files/permissions": {
            "paths": ["/voa/a"],
            "owner": "u",
            "group": "user",
            "mode": "0644",
            "recursive": True,
        },
        "POST /api/files/delete": {**_LFNS, "reason": "x"},
        "POST /api/files/restore": _LFNS,
        "POST /api/files/ancestors": {**_LFNS, "depth": 2},
        "POST /api/files/descendants": {**_LFNS, "depth": 2},
        "POST /api/files/bulk": {"action": "delete", "paths": ["/voa/a"], "fields": {"reason": "x"}, "dry_run": True},
        "POST /api/jobs/{job_id}/outputs": {"files": [_PRODUCED], "protocols": ["https"]},
        "POST /api/jobs/{job_id}/outputs/{upload_id}/commit": {"landed": {"a.root": {"se": "DISK", "etags": ["x"]}}},
        "POST /api/storage/check": {"se": "DISK", "under": "/voa", "checksums": False},
        "POST /api/storage/uploads": {"files": [_FILE], "ses": ["DISK"], "protocols": ["file"], "atomic": True},
        "POST /api/storage/uploads/{upload_id}/commit": {"landed": {"/voa/a": {"se": "DISK", "etags": []}}},
        "POST /api/storage/access": {"lfns": ["/voa/a"], "site": "LCG.Alpha.org", "protocols": ["s3"], "ttl_s": 60},
        "POST /api/storage/stat": {"se": "DISK", "lfns": ["/voa/a"]},
        "POST /api/storage/probe": {"se": "DISK"},
        "POST /api/pilots/": registration,
        "PATCH /api/pilots/metadata": {STAMP: {"Status": "Running", "BenchMark": 1.0, "CurrentJobID": 1}},
        "POST /api/pilots/search": SEARCH,
        "POST /api/pilots/summary": {"grouping": ["Status"], "search": SEARCH["search"]},
        "POST /api/pilots/token": {"secret": "weylp_test_" + "a" * 43, "host": "x", "stamp": STAMP, "offer": {"a": 1}},
        "POST /api/pilots/token/refresh": {"refresh_token": "x"},
        "POST /api/pilots/secrets": {"vo": "voa", "site": "LCG.Alpha.org", "max_uses": 1, "hours": 1},
        "POST /api/pilots/drain": {"stamps": ["b" * 32], "site": "LCG.Alpha.org", "vo": "voa", "undo": False},
        "POST /api/pilots/revoke": {"stamps": ["b" * 32], "host": "x", "vo": "voa", "secret_id": UUID},
    }
