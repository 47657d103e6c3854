"""What the routes of workflows depend on, and how they write what documents hold."""

import json
from typing import Annotated

from fastapi import Depends, Path, Query, Response
from pydantic import StringConstraints

from weyl.cwl.models.manifest import FRAGMENT_LENGTH_MAX, Digest
from weyl.cwl.service.submission import WORKFLOWS, Workflows
from weyl.kit.http import JSON

CurrentWorkflows = Annotated[Workflows, Depends(WORKFLOWS.dependency)]
WorkflowId = Annotated[Digest, Path(description="A label, or the id of a bundle")]
Fragment = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=FRAGMENT_LENGTH_MAX, pattern=r"^[^\x00-\x1f\x7f#]+$")]
    | None,
    Query(description="The process that is meant, where a file holds several"),
]


def plain_json(content: object, *, status: int = 200) -> Response:
    """Return `content` as JSON: a document may have numbers that the server's own writer refuses."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(errors="replace"), status_code=status, media_type=JSON)
