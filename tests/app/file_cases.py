"""What somebody of another VO asks about a file of `voa`: body and statuses of each route of files and storage."""

from typing import Any

LFN, NOWHERE = "/voa/secret/file", "/voa/nowhere/file"
FILE_ID, NO_FILE_ID = 424_242, 434_343

PLANT = """
WITH vo AS (INSERT INTO file_vos (name) VALUES ('voa') RETURNING vo_id),
who AS (INSERT INTO identities (name) VALUES ('marie-skłodowska') RETURNING identity_id),
top AS (
  INSERT INTO directories (dir_id, vo_id, path, path_hash, lineage, depth, mode, created_at)
  SELECT 900001, vo_id, '/voa', substring(sha256('/voa') FROM 1 FOR 16), '{900001}', 1, 493, now() FROM vo
), below AS (
  INSERT INTO directories (dir_id, parent_id, vo_id, path, path_hash, lineage, depth, owner_id, mode, created_at)
  SELECT 900002, 900001, vo_id, '/voa/secret', substring(sha256('/voa/secret') FROM 1 FOR 16), '{900001,900002}', 2,
    identity_id, 511, now() FROM vo, who RETURNING dir_id
)
INSERT INTO files (file_id, dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at)
SELECT 424242, 900002, 'file', 1, identity_id, identity_id, 511, 'Good', now(), now() FROM who
"""

FOUND_OR_NOT, REFUSED, ABSENT = {200}, {403}, {403, 404}


def bodies(lfn: str) -> dict[str, tuple[set[int], Any]]:
    """Return the statuses that may come, and the body that is sent, by operation."""
    directory = lfn.rpartition("/")[0]
    sums = {"size": 1, "checksums": {"adler32": "1"}}
    file = {"lfn": lfn, **sums}
    return {
        "POST /api/files/register": (REFUSED, {"files": [{**file, "replicas": [{"se": "X"}]}]}),
        "POST /api/files/lookup": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/files/replicas": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/files/replicas/status": (
            FOUND_OR_NOT,
            {"lfns": [lfn], "se": "X", "status": "Bad", "reason": "x"},
        ),
        "POST /api/files/list": (ABSENT, {"path": directory}),
        "POST /api/files/directories": (FOUND_OR_NOT, {"paths": [directory]}),
        "POST /api/files/rmdir": (FOUND_OR_NOT, {"paths": [directory]}),
        "POST /api/files/move": (FOUND_OR_NOT, {"moves": [{"from": lfn, "to": "/vob/mine"}]}),
        "POST /api/files/permissions": (FOUND_OR_NOT, {"paths": [lfn], "mode": "0777"}),
        "POST /api/files/delete": (FOUND_OR_NOT, {"lfns": [lfn], "reason": "x"}),
        "POST /api/files/restore": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/files/usage": (FOUND_OR_NOT, {"paths": [directory]}),
        "POST /api/files/ancestors": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/files/descendants": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/files/bulk": (
            FOUND_OR_NOT,
            {"action": "delete", "paths": [directory], "fields": {"reason": "x"}},
        ),
        "POST /api/files/search": ({200, 400, 403, 404}, {"under": directory, "where": []}),
        "POST /api/files/summary": ({200, 400, 403, 404}, {"under": directory, "where": [], "grouping": ["Owner"]}),
        "POST /api/files/metadata": (FOUND_OR_NOT, {"paths": [lfn]}),
        "POST /api/files/metadata/set": (FOUND_OR_NOT, {"set": {lfn: {"Run": 1}}}),
        "GET /api/files/fields": (FOUND_OR_NOT, None),
        "POST /api/files/fields": (REFUSED, {"name": "Run", "type": "int", "on": "file"}),
        "PATCH /api/files/fields/{name}": (ABSENT, {"help": "x"}),
        "DELETE /api/files/fields/{name}": (ABSENT, None),
        "GET /api/files/tree": ({200, 404}, None),
        "GET /api/files/tree/metadata": ({404}, None),
        "GET /api/files/tree/usage": ({404}, None),
        "GET /api/files/{file_id}": ({404}, None),
        "GET /api/files/{file_id}/ancestors": ({404}, None),
        "GET /api/files/{file_id}/descendants": ({404}, None),
        "GET /api/files/{file_id}/metadata": ({404}, None),
        "GET /api/files/{file_id}/replicas": ({404}, None),
        "GET /api/storage": (FOUND_OR_NOT, None),
        "GET /api/storage/{se}": ({404}, None),
        "GET /api/storage/access": (ABSENT, None),
        "POST /api/storage/access": (FOUND_OR_NOT, {"lfns": [lfn]}),
        "POST /api/storage/stat": ({403, 404}, {"se": "X", "lfns": [lfn]}),
        "POST /api/storage/probe": (REFUSED, {"se": "X"}),
        "POST /api/storage/check": (REFUSED, {"se": "X"}),
        "GET /api/storage/uploads": (FOUND_OR_NOT, None),
        "POST /api/storage/uploads": ({404}, {"files": [file]}),
        "GET /api/storage/uploads/{upload_id}": (ABSENT, None),
        "DELETE /api/storage/uploads/{upload_id}": ({204, *ABSENT}, None),
        "POST /api/storage/uploads/{upload_id}/commit": (ABSENT, {"landed": {}}),
        "GET /api/jobs/{job_id}/files": (ABSENT, None),
        "GET /api/jobs/{job_id}/inputs": (ABSENT, None),
        "POST /api/jobs/{job_id}/outputs": (ABSENT, {"files": [{"name": "x", **sums}]}),
        "POST /api/jobs/{job_id}/outputs/{upload_id}/commit": (ABSENT, {"landed": {}}),
    }


def query(operation: str, lfn: str) -> dict[str, str]:
    """Return the query of an operation."""
    if operation == "GET /api/storage/access":
        return {"lfn": lfn}
    return {"node": lfn.rpartition("/")[0]} if operation.startswith("GET /api/files/tree") else {}
