"""The JSON Schema of all hints, for editors and commands; those of extensions join it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel

_SCHEMA = """
$schema: https://json-schema.org/draft/2020-12/schema
type: object
properties:
  dirac:Job: {$ref: "#/$defs/job"}
  dirac:Production: {$ref: "#/$defs/production"}
  dirac:Workgraph: {$ref: "#/$defs/production"}
  dirac:Transformation: {$ref: "#/$defs/transformation"}
not: {required: ["dirac:Production", "dirac:Workgraph"]}
$defs:
  names: &names {type: array, items: {type: string, minLength: 1}, uniqueItems: true}
  oneOrMore: &oneOrMore {anyOf: [{type: string}, *names]}
  version: &version {const: "1.0"}
  jobType: &jobType {type: string, minLength: 1, maxLength: 32}
  group: &group {type: string, minLength: 1, maxLength: 128}
  requirements: &requirements {anyOf: [{type: object}, {type: array, items: {type: object}, minItems: 2, maxItems: 8}]}
  plugin: &plugin
    type: object
    required: [name]
    additionalProperties: false
    properties: {name: {type: string}, args: {type: object}}
  hook: &hook
    type: object
    required: [hook]
    additionalProperties: false
    properties: {hook: {type: string}, args: {type: object}}
  action: &action
    type: object
    required: [action]
    additionalProperties: false
    properties: {action: {type: string}, args: {type: object}}
  actions: &actions {type: array, items: *action}
  lists: &lists {type: object, propertyNames: {enum: [Finalizing, Archiving, Cleaning]}, additionalProperties: *actions}
  start: &start {enum: [Active, Stopped, Paused]}
  source: &source
    type: object
    required: [source]
    properties: {source: {type: string}, path: {type: string}}
    additionalProperties: false
  sources: &sources {type: array, items: *source}
  binding: &binding
    type: object
    additionalProperties: false
    properties:
      source: {type: string}
      from_output: {type: string}
      output_path: {type: string, maxLength: 4096}
      lfn_dir: {type: string, maxLength: 4096}
      output_se: *oneOrMore
      storage_elements: *oneOrMore
    oneOf: [{required: [source]}, {required: [from_output]}]
    allOf:
      - not: {required: [output_path, lfn_dir]}
      - not: {required: [output_se, storage_elements]}
  job:
    type: object
    additionalProperties: false
    not: {required: [type, job_type]}
    properties:
      schema_version: *version
      job_type: *jobType
      type: *jobType
      group: {type: string, maxLength: 32}
      log_level: {type: string}
      priority: {type: integer}
      requirements_template: *requirements
      cpu_work: {type: [integer, "null"], minimum: 1}
      platform: {type: [string, "null"]}
      sites: *names
      banned_sites: *names
      tags: *names
      input_sandbox: *sources
      input_data: *sources
      output_sandbox: {type: array, items: {anyOf: [{type: string, minLength: 1}, *source]}}
      output_data: {type: array, maxItems: 100, items: *binding}
  production:
    type: object
    additionalProperties: false
    not: {required: [type, job_type]}
    properties:
      schema_version: *version
      job_type: *jobType
      type: *jobType
      target:
        type: object
        required: [output]
        properties: {output: {type: string}, files: {type: integer, minimum: 1}}
        additionalProperties: false
      output_sandbox: *names
      approving: *actions
      hooks: {type: object, propertyNames: {enum: [ScoutingToApproving, Active]}, additionalProperties: *hook}
      data_management: {type: array, items: {$ref: "#/$defs/data"}}
      intermediates: {enum: [remove, keep]}
      annotations: {type: object}
      runs_as: *group
      priority: {type: integer}
  transformation:
    type: object
    additionalProperties: false
    not: {required: [type, job_type]}
    properties:
      schema_version: *version
      job_type: *jobType
      type: *jobType
      packer: *plugin
      driving_input: {type: string}
      after: *names
      initial_state: *start
      access: {enum: [stage, stream]}
      hooks: {type: object, propertyNames: {enum: [Active, HandleFailedInput]}, additionalProperties: *hook}
      actions: *lists
      output_sandbox: *names
      requirements_template: *requirements
      errors_max: {type: integer, minimum: 0}
      annotations: {type: object}
      runs_as: *group
      priority: {type: integer}
  data:
    type: object
    required: [operation, files]
    additionalProperties: false
    properties:
      id: {type: string}
      operation: {enum: [replicate, remove, archive]}
      files: {type: string}
      destination: *oneOrMore
      storage: *oneOrMore
      after: *names
      initial_state: *start
      packer: *plugin
      actions: *lists
      output_sandbox: *names
    allOf: [{if: {properties: {operation: {const: replicate}}}, then: {required: [destination]}}]
"""


def hint_schema(models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the schema of an object of hints: weyl's own by their short names, those of extensions by their IRIs."""
    known = _own()
    return known | {
        "properties": known["properties"] | {iri: model.model_json_schema() for iri, model in models.items()}
    }


@cache
def _own() -> dict[str, Any]:
    schema: dict[str, Any] = yaml.safe_load(_SCHEMA)
    return schema
