"""What Kubernetes is told and what its words mean, without a cluster."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from weyl.pilots.compute_elements import kubernetes_job as objects
from weyl.pilots.compute_elements.driver import CEState, Copy, DriverError, PilotSpec

NOW = datetime(2026, 5, 1, tzinfo=UTC)
OPTIONS = objects.KubernetesOptions.model_validate({"Image": "pilot:1"})
SPEC = PilotSpec(
    executable="./pilot.sh",
    arguments=("a b",),
    inputs={"pilot.sh": b"#!/bin/sh\n"},
    environment={"A": "$HOME $(A)"},
    cores=8,
    memory_mb=16_000,
    scratch_mb=1_000,
    gpus=1,
    wall_s=3_600,
    queue="long queue",
)
COPY = Copy("ab12", secrets={"secret": b"hush"})


def job(**options: Any) -> dict[str, Any]:
    made = objects.KubernetesOptions.model_validate({"Image": "pilot:1", **options})
    return objects.job(SPEC, COPY, made, inputs="weyl-inputs-x")


def test_a_pilot_is_one_job_that_is_tried_once_and_ends_in_time() -> None:
    made = job()
    assert made["metadata"]["name"] == "weyl-ab12"
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "weyl",
        "weyl/stamp": "ab12",
        "weyl/queue": "long-queue",
    }
    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 3_600)
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_what_a_pilot_needs_is_requested_and_bounded_but_for_cores() -> None:
    resources = job(GPUResource="amd.com/gpu")["spec"]["template"]["spec"]["containers"][0]["resources"]
    asked = {"memory": "16000Mi", "ephemeral-storage": "1000Mi", "amd.com/gpu": "1"}
    assert resources == {"requests": {"cpu": "8", **asked}, "limits": asked}


def test_only_the_container_that_prepares_has_the_secret() -> None:
    pod = job()["spec"]["template"]["spec"]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == ["work"]
    assert [mount["name"] for mount in pod["initContainers"][0]["volumeMounts"]] == ["work", "inputs", "secrets"]
    assert pod["automountServiceAccountToken"] is False
    assert "hush" not in str(job())
    assert base64.b64encode(b"hush").decode() not in str(job())
    secret = objects.secret(COPY, name="weyl-ab12", job_uid="u")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert secret["data"] == {"secret": base64.b64encode(b"hush").decode()}


def test_kubernetes_replaces_nothing_in_the_environment() -> None:
    environment = job()["spec"]["template"]["spec"]["containers"][0]["env"]
    assert environment[0] == {"name": "A", "value": "$$HOME $$(A)"}


def test_where_pods_go_is_for_the_administrator_to_say() -> None:
    pod = job(
        ServiceAccount="pilots",
        NodeSelector={"pool": "batch"},
        Tolerations=[{"key": "batch", "operator": "Exists"}],
        ImagePullSecrets=["registry"],
        PriorityClass="low",
        RunAsUser=1000,
    )["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pilots"
    assert pod["nodeSelector"] == {"pool": "batch"}
    assert pod["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    with pytest.raises(ValidationError, match="Imgae"):
        objects.KubernetesOptions.model_validate({"Imgae": "x"})


def test_the_same_inputs_have_the_same_name_and_too_large_ones_are_refused() -> None:
    first = objects.config_map(SPEC)
    assert first == objects.config_map(SPEC)
    other = PilotSpec(executable="./pilot.sh", inputs={"pilot.sh": b"#!/bin/sh\n\n"})
    assert objects.config_map(other)["metadata"]["name"] != first["metadata"]["name"]
    with pytest.raises(DriverError, match="1000000 bytes"):
        objects.config_map(PilotSpec(executable="./a", inputs={"a": bytes(1_000_001)}))


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason}
    return {"status": {"containerStatuses": [{"name": "pilot", "state": {"terminated": terminated}}]}}


def is_true(kind: str, **words: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": "True", **words}]}}


def pending(**status: Any) -> dict[str, Any]:
    return {"status": {"phase": "Pending", **status}}


def unscheduled(since: timedelta) -> dict[str, Any]:
    moment = (NOW - since).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    return pending(conditions=[{**condition, "lastTransitionTime": moment}])


IMAGE = {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}


@pytest.mark.parametrize(
    ("found", "pod", "state", "detail"),
    [
        (is_true("Complete"), ended(0), CEState.DONE, "exit code 0"),
        (is_true("Failed", reason="BackoffLimitExceeded"), ended(3), CEState.FAILED, "exit code 3"),
        (is_true("Failed"), ended(137, "OOMKilled"), CEState.FAILED, "exit code 137 (OOMKilled)"),
        (is_true("Failed", reason="DeadlineExceeded"), None, CEState.FAILED, "DeadlineExceeded"),
        ({}, None, CEState.WAITING, "no pod yet"),
        ({}, pending(), CEState.WAITING, "Pending"),
        ({}, {"status": {"phase": "Running"}}, CEState.RUNNING, "Running"),
        ({}, {"status": {"phase": "Succeeded"}}, CEState.RUNNING, "Succeeded"),
        ({}, pending(initContainerStatuses=[IMAGE]), CEState.ABORTED, "ErrImagePull: not found"),
        ({}, unscheduled(timedelta(minutes=5)), CEState.WAITING, "Unschedulable: no room"),
        ({}, unscheduled(timedelta(minutes=61)), CEState.ABORTED, "Unschedulable: no room"),
        ({"metadata": {"annotations": {"weyl/cancelled": "true"}}}, None, CEState.DELETED, "cancelled"),
        ({"status": None, "metadata": 3}, {"status": {"phase": ["?"]}}, CEState.UNKNOWN, "Kubernetes says \"['?']\""),
    ],
)
def test_every_word_of_kubernetes_has_its_meaning(
    found: dict[str, Any], pod: dict[str, Any] | None, state: CEState, detail: str
) -> None:
    status = objects.judge(found, pod, now=NOW)
    assert (status.state, status.detail) == (state, detail)
