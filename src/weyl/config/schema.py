"""What a configuration document may say, as JSON Schema for editors."""

from typing import Any

from weyl.config.models import DEFAULTS, Config
from weyl.kit import json


def schema_of(model: type[Config]) -> bytes:
    """Return the schema of the document as people write it, sections of the extensions included."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    operations: dict[str, Any] = schema["properties"]["Operations"]
    # One name in it is no VO's: what it says is laid below every VO.
    operations["properties"] = {DEFAULTS: operations["additionalProperties"]}
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
