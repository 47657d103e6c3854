"""Hints of extensions are one more thing that only one of them may claim."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.cwl.conftest import ECHO, with_compiler
from tests.cwl.test_hints import CAMERA, IRI
from tests.infra.app import Installation, running_application

from weyl.activation import activate
from weyl.builtin import BUILTIN
from weyl.cwl.drivers.compiler import Compiler
from weyl.cwl.models.hints import NAMESPACE
from weyl.demo.seaweedfs import RunningStore
from weyl.descriptions.attributes import JobAttribute
from weyl.extension import Extension, ExtensionConflict
from weyl.jobs.additions import Candidate, Submitting


def test_two_extensions_with_one_hint_stop_the_start() -> None:
    parts = [Extension(name=name, hints={IRI: CAMERA}) for name in ("one", "two")]
    with pytest.raises(ExtensionConflict, match=f"The hint {IRI}"):
        activate([BUILTIN, *parts])


def test_a_hint_in_our_namespace_stops_the_start() -> None:
    with pytest.raises(ExtensionConflict, match="own namespace"):
        activate([BUILTIN, Extension(name="one", hints={f"{NAMESPACE}Camera": CAMERA})])


def test_hints_of_several_extensions_are_merged() -> None:
    others = {f"{IRI}2": CAMERA}
    merged = activate([BUILTIN, Extension(name="one", hints={IRI: CAMERA}), Extension(name="two", hints=others)])
    assert set(merged.hints) == {IRI, f"{IRI}2"}


async def test_a_hint_of_an_extension_reaches_its_check_of_submissions(
    installation: Installation, database_url: str, object_store: RunningStore, compiler: Compiler
) -> None:
    seen: list[Any] = []

    def check(candidates: Sequence[Candidate], _: Submitting) -> dict[int, str]:
        seen.extend(candidate.document.get("CameraGain") for candidate in candidates)
        return {0: "the camera is in the workshop"} if 13 in seen else {}

    camera = Extension(
        name="camera",
        hints={IRI: CAMERA},
        job_attributes={"CameraGain": JobAttribute(int, "Gain.")},
        submission_checks={"camera": check},
    )
    text = '$namespaces: {{ex: "https://example.org/hints#"}}\nhints: {{ex:Camera: {{gain: {gain}}}}}\n' + ECHO.replace(
        "{", "{{"
    ).replace("}", "}}")
    running = running_application(installation, database_url, object_store, extensions=[BUILTIN, camera])
    async with running as application:
        with_compiler(application, compiler)
        for gain, status in ((7, 201), (13, 400), ("x", 400)):
            body = {"workflow": text.format(gain=gain)}
            answer = await application.client.post("/api/jobs/", json=body, headers=application.login())
            assert answer.status_code == status, answer.text
        parameters = await application.client.get("/api/jobs/1/parameters", headers=application.login())
        assert parameters.json()["CameraGain"] == 7
        schema = await application.client.get("/api/workflows/hints-schema", headers=application.login())
        assert IRI in schema.json()["properties"]
    assert seen == [7, 13]
