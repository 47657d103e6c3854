"""Runs inside the environment of DiracX's client: makes the calls it reads as JSON lines, and prints what came back.

It is a program of its own and imports nothing of weyl. A request is `{"mode", "call", "args", "kwargs"}`, where `call`
is `jobs.search`, or `api.create_sandbox` for a function of `diracx-api`. `{"$model": name, "fields": {…}}` stands for
an instance of a generated class, `{"$path": …}` for a path, `{"$bytes": …}` for bytes.
"""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from diracx.api import jobs as api_jobs
from diracx.client import models
from diracx.client.aio import AsyncDiracClient
from diracx.client.sync import SyncDiracClient


def decode(value: Any) -> Any:
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$model" in value:
        return getattr(models, value["$model"])(**decode(value["fields"]))
    if "$path" in value:
        return Path(value["$path"])
    if "$bytes" in value:
        return value["$bytes"].encode()
    if "$match" in value:
        return MatchConditions[value["$match"]]
    if "$repeat" in value:
        return [value["$repeat"].replace("{n}", str(n)) for n in range(value["times"])]
    return {name: decode(item) for name, item in value.items()}


def encode(value: Any) -> Any:
    if hasattr(value, "serialize"):
        # With the names of the wire; what is null is left out.
        return encode(value.serialize(keep_readonly=True))
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): encode(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    # Answers that the client defines by hand are plain objects.
    return encode(vars(value)) if hasattr(value, "__dict__") else value


class Record:
    """What the server answered, as the client's pipeline saw it."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.text = ""

    def __call__(self, response: Any) -> None:
        answer = response.http_response
        self.statuses.append(answer.status_code)
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        self.text = answer.text()[:2000]


def detail_of(error: HttpResponseError, text: str) -> Any:
    try:
        return json.loads(text).get("detail")
    except (ValueError, AttributeError):
        return str(error)


class Agent:
    """One client of each kind, which live as long as this process."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.aio: AsyncDiracClient | None = None
        self.sync: SyncDiracClient | None = None

    async def call_async(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self.aio is None:
            self.aio = await AsyncDiracClient().__aenter__()
        group, method = name.split(".")
        if group == "api":
            return await getattr(api_jobs, method)(*args, client=self.aio, **kwargs)
        return await getattr(getattr(self.aio, group), method)(*args, **kwargs)

    def call_sync(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self.sync is None:
            self.sync = SyncDiracClient().__enter__()
        group, method = name.split(".")
        return getattr(getattr(self.sync, group), method)(*args, **kwargs)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        args, kwargs = decode(request["args"]), decode(request["kwargs"])
        record = Record()
        if not request["call"].startswith("api."):
            kwargs["raw_response_hook"] = record
        result: dict[str, Any] = {"value": None, "error": None, "detail": None}
        try:
            if request["mode"] == "async":
                result["value"] = encode(self.runner.run(self.call_async(request["call"], args, kwargs)))
            else:
                result["value"] = encode(self.call_sync(request["call"], args, kwargs))
        except HttpResponseError as error:
            result |= {"error": type(error).__name__, "detail": detail_of(error, record.text)}
            record.statuses = record.statuses or [error.status_code or 0]
        except Exception as error:  # noqa: BLE001  the test decides what an error means
            result |= {"error": type(error).__name__, "detail": str(error)}
        return {**result, "statuses": record.statuses, "headers": record.headers, "text": record.text}

    def close(self) -> None:
        if self.sync is not None:
            self.sync.close()
        if self.aio is not None:
            self.runner.run(self.aio.__aexit__())
        self.runner.close()


def main() -> None:
    # Whatever the client prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    agent = Agent()
    for line in sys.stdin:
        print(json.dumps(agent.answer(json.loads(line))), file=answers, flush=True)
    agent.close()


if __name__ == "__main__":
    main()
