"""Says what is wrong with a document and with inputs for it, and stores nothing."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from weyl.config.models import Config
from weyl.cwl.errors import FilesMissing, WrongBundle
from weyl.cwl.inputs import NotJSON
from weyl.cwl.judgement import Judge, Judged
from weyl.cwl.models.bundles import Validation
from weyl.cwl.needs import Counting
from weyl.cwl.objects import Base, Given, Objects, Single, items
from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.cwl.problems import Problem, errors_of, problem, shown
from weyl.cwl.service import bundles
from weyl.cwl.service.bundles import Source
from weyl.cwl.service.submission import Workflows


async def validated(
    service: Workflows, body: Validation, pusher: Pusher, *, config: Config, now: datetime
) -> dict[str, Any]:
    """Return the answer: all problems, and what is known of the document as far as it could be read.

    Raises `WorkflowNotFound` for an id that the VO does not have.
    """
    try:
        source = await _source(service, body, pusher)
    except (FilesMissing, WrongBundle) as error:
        missing = error.extra.get("missing") or [None]
        assert isinstance(missing, list), "paths"
        return _answer([problem("bad-bundle", str(error.detail), file=path) for path in missing], None, None)
    get = service.compilations.get
    compilation = await get(source.bundle_id, source.bundle, user=pusher.user, now=now, keep=False)
    source = source.labelled(compilation)
    judge = Judge(pusher.vo, config.operations[pusher.vo], service.kinds)
    judged = judge.judge(compilation, body.hints, {} if source.is_stored else source.files)
    problems = [*judged.problems, *_needs(judge, judged)]
    if compilation.is_sound and body.inputs is not None:
        objects = _objects(body.inputs)
        try:
            problems += (await asyncio.to_thread(partial(compilation.rules.check, objects))).problems
        except NotJSON as error:
            problems.append(problem("wrong-type", str(error)))
    return _answer(problems, source, judged)


async def _source(service: Workflows, body: Validation, pusher: Pusher) -> Source:
    if body.workflow is not None:
        return bundles.of_text(body.workflow)
    if body.manifest is not None:
        return await bundles.of_manifest(service.db, pusher, body.manifest)
    assert body.workflow_id is not None, "one of the three is given"
    async with service.db.read() as tx:
        found = await bundles.find(tx, WorkflowReader(pusher.vo), body.workflow_id)
        return await bundles.read(tx, found, fragment=body.workflow_id.partition("#")[2] or None)


def _needs(judge: Judge, judged: Judged) -> Sequence[Problem]:
    """Return what is wrong with requirements that depend on no input."""
    if judged.frame is None or judged.compilation.expressions:
        return ()
    return Counting(judged, judged.frame, judge.site).all_alike().problems


def _objects(inputs: Sequence[Mapping[str, Any]]) -> Objects:
    if not inputs:
        return Single(Base())
    text = json.dumps(inputs)
    return Given(text, items(text, 0), Base())


def _answer(problems: Sequence[Problem], source: Source | None, judged: Judged | None) -> dict[str, Any]:
    compilation = None if judged is None else judged.compilation
    told = {name: None if compilation is None else compilation.get(name) for name in _TOLD}
    return {
        "problems": shown(problems),
        **told,
        "bundle_id": None if source is None else source.bundle_id.hex(),
        "workflow_id": None if source is None else source.workflow_id,
        "hints": [] if judged is None else judged.values(),
    }


_TOLD = ("schema", "graph", "class", "label", "doc")


def is_refused(problems: Sequence[Problem]) -> bool:
    """Tell whether problems keep a document from being stored."""
    return bool(errors_of(problems))
